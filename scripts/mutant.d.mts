/** Types of mutant.mjs. */
export function mutated(text: string, mutation: { inside: string; from: string; to: string }): string;
