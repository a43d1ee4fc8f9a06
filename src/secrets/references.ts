/** `$NAME` in a configuration: the value of an environment variable, so that no secret has to be written down. */
import type { Environment } from './sources.js';

const REFERENCE = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/g;

/** Whether a text is a reference and nothing else, but for the word that a header begins with: `Bearer $TOKEN`. */
export function isReference(text: string): boolean {
  return /^\s*(?:(?:bearer|basic|token)\s+)?\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})\s*$/i.test(text);
}

/** Whether a text holds a reference, among whatever else. */
export function hasReferences(text: string): boolean {
  return [...text.matchAll(REFERENCE)].some(([, dollar]) => dollar === undefined);
}

export interface Expanded {
  readonly text: string;
  /** The values that came from the environment. */
  readonly values: readonly string[];
  /** Variables that are not set, or empty; then `text` is of no use. */
  readonly missing: readonly string[];
}

/** Puts values for `$NAME` and `${NAME}`; `$$` is a dollar. */
export function expandReferences(text: string, env: Environment): Expanded {
  const values: string[] = [];
  const missing: string[] = [];
  const expanded = text.replace(REFERENCE, (_all, dollar?: string, plain?: string, braced?: string) => {
    if (dollar !== undefined) return dollar;
    const name = (plain ?? braced)!;
    const value = env[name] ?? '';
    if (value === '') missing.push(name);
    else values.push(value);
    return value;
  });
  return { text: expanded, values, missing };
}
