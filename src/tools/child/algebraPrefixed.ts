/** Operators before what they act on: ∫ … dx, Σ, Π, lim, d/dx. */
import type { Grammar } from './algebraGrammar.js';
import { GREEK } from './algebraNames.js';
import type { Token } from './algebraTokens.js';
import type { Node } from './algebraTree.js';

/** One of them, with its bounds and what it acts on; null where none stands here. `start`: the formula begins here. */
export function prefixed(g: Grammar, start: boolean): Node | null {
  const { kind, text } = g.next;
  if (kind !== 'name' || g.tokens[g.at + 1]?.text !== '⟦') return null;
  if (!/^(?:int|sum|prod|lim|deriv)$/.test(text)) return null;
  g.at++;
  const found: Token[][] = [];
  while (g.take('⟦')) found.push(bounds(g));
  if (text === 'int') return integral(g, found);
  if (text === 'deriv') return derivative(g, found, start);
  return text === 'lim' ? limit(g, found, start) : sum(g, text, found);
}

/** Takes `dx` inside an integral. It ends it, but in dx/x and (… dx)/x. */
export function differential(g: Grammar): boolean {
  const open = g.integrals.at(-1);
  const { kind, text } = g.next;
  if (open === undefined || open.variable !== null || kind !== 'name') return false;
  let variable = /^d([A-Za-z]|theta|phi|rho|omega|tau)$/.exec(text)?.[1];
  const after = g.tokens[g.at + 1]!;
  if (
    variable === undefined &&
    text === 'd' &&
    after.kind === 'name' &&
    (after.text.length === 1 || GREEK.has(after.text))
  ) {
    variable = after.text;
    g.at++;
  }
  if (variable === undefined) return false;
  g.at++;
  open.variable = variable;
  open.done = !g.is('/') && !g.is(')');
  return true;
}

function bounds(g: Grammar): Token[] {
  const out: Token[] = [];
  for (let depth = 0; ; g.at++) {
    const one = g.next;
    if (one.kind === 'end') throw g.unexpected();
    if (one.text === '⟦') depth++;
    if (one.text === '⟧' && depth-- === 0) break;
    out.push(one);
  }
  g.at++;
  return out;
}

function integral(g: Grammar, [low, high]: readonly Token[][]): Node {
  const open = { variable: null as string | null, done: false };
  g.integrals.push(open);
  const integrand = g.additive(false);
  g.integrals.pop();
  const variable: Node[] = open.variable === null ? [] : [['sym', open.variable]];
  if (low === undefined || low.length === 0) return ['call', 'integrate', [integrand, ...variable]];
  if (high === undefined || high.length === 0) throw new Error('an integral with a lower bound needs an upper one');
  if (variable.length === 0) throw new Error('the integral has no variable; write dx behind it');
  return ['call', 'integrate', [integrand, ['list', ...variable, g.inner(low), g.inner(high)]]];
}

function derivative(g: Grammar, [variable, order]: readonly Token[][], start: boolean): Node {
  const name = variable![0]!.text;
  // At the start of all, d/dx acts on the whole sum.
  const inner = start ? g.additive(false) : g.term(false);
  const times = g.inner(order!);
  return ['call', 'diff', [inner, ['sym', name], ...(times[1] === '1' ? [] : [times])]];
}

function limit(g: Grammar, [at]: readonly Token[][], start: boolean): Node {
  const arrow = at?.findIndex(({ text }) => text === '->' || text === 'to') ?? -1;
  if (arrow !== 1) throw new Error('a limit is written lim x->0 (…) or limit(sin(x)/x, x, 0)');
  const target = at!.slice(2);
  const last = target.at(-1)?.text ?? '';
  const side = target.length > 1 && /^[+-]$/.test(last) ? last : null;
  const point = side === null ? target : target.slice(0, target.at(-2)?.text === '^' ? -2 : -1);
  const inner = start ? g.additive(false) : g.term(false);
  const sides: Node[] = side === null ? [] : [['kw', 'dir', side]];
  return ['call', 'limit', [inner, ['sym', at![0]!.text], g.inner(point), ...sides]];
}

function sum(g: Grammar, kind: string, [low, high]: readonly Token[][]): Node {
  if (low?.[1]?.text !== '=' || high === undefined) throw new Error(`write ${kind}(1/n^2, (n, 1, oo))`);
  const index = low[0]!.text;
  g.bound.push(index);
  const inner = g.term(false);
  const rest = g.tokens.slice(g.at);
  if ((g.is('+') || g.is('-')) && rest.some(({ text }) => text === index)) {
    throw new Error('put what is summed into brackets: it is not clear where it ends');
  }
  const range: Node = ['list', ['sym', index], g.inner(low.slice(2)), g.inner(high)];
  g.bound.pop();
  return ['call', kind === 'sum' ? 'sum' : 'product', [inner, range]];
}
