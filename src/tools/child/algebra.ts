/** The tool `algebra`: solves equations and evaluates expressions with nerdamer, which is a global of its realm. */
import type { Evaluate } from '../hostProtocol.js';
import { refusePrototypeNames } from './names.js';

declare const nerdamer: {
  (text: string): { toString(): string };
  getCore(): { PARSER: { functions: object } };
  solveEquations(equations: readonly string[]): readonly (readonly [name: string, value: unknown])[];
};

export function createAlgebra(): Evaluate {
  return (input) => {
    const expression = input.trim().replace(/[×·⋅]/g, '*').replace(/[−–]/g, '-').replace(/\*\*/g, '^');
    refusePrototypeNames(expression);
    refuseUnknownFunctions(expression);
    const equations = systemOf(expression);
    if (equations !== null) return tidy(solveSystem(equations));
    return tidy(nerdamer(toSolve(expression)).toString());
  };
}

/**
 * nerdamer reads an unknown `foo(x)` as a product or a list, which would look like an answer; so such names are
 * refused. A single letter before a bracket is a factor and allowed.
 */
function refuseUnknownFunctions(expression: string): void {
  const known = nerdamer.getCore().PARSER.functions;
  for (const [, name = ''] of expression.matchAll(/(?<![A-Za-z_\d])([A-Za-z_]\w+)\s*\(/g)) {
    if (Object.hasOwn(known, name) || OURS.has(name)) continue;
    throw new Error(
      `unknown function ${name}; write e.g. solve(2*x+3=11, x), diff(x^3, x) or log(x); a product needs *`,
    );
  }
}

/** Functions that this file handles, and words that may stand before a bracket. */
const OURS = new Set(['solveEquations', 'system', 'pi', 'and']);

function solveSystem(equations: readonly string[]): string {
  return nerdamer
    .solveEquations(equations)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ');
}

/** The equations of `x+y=3, x-y=1`, `solve([x+y=3, x-y=1], [x, y])` and the like; null when it is not a system. */
export function systemOf(expression: string): string[] | null {
  const listed = /^(?:solve|solveEquations|system)\s*\(\s*\[([^[\]]*)\]\s*(?:,\s*\[[^[\]]*\]\s*)?\)$/is.exec(
    expression,
  )?.[1];
  const text = listed ?? (/^[a-z_]\w*\s*\(.*\)$/is.test(expression) ? '' : expression);
  const equations = text.split(/[,;\n]|\band\b/).map((part) => part.trim());
  if (equations.length < 2 || !equations.every((part) => /^[^=<>]+=[^=<>]+$/.test(part))) return null;
  return equations;
}

/** `2*x+3=11` becomes `solve(2*x+3=11, x)`; an expression that is not an equation is returned as it is. */
export function toSolve(expression: string): string {
  if (!expression.includes('=') || /^[a-z_]\w*\s*\(.*\)$/is.test(expression)) return expression;
  if (/[<>:]=|=.*=/.test(expression)) throw new Error('one equation expected, e.g. 2*x+3=11 or solve(2*x+3=11, x)');
  const variables = variablesOf(expression);
  const [only] = variables;
  if (only === undefined) throw new Error('the equation has no variable to solve for');
  if (variables.length > 1) {
    throw new Error(`several variables (${variables.join(', ')}); write solve(${expression}, ${only})`);
  }
  return `solve(${expression}, ${only})`;
}

/** Names that are neither called as functions nor the constants `pi`, `e` and `i`: for `sin(x)` it is x. */
export function variablesOf(expression: string): string[] {
  const names = expression.match(/[a-zA-Z_]\w*(?!\w*\s*\()/g) ?? [];
  return [...new Set(names)].filter((name) => !['pi', 'e', 'i'].includes(name));
}

/** Text that JavaScript prints for values that are not mathematical. */
const NO_VALUE = /\[object |\bfunction\b|=>|\b(?:undefined|null|NaN)\b/;

/**
 * Formats a result: a single solution without brackets, several with them (`[sqrt(2),-sqrt(2)]`), none in words.
 * nerdamer writes decimals as long fractions (33040268/44704279), which become decimals again.
 */
function tidy(result: string): string {
  if (result === '' || result === '[]') return 'no solution found';
  if (NO_VALUE.test(result))
    throw new Error('the result is not a value; write e.g. solve(2*x+3=11, x) or diff(x^3, x)');
  const single = /^\[([^,[\]]+)\]$/.exec(result)?.[1] ?? result;
  return single.replace(/\(?\b(\d{5,})\/(\d{5,})\b\)?/g, (_, a: string, b: string) =>
    String(Number((Number(a) / Number(b)).toPrecision(10))),
  );
}
