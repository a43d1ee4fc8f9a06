/**
 * nerdamer in a realm of its own: its numeric methods compile functions from the expression, so code generation is on,
 * but in a realm that holds nothing but itself.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Evaluate } from '../hostProtocol.js';
import { createRealm, runInRealm } from './realm.js';

const PROGRAM = `(() => {
  return (text) => {
    nerdamer.clearVars();
    nerdamer.flush();
    return nerdamer(text).toString();
  };
})()`;

export function createAlgebra(): Evaluate {
  const file = join(dirname(createRequire(import.meta.url).resolve('nerdamer-prime')), 'all.min.js');
  const realm = createRealm({ console: silentConsole() }, true);
  runInRealm(realm, readFileSync(file, 'utf8'), file);
  const evaluate = runInRealm(realm, PROGRAM, 'algebra') as (text: string) => string;
  return (input) => {
    const expression = toSolve(input.trim().replace(/[×·⋅]/g, '*').replace(/[−–]/g, '-').replace(/\*\*/g, '^'));
    return tidy(evaluate(expression));
  };
}

/** `2*x+3=11` alone asks for its only variable; `a=1, b=2` style systems keep nerdamer's own solveEquations. */
export function toSolve(expression: string): string {
  if (!expression.includes('=') || /^[a-z_]\w*\s*\(.*\)$/is.test(expression)) return expression;
  if (/[<>:]=|=.*=/.test(expression)) throw new Error('one equation expected, e.g. 2*x+3=11 or solve(2*x+3=11, x)');
  const variables = variablesOf(expression);
  const [only] = variables;
  if (only === undefined) throw new Error('the equation has no variable to solve for');
  if (variables.length > 1) {
    throw new Error(
      `the equation has several variables (${variables.join(', ')}); write solve(${expression}, ${only})`,
    );
  }
  return `solve(${expression}, ${only})`;
}

/** Names that are not called: `sin(x)` has the variable x. `pi`, `e` and `i` are constants. */
export function variablesOf(expression: string): string[] {
  const names = expression.match(/[a-zA-Z_]\w*(?!\w*\s*\()/g) ?? [];
  return [...new Set(names)].filter((name) => !['pi', 'e', 'i'].includes(name));
}

/** One solution reads as itself; several keep their brackets: `[sqrt(2),-sqrt(2)]`. None says so. */
function tidy(result: string): string {
  if (result === '[]') return 'no solution found';
  const single = /^\[([^,[\]]+)\]$/.exec(result);
  return single?.[1] ?? result;
}

function silentConsole(): Record<string, () => void> {
  const nothing = () => {};
  return { log: nothing, warn: nothing, error: nothing, info: nothing, debug: nothing };
}
