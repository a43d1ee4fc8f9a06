/**
 * Names that every JavaScript object has. Our libraries keep functions and variables in objects, so `constructor(1)` or
 * `toString + 1` would find what nobody defined and give nonsense for an answer.
 */
export function refusePrototypeNames(text: string): void {
  for (const name of text.match(/[A-Za-z_]\w*/g) ?? []) {
    if (name in Object.prototype) throw new Error(`unknown name ${name}; take another, e.g. x`);
  }
}
