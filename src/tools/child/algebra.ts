/**
 * nerdamer in a realm of its own: its numeric methods compile functions from the expression, so code generation is on,
 * but in a realm that holds nothing but itself.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Evaluate } from '../hostProtocol.js';
import { createRealm, runInRealm } from './realm.js';

const PROGRAM = `({
  evaluate(text) {
    nerdamer.clearVars();
    nerdamer.flush();
    return nerdamer(text).toString();
  },
  system(equations) {
    nerdamer.clearVars();
    nerdamer.flush();
    return nerdamer.solveEquations(JSON.parse(equations)).map(([name, value]) => name + ' = ' + value).join(', ');
  },
})`;

interface Nerdamer {
  evaluate(text: string): string;
  /** `equations` is a JSON list: no object of one realm enters the other. */
  system(equations: string): string;
}

export function createAlgebra(): Evaluate {
  const file = join(dirname(createRequire(import.meta.url).resolve('nerdamer-prime')), 'all.min.js');
  const realm = createRealm({ console: silentConsole() }, true);
  runInRealm(realm, readFileSync(file, 'utf8'), file);
  const nerdamer = runInRealm(realm, PROGRAM, 'algebra') as Nerdamer;
  nerdamer.evaluate('solve(2*x=4, x)');
  return (input) => {
    const expression = input.trim().replace(/[×·⋅]/g, '*').replace(/[−–]/g, '-').replace(/\*\*/g, '^');
    const equations = systemOf(expression);
    if (equations !== null) return tidy(nerdamer.system(JSON.stringify(equations)));
    return tidy(nerdamer.evaluate(toSolve(expression)));
  };
}

/** `x+y=3, x-y=1`, `solve([x+y=3, x-y=1], [x, y])` and the like: the equations, or null where it is no system. */
export function systemOf(expression: string): string[] | null {
  const listed = /^(?:solve|solveEquations|system)\s*\(\s*\[([^[\]]*)\]\s*(?:,\s*\[[^[\]]*\]\s*)?\)$/is.exec(
    expression,
  )?.[1];
  const text = listed ?? (/^[a-z_]\w*\s*\(.*\)$/is.test(expression) ? '' : expression);
  const equations = text.split(/[,;\n]|\band\b/).map((part) => part.trim());
  if (equations.length < 2 || !equations.every((part) => /^[^=<>]+=[^=<>]+$/.test(part))) return null;
  return equations;
}

/** `2*x+3=11` alone asks for its only variable. */
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

/** Names that are not called: `sin(x)` has the variable x. `pi`, `e` and `i` are constants. */
export function variablesOf(expression: string): string[] {
  const names = expression.match(/[a-zA-Z_]\w*(?!\w*\s*\()/g) ?? [];
  return [...new Set(names)].filter((name) => !['pi', 'e', 'i'].includes(name));
}

/**
 * One solution reads as itself; several keep their brackets: `[sqrt(2),-sqrt(2)]`; none says so. nerdamer writes decimals as
 * long fractions (33040268/44704279): those become decimals again.
 */
function tidy(result: string): string {
  if (result === '' || result === '[]') return 'no solution found';
  const single = /^\[([^,[\]]+)\]$/.exec(result)?.[1] ?? result;
  return single.replace(/\(?\b(\d{5,})\/(\d{5,})\b\)?/g, (_, a: string, b: string) =>
    String(Number((Number(a) / Number(b)).toPrecision(10))),
  );
}

function silentConsole(): Record<string, () => void> {
  const nothing = () => {};
  return { log: nothing, warn: nothing, error: nothing, info: nothing, debug: nothing };
}
