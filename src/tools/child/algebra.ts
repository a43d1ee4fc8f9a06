/**
 * The tool `algebra`, as far as it reads: from what a model wrote to a tree, which SymPy computes with (`algebraDriver.ts`). What
 * is no formula is refused here, so that no text reaches Python's own parser.
 */

import type { Context } from './algebraGrammar.js';
import { CONSTANTS, OPERATIONS } from './algebraNames.js';
import { parseFormula } from './algebraParser.js';
import { requested } from './algebraPhrases.js';
import { plainScript } from './algebraScript.js';
import { algebraText } from './algebraText.js';
import { type Congruence, type Node, nodesOf, type Problem, written } from './algebraTree.js';
import { splitOutside } from './normalize.js';

/** The problem that an input is. Throws, in words, for what is not understood. */
export function parseAlgebra(input: string): Problem {
  const script = plainScript(input);
  const { text, modulus } = withoutField(algebraText(script.text));
  const real = withoutReals(text);
  const derived = withoutPrimes(real.text);
  const unknown = new Set([...unknownIn(derived.text), ...script.unknown]);
  const request = requested(derived.text);
  const context: Context = {
    unknown,
    variables: new Set([...script.variables, ...asked(derived.text), ...shouted(derived.text)]),
    notes: [],
    sympy: script.sympy || /\*\*/.test(input),
  };
  let tree = treeOf(request ?? { operation: null, parts: [derived.text] }, context);
  if (modulus !== null) tree = modulo(tree, parseFormula(modulus, context));
  if (unknown.size > 0 && tree[0] === 'call' && tree[1] === 'solve') tree = ['call', 'dsolve', tree[2]];
  if (real.only) tree = overReals(tree);
  const understood = written(tree);
  const notes = [...context.notes];
  if (bareText(understood) !== bareText(input)) notes.unshift(`read as ${understood}`);
  return {
    trees: [tree],
    unknown: [...unknown],
    var: derived.variable ?? variableOf(tree, unknown),
    bare: isBare(tree),
    notes,
  };
}

const bareText = (text: string): string =>
  text.replace(/\s+/g, '').replace(/\*\*/g, '^').replace(/[×·⋅]/g, '*').replace(/[()]/g, '');

/** A single solution stands without its name where the input says for what it solves. */
function isBare(tree: Node): boolean {
  return tree[0] === 'call' && tree[1] === 'solve' && tree[2].length === 2 && tree[2][1]![0] === 'sym';
}

function treeOf({ operation, parts, options = [] }: NonNullable<ReturnType<typeof requested>>, context: Context): Node {
  if (operation === null && parts.length === 1) return statement(parts[0]!, context);
  if (operation === 'solve' || operation === 'roots' || operation === 'dsolve')
    return solving(operation, parts, context);
  const nodes = [...parts, ...options].map(
    (part): Node => (/^"[+-]"$/.test(part) ? ['kw', 'dir', part[1]!] : parseFormula(part, context)),
  );
  return ['call', operation!, nodes];
}

/** Equations in words: `solve x + y = 3, x - y = 1 for x and y`. */
function solving(operation: string, [equations, names]: readonly string[], context: Context): Node {
  const congruences = congruencesIn(equations!, context);
  if (congruences !== null) return congruences;
  const parts = statements(equations!).map((one) => parseFormula(one, context));
  const wanted = (names ?? '')
    .split(/,|\band\b/)
    .map((one) => one.trim())
    .filter(Boolean)
    .map((one): Node => ['sym', one]);
  const left: Node = parts.length === 1 ? parts[0]! : ['list', ...parts];
  if (wanted.length === 0) return ['call', operation, [left]];
  return ['call', operation, [left, wanted.length === 1 ? wanted[0]! : ['list', ...wanted]]];
}

/** A formula, an equation, or several of them, which are a system. */
function statement(text: string, context: Context): Node {
  const congruences = congruencesIn(text, context);
  if (congruences !== null) return congruences;
  const parts = statements(text);
  if (parts.length === 1) return asSolved(parseFormula(parts[0]!, context));
  const nodes = parts.map((one) => parseFormula(one, context));
  const words = (one: Node) => one[0] === 'rel' || one[0] === 'list';
  if (nodes.every(words))
    return [
      'call',
      'solve',
      [['list', ...nodes.flatMap((one) => (one[0] === 'list' ? (one.slice(1) as Node[]) : [one]))]],
    ];
  const last = nodes.at(-1)!;
  // x^2 = 4, x
  if (nodes.slice(0, -1).every(words) && last[0] === 'sym')
    return ['call', 'solve', [['list', ...nodes.slice(0, -1)], last]];
  // x^2 + 1, x = 3
  if (!words(nodes[0]!) && nodes.slice(1).every((one) => one[0] === 'rel' && one[1] === '=' && one[2][0] === 'sym')) {
    return ['call', 'subs', nodes];
  }
  throw new Error('several formulas; write one, or a system of equations, e.g. x + y = 3, x - y = 1');
}

/** An equation alone is to be solved; so are two inequalities a < x < b. */
function asSolved(node: Node): Node {
  if (node[0] === 'rel') return ['call', 'solve', [node]];
  if (node[0] === 'list' && node.length > 1 && node.slice(1).every((one) => (one as Node)[0] === 'rel'))
    return ['call', 'solve', [node]];
  return node;
}

/** The statements of a text, at commas, semicolons, ends of lines and `and` outside of brackets. */
function statements(text: string): string[] {
  const marked = text
    .replace(/\n|;(?![^[\]]*\])|(?<![A-Za-z])and(?![A-Za-z])/g, '\u0000')
    .replace(/^\s*\{([^{}]*)\}\s*$/, '$1');
  return marked
    .split('\u0000')
    .flatMap((one) => splitOutside(one, ','))
    .map((one) => one.trim())
    .filter(Boolean);
}

/** `x ≡ 2 (mod 5), 3x = 1 mod 7`; null where no part is a congruence. */
function congruencesIn(text: string, context: Context): Node | null {
  const body = text.replace(/^\s*(?:solve|find)\s+/i, '').replace(/^\[([\s\S]*)\]$/, '$1');
  const parts = statements(body.replace(/,\s*(?=\(?\s*mod)/g, ' '));
  const found: Congruence[] = [];
  for (const part of parts) {
    const one = /^(.+?)\s*(?:≡|==?)\s*(.+?)\s*\(?\s*mod(?:ulo)?\s+([^()]+?)\s*\)?$/.exec(part) ?? flipped(part);
    if (one === null) return null;
    found.push([
      'cong',
      parseFormula(one[1]!, context),
      parseFormula(one[2]!, context),
      parseFormula(one[3]!, context),
    ]);
  }
  return found.length === 0 ? null : ['congruences', ...found];
}

/** `3x mod 7 = 1`. */
function flipped(part: string): readonly string[] | null {
  const one = /^(.+?)\s*\(?mod(?:ulo)?\s+(\w+)\)?\s*(?:≡|==?)\s*(.+)$/.exec(part);
  return one === null ? null : ['', one[1]!, one[3]!, one[2]!];
}

/** The text without `in Z_5`, `over GF(7)`, `mod 5` at its end behind a call, and the modulus. */
function withoutField(text: string): { text: string; modulus: string | null } {
  const field =
    /^([\s\S]+?)\s*,?\s*(?:in|over|on|of)\s+(?:the\s+)?(?:field\s+|ring\s+)?(?:Z|F|GF)\s*(?:_|\/)?\s*\(?\s*(\d+)\s*(?:Z|\[\s*[a-z]\s*\])?\s*\)?(?:\s*\[\s*[a-z]\s*\])?\s*$/.exec(
      text,
    );
  if (field !== null) return { text: field[1]!, modulus: field[2]! };
  // 7^100 (mod 13)
  const residue = /^([^=≡<>]+?)\s*\(\s*mod(?:ulo)?\s+(\d+)\s*\)\s*$/.exec(text);
  if (residue !== null) return { text: residue[1]!, modulus: residue[2]! };
  const behind =
    /^((?:factor|expand|simplify|solve|roots|gcd|div|quo|rem)\b[\s\S]+?)\s*,?\s*\(?\s*(?:mod|modulo)\s+(\d+)\s*\)?\s*$/i.exec(
      text,
    );
  if (
    behind === null ||
    /≡/.test(text) ||
    (/^solve/i.test(text) && splitOutside(text, ',').length > 1 && !/^solve\s*\(/i.test(text))
  )
    return { text, modulus: null };
  return { text: behind[1]!, modulus: behind[2]! };
}

/** The text without `over the reals` or the `real` of `for real x` at its end. */
function withoutReals(text: string): { text: string; only: boolean } {
  const over = /^([\s\S]+?)\s*,?\s*(?:over|in|on)\s+(?:the\s+)?(?:reals?|real\s+numbers?|R)\s*$/.exec(text);
  if (over !== null) return { text: over[1]!, only: true };
  const named = /^([\s\S]+?\bfor\s+)(?:all\s+)?real\s+(?:values?\s+of\s+)?([A-Za-z]\w*)\s*$/.exec(text);
  return named === null ? { text, only: false } : { text: named[1]! + named[2]!, only: true };
}

function overReals(tree: Node): Node {
  if (tree[0] === 'call' && (tree[1] === 'solve' || tree[1] === 'roots'))
    return ['call', tree[1], [...tree[2], ['kw', 'domain', 'real']]];
  throw new Error('over the reals is understood of equations only, e.g. x^2 = 2 over the reals');
}

function modulo(tree: Node, n: Node): Node {
  if (tree[0] === 'call' && (tree[1] === 'solve' || tree[1] === 'roots'))
    return ['call', 'solvemod', [...tree[2], ['kw', 'modulus', n]]];
  if (tree[0] === 'call' && ['factor', 'expand', 'simplify', 'gcd', 'lcm', 'div', 'quo', 'rem'].includes(tree[1])) {
    return ['call', tree[1], [...tree[2], ['kw', 'modulus', n]]];
  }
  return ['call', 'mod', [tree, n]];
}

/** `y'⟦x⟧` is y', and x its variable. */
function withoutPrimes(text: string): { text: string; variable: string | null } {
  const names = new Set<string>();
  const plain = text.replace(/('+)\s*⟦(\w+)⟧/g, (_, primes: string, name: string) => {
    names.add(name);
    return primes;
  });
  if (names.size > 1) throw new Error('derivatives with respect to several variables; one is expected');
  return { text: plain, variable: [...names][0] ?? null };
}

/** Names with a prime, and of f(x) = …: y' + y = 0. */
function unknownIn(text: string): string[] {
  const called = /\b(?:dsolve|Derivative)\s*\(/.test(text)
    ? [...text.matchAll(/(?<![A-Za-z\d_])([A-Za-z])\((?:[a-z]|\d+)\)/g)].map(([, name]) => name!)
    : [];
  const primed = [...text.matchAll(/(?<![A-Za-z\d_])([A-Za-z])'+/g)].map(([, name]) => name!);
  return [...called, ...primed];
}

/** The variable of an unknown function: what it is called with, else x or t. */
function variableOf(tree: Node, unknown: ReadonlySet<string>): string | null {
  if (unknown.size === 0) return null;
  const nodes = [...nodesOf(tree)];
  for (const node of nodes) if (node[0] === 'prime' && node[3]?.[0] === 'sym') return node[3][1];
  const names = new Set(nodes.flatMap((node) => (node[0] === 'sym' ? [node[1]] : [])));
  const shown = ['x', 't', 's', 'z', 'r'].find((name) => names.has(name) && !unknown.has(name));
  return shown ?? (unknown.has('x') ? 't' : 'x');
}

/** Words that are variables because it is solved for them: solve(price*3 = 12, price). */
function asked(text: string): string[] {
  const said = /\b(?:for|find)\s+([A-Za-z]\w+)\s*$/.exec(text)?.[1];
  if (said !== undefined) return [said];
  const call = /^([A-Za-z_]+)\s*\(([\s\S]*)\)$/.exec(text.trim());
  if (call === null || !Object.hasOwn(OPERATIONS, call[1]!)) return [];
  const last = splitOutside(call[2]!, ',').slice(1).join(',');
  // E as a bound is said to be a variable, as nobody asked for it.
  const bounds = ['integrate', 'limit', 'sum', 'product'].includes(OPERATIONS[call[1]!]!) ? ['E', 'I'] : [];
  return [...last.matchAll(/(?<![\w=])\s*([A-Za-z]\w*)\s*(?=[,\])]|$)/g)]
    .map(([, name]) => name!)
    .filter((name) => !['pi', 'e', 'oo', 'inf', 'infinity', ...bounds].includes(name));
}

/** Words with a capital that are one side of an equation are a name (MC = 20 + q), unless their letters stand elsewhere (PV = nRT, V = 3). */
function shouted(text: string): string[] {
  const found = [...text.matchAll(/(?:^|[,;=\n])\s*([A-Z][A-Za-z]{1,3})\s*(?==(?!=)|[,;\n]|$)/g)].map(
    ([, name]) => name!,
  );
  const letters = new Set([...text.matchAll(/(?<![A-Za-z])([A-Za-z])(?![A-Za-z])/g)].map(([, letter]) => letter!));
  return found.filter((name) => !Object.hasOwn(CONSTANTS, name) && [...name].every((letter) => !letters.has(letter)));
}
