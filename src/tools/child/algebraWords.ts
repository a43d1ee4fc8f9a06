/** What a name in a formula is: a function, an operation, a constant, a variable, or several letters side by side. */
import { type Grammar, note, own } from './algebraGrammar.js';
import { CONSTANTS, FUNCTIONS, GREEK, OPERATIONS, SAME_FUNCTION } from './algebraNames.js';
import type { Token } from './algebraTokens.js';
import type { Node } from './algebraTree.js';

const INVERSES: Readonly<Record<string, string>> = {
  sin: 'asin',
  cos: 'acos',
  tan: 'atan',
  sinh: 'asinh',
  cosh: 'acosh',
  tanh: 'atanh',
};

/** What a name is, whose token was just taken. */
export function named(g: Grammar, { text, spaced }: Token): Node {
  const log = /^log_?\(?(\d+)$/.exec(text)?.[1];
  if (log !== undefined) return ['call', 'log', [operand(g), ['num', log]]];
  if (text === 'Eq') return equation(g);
  if (text === 'Matrix' || text === 'matrix' || text === 'FiniteSet') {
    g.expect('(');
    const [only, ...rest] = g.arguments(')');
    return rest.length === 0 ? only! : ['list', only!, ...rest];
  }
  if (text === 'Rational' && g.is('(')) return rational(g);
  if (g.context.unknown.has(text)) return unknown(g, text);
  const called = own(OPERATIONS, text);
  if (called !== undefined && g.is('(')) {
    g.at++;
    const args = g.arguments(')');
    // Around 0, so that a number behind the variable is the order.
    if (text === 'maclaurin' && args.length > 2) args.splice(2, 0, ['num', '0']);
    return operation(called, args);
  }
  const name = own(SAME_FUNCTION, text) ?? text;
  if (FUNCTIONS.has(name) && !(GREEK.has(name) && !g.is('('))) return functionOf(g, name);
  return variable(g, text, spaced);
}

function equation(g: Grammar): Node {
  g.expect('(');
  const [left, right, ...more] = g.arguments(')');
  if (left === undefined || more.length > 0) throw new Error('Eq takes two sides');
  return ['rel', '=', left, right ?? ['num', '0']];
}

function rational(g: Grammar): Node {
  g.at++;
  const [top, bottom] = g.arguments(')');
  return bottom === undefined ? top! : ['/', top!, bottom];
}

/** A call of an operation: limit(f, x -> 0), limit(f, x = 0), series(f, x = 0) have their variable and point apart. */
export function operation(name: string, args: readonly Node[]): Node {
  if (name === 'limit' && args.length === 2) {
    const at = args[1]!;
    if (at[0] === 'list' && at.length === 3) return ['call', name, [args[0]!, at[1] as Node, at[2] as Node]];
    if (at[0] === 'rel') return ['call', name, [args[0]!, at[2], at[3]]];
  }
  return ['call', name, args.flatMap((one) => (name === 'series' && one[0] === 'rel' ? [one[2], one[3]] : [one]))];
}

function unknown(g: Grammar, name: string): Node {
  let order = 0;
  while (g.take("'")) order++;
  if (!g.is('(')) return ['prime', name, order, null];
  const inside = bracket(g);
  // y(x), y'(0), y(pi/2) are values; P(1 - P/K) is a product.
  if (inside.some(({ text }) => text === name)) return ['prime', name, order, null];
  const names = inside.filter(({ kind, text }) => kind === 'name' && own(CONSTANTS, text) === undefined);
  if (names.length > 0 && inside.length > 1) {
    throw new Error(`${name}(…) can be read in two ways; write ${name}*(…) for a product`);
  }
  g.at++;
  return ['prime', name, order, g.arguments(')')[0] ?? null];
}

/** The tokens of the bracket that begins here. */
function bracket(g: Grammar): readonly Token[] {
  let depth = 0;
  const from = g.at + 1;
  for (let at = g.at; at < g.tokens.length; at++) {
    const { kind, text } = g.tokens[at]!;
    if (kind === 'op' && text === '(') depth++;
    if (kind === 'op' && text === ')' && --depth === 0) return g.tokens.slice(from, at);
  }
  return g.tokens.slice(from, -1);
}

/** A function, whose power may stand before its argument: sin^2 x. */
function functionOf(g: Grammar, name: string): Node {
  let power: Node | null = null;
  if (g.take('^')) power = g.take('-') ? ['neg', g.postfix()] : g.postfix();
  const inverse = power !== null && power[0] === 'neg' && power[1][0] === 'num' && power[1][1] === '1';
  const called = inverse ? own(INVERSES, name) : name;
  if (called === undefined)
    throw new Error(`${name}^-1 can be read in two ways; write 1/${name}(x) or the inverse by its name`);
  const args = g.take('(') ? g.arguments(')') : [operand(g)];
  const node: Node = ['call', called, args];
  return power === null || inverse ? node : ['^', node, power];
}

/** The argument of a function without brackets: 2x, -x, x^2 y; it ends at a sign, a space before a function, or `dx`. */
function operand(g: Grammar): Node {
  if (g.is('(')) return g.primary();
  if (g.take('-')) return ['neg', operand(g)];
  let node = g.power();
  while (g.startsFactor() && !g.is('(') && !g.is('|')) {
    const { text } = g.next;
    if (FUNCTIONS.has(text) || Object.hasOwn(SAME_FUNCTION, text) || /^log_?\d/.test(text)) break;
    if (g.integrals.at(-1)?.variable === null && /^d(?:[A-Za-z]|theta|phi)?$/.test(text)) break;
    if (g.tokens[g.at + 1]?.text === '⟦') break;
    node = ['*', node, g.power()];
  }
  return node;
}

/** A constant or a variable. */
function variable(g: Grammar, text: string, spaced: boolean): Node {
  const { context } = g;
  const index = g.bound.find((one) => text.endsWith(`_${one}`));
  if (index !== undefined)
    throw new Error(`${text} is another number for each ${index}; write it as a formula of ${index}`);
  if (g.bound.includes(text) || context.variables.has(text)) return ['sym', text];
  const constant = own(CONSTANTS, text);
  if (constant !== undefined && constant !== 'j') return ['const', constant];
  if ((text === 'I' || text === 'E') && context.sympy) return ['const', text.toLowerCase()];
  if (text === 'I' || text === 'E') note(context, `${text} is a variable here; the constant is ${text.toLowerCase()}`);
  if (text in Object.prototype) throw new Error(`unknown name ${text}; take another, e.g. x`);
  if (text.length === 1 && g.is('(') && listed(g)) {
    throw new Error(`${text}(…, …) is a function that is not known here; for combinations write binomial(10, 3)`);
  }
  // y(x), y(2) and f(…) are functions; r(r - 1) and P(1 + i) are products.
  const single = g.tokens[g.at + 2]?.text === ')' && g.tokens[g.at + 1]?.kind !== 'op';
  if (text.length === 1 && g.is('(') && !g.next.spaced && (single || /[fghFGH]/.test(text))) {
    throw new Error(
      `${text}(…) is a function that is not known here; put in what it is, or write ${text}*(…) for a product`,
    );
  }
  if (
    text.length === 1 ||
    GREEK.has(text) ||
    /^[A-Za-z]+_\w+$|^[A-Za-z]\d+$|^(?:alpha|beta|theta|omega|lambda|mu|sigma|phi|rho)_?\w+$/.test(text)
  )
    return ['sym', text];
  if (text.length > 1 && g.is('(')) {
    throw new Error(
      `unknown function ${text}; write e.g. solve(2*x+3=11, x), diff(x^3, x) or log(x); a product needs *`,
    );
  }
  return letters(g, text, spaced);
}

/** Whether a comma stands in the bracket that begins here. */
function listed(g: Grammar): boolean {
  let depth = 0;
  for (const { kind, text } of g.tokens.slice(g.at)) {
    if (kind !== 'op') continue;
    if ('([{'.includes(text)) depth++;
    if (')]}'.includes(text) && --depth === 0) return false;
    if (text === ',' && depth === 1) return true;
  }
  return false;
}

/** `xy` is x*y, `sinx` is sin x; a longer word is a variable where signs stand around it. */
function letters(g: Grammar, text: string, spaced: boolean): Node {
  const glued = !spaced && g.tokens[g.at - 2]?.kind === 'num';
  const parts = apart(text, g.integrals.at(-1)?.variable === null, glued);
  if (parts !== null) {
    const product = parts.every((part) => part.length === 1);
    note(g.context, `${text} is ${parts.join(product ? '*' : ' ')}`);
    // As tokens, so that the power of mc^2 is that of c alone.
    g.tokens.splice(
      g.at - 1,
      1,
      ...parts.map(
        (part, k): Token => ({ kind: /^\d/.test(part) ? 'num' : 'name', text: part, spaced: k === 0 && spaced }),
      ),
    );
    g.at--;
    return g.primary();
  }
  const before = g.tokens[g.at - 2];
  const beside = (token: Token | undefined) =>
    token !== undefined && ((token.kind !== 'op' && token.kind !== 'end') || token.text === ')' || token.text === ']');
  const after = g.next.kind === 'name' || g.next.kind === 'num';
  if (beside(before) || (after && (spaced || g.next.spaced)) || WORDS.test(text) || HOLDS_FUNCTION.test(text)) {
    throw new Error(
      `the word "${text.slice(0, 30)}" is not understood; write e.g. solve(2*x+3=11, x), diff(x^3, x) or integrate(x^2, x, 0, 3)`,
    );
  }
  return ['sym', text];
}

/**
 * The parts of a word that is several things without a space; null where it is one. `integral`: one is open, which `dx` ends.
 * `glued`: behind a number, `2as`, where no word stands.
 */
function apart(text: string, integral: boolean, glued = false): readonly string[] | null {
  const ended = integral ? /^(.+?)(d[a-z])$/.exec(text) : null;
  if (ended !== null) return [...(apart(ended[1]!, false, glued) ?? [ended[1]!]), ended[2]!];
  const product = /^([a-z])(.+)$/.exec(text);
  if (product !== null && !FUNCTIONS.has(text) && GLUED_FUNCTION.test(product[2]!)) {
    return [product[1]!, ...apart(product[2]!, false)!];
  }
  if (text === 'cost') throw new Error('cost can be read in two ways; write cos(t), or c for costs');
  const called = GLUED_FUNCTION.exec(text);
  if (called !== null)
    return [called[1]!, ...[called[2], called[3]].filter((one) => one !== undefined && one !== '')] as string[];
  const pi = /^(?:(pi)([A-Za-z])|([A-Za-z])(pi))$/.exec(text);
  if (pi !== null) return pi.slice(1).filter((one) => one !== undefined);
  return /^[A-Za-z]{2,3}$/.test(text) && (!WORDS.test(text) || (glued && text === 'as')) ? [...text] : null;
}

const HOLDS_FUNCTION = /sin|cos|tan|log|exp|sqrt/;
const GLUED_FUNCTION = new RegExp(
  `^(arcsin|arccos|arctan|asin|acos|atan|sinh|cosh|tanh|sin|cos|tan|sec|csc|cot|ln|log|exp|sqrt)(\\d*)([A-Za-z]|pi|${[...GREEK].join('|')})?$`,
);
const WORDS =
  /^(?:is|of|and|or|the|for|if|at|by|in|on|to|as|an|are|find|what|when|with|where|from|let|over|dx|dy|dt|mod|modulo|undefined|null|NaN|true|false|setVar)$/i;
