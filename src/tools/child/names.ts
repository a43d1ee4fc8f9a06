/**
 * Throws for names that every JavaScript object has. The tools' libraries keep functions and variables in objects, so
 * `constructor(1)` or `toString + 1` would find something nobody defined and give a nonsensical answer.
 */
export function refusePrototypeNames(text: string): void {
  for (const name of text.match(/[A-Za-z_]\w*/g) ?? []) {
    if (name in Object.prototype) throw new Error(`unknown name ${name}; take another, e.g. x`);
  }
}
