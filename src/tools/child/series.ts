/**
 * Sums and products over a whole number, `\sum_{k=1}^{10} k^2`, `sum(k^2, k, 1, 10)`, `sum(k^2 for k in range(1, 11))`: as calls
 * `sumover(body, index_k, 1, 10)`, which become sums of all their terms. Where a body ends is not guessed.
 */
import type { MathJsInstance, MathNode } from 'mathjs';
import { closing, splitOutside } from './normalize.js';
import type { TreeNode as Node } from './tree.js';

const OPERATOR = /\\(sum|prod)(?![A-Za-z])(?:\\limits)?|([∑∏])|(Σ|Π)(?=\s*_)|(?<![A-Za-z\\])(sum|prod)(?=\s*_)/;
const GROUP = String.raw`(?:\{([^{}]*)\}|\(([^()]*)\)|(-?\w+))`;
const LOW = String.raw`_\s*(?:\{\s*([a-zA-Z])\s*=\s*([^{}]*)\}|\(\s*([a-zA-Z])\s*=\s*([^()]*)\)|([a-zA-Z])\s*=\s*(-?\d+))`;
const BOUNDS = new RegExp(String.raw`^\s*${LOW}\s*\^\s*${GROUP}`);
const BOUNDS_TURNED = new RegExp(String.raw`^\s*\^\s*${GROUP}\s*${LOW}`);

/** As many numbers and signs as are computed at once. */
const MOST_NODES = 200_000;

/** The text with its sums and products as calls; text without any is returned as it is. */
export function withSeries(input: string): string {
  const text = wordsToSeries(callsToSeries(input));
  const found = OPERATOR.exec(text);
  if (found === null) return text;
  const kind = /prod|∏|Π/.test(found[0]) ? 'prodover' : 'sumover';
  const after = text.slice(found.index + found[0].length);
  const bounds = boundsOf(after);
  if (bounds === null) {
    if (/^\s*[_^]/.test(after))
      throw new Error('the bounds of a sum are written \\sum_{k=1}^{10}; for other sums there is the tool algebra');
    return text;
  }
  const rest = after.slice(bounds.length);
  const length = bodyLength(rest, bounds.index);
  const body = withSeries(rest.slice(0, length));
  if (body.trim() === '') throw new Error('what is summed is missing; write e.g. \\sum_{k=1}^{10} k^2');
  return `${text.slice(0, found.index)} ${written(kind, body, bounds)} ${withSeries(rest.slice(length))}`;
}

interface Bounds {
  readonly index: string;
  readonly from: string;
  readonly to: string;
  readonly step?: string;
  readonly length: number;
}

function boundsOf(after: string): Bounds | null {
  const usual = BOUNDS.exec(after);
  const turned = usual === null ? BOUNDS_TURNED.exec(after) : null;
  const groups = usual?.slice(1) ?? (turned === null ? null : [...turned.slice(4), ...turned.slice(1, 4)]);
  if (groups === null) return null;
  const [a, from1, b, from2, c, from3, ...to] = groups;
  return {
    index: (a ?? b ?? c)!,
    from: (from1 ?? from2 ?? from3)!,
    to: to.find((one) => one !== undefined)!,
    length: (usual ?? turned)![0].length,
  };
}

/** How much of the text belongs to the body: a product; a sum where the index stands in its last term. */
function bodyLength(text: string, index: string): number {
  const { at: end, ends: all } = termEnds(text);
  const named = new RegExp(`(?<![A-Za-z\\\\])${index}(?![A-Za-z])`);
  const termsOf = (ends: readonly number[], at: number) => ends.map((one, i) => text.slice(one + 1, ends[i + 1] ?? at));
  // A second sum over the same index is no part of this one.
  const again = sameIndex(text.slice(0, end), index);
  const before = all.filter((one) => one < again);
  if (again < end && before.length === 0) throw twoEnds(index);
  const [at, ends] = again < end ? [before.at(-1)!, before.slice(0, -1)] : [end, all];
  // Behind the cut an index without a sum of its own would be some other letter, i even the imaginary unit.
  const later = termsOf(
    all.filter((one) => one >= at),
    end,
  );
  if (later.some((one) => named.test(one) && sameIndex(one, index) === Infinity)) throw twoEnds(index);
  if (ends.length === 0) return at;
  const terms = termsOf(ends, at);
  const isOther = OPERATOR.exec(terms[0]!.trim())?.index === 0;
  if (isOther && !terms.some((one) => named.test(one))) return ends[0]!;
  if (!isOther && named.test(terms.at(-1)!)) return at;
  throw twoEnds(index);
}

const twoEnds = (index: string): Error =>
  new Error(
    `where the sum over ${index} ends can be read in two ways; write brackets, \\sum_{${index}=1}^{5} (${index} + 1) or (\\sum_{${index}=1}^{5} ${index}) + 1`,
  );

/** Where the text ends that may be a body, and the signs between its terms. */
function termEnds(text: string): { at: number; ends: number[] } {
  const ends: number[] = [];
  let [depth, at] = [0, 0];
  for (; at < text.length; at++) {
    const c = text[at]!;
    if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c)) {
      if (depth === 0) break;
      depth--;
    } else if (depth === 0 && (/[=,;?\n&]/.test(c) || text.startsWith('\\]', at) || text.startsWith('\\)', at))) break;
    else if (depth === 0 && /[-+−]/.test(c) && /[^\s*/^(,_·×-]\s*$/.test(text.slice(0, at))) ends.push(at);
  }
  return { at, ends };
}

/** Where the first sum or product over this index stands, also one that is a call already; Infinity where none does. */
function sameIndex(text: string, index: string): number {
  const call = new RegExp(`index_${index}(?!\\w)`).exec(text)?.index ?? Infinity;
  const found = [...text.matchAll(new RegExp(OPERATOR, 'g'))].find(
    (one) => boundsOf(text.slice(one.index + one[0].length))?.index === index,
  );
  return Math.min(call, found?.index ?? Infinity);
}

function written(kind: string, body: string, { index, from, to, step }: Omit<Bounds, 'length'>): string {
  const named = body.replace(
    new RegExp(`(?<![A-Za-z\\\\_])${index}(?![A-Za-z_\\d])(\\s*\\()?`, 'g'),
    (_, open?: string) => ` index_${index} ${open === undefined ? '' : '* ('}`,
  );
  return `${kind}((${named}), index_${index}, (${from}), (${to})${step === undefined ? '' : `, (${step})`})`;
}

/** Python's and SymPy's ways. */
function callsToSeries(text: string): string {
  const call = /(?<![\w.\\])(?:math\.|np\.|numpy\.)?(sum|prod|Sum|Product|product|summation)\s*\(/g;
  for (let found = call.exec(text); found !== null; found = call.exec(text)) {
    const open = found.index + found[0].length - 1;
    const end = closing(text, open);
    if (end < 0) continue;
    const kind = /^(?:prod|Prod)/.test(found[1]!) ? 'prodover' : 'sumover';
    const series = seriesOf(kind, text.slice(open + 1, end).trim());
    if (series === null) continue;
    return callsToSeries(text.slice(0, found.index) + series + text.slice(end + 1).replace(/^\s*\.\s*doit\(\)/, ''));
  }
  return text;
}

function seriesOf(kind: string, inner: string): string | null {
  const loop = /^\[?(.+?)\s+for\s+([A-Za-z])\s+in\s+range\s*\((.+)\)\s*\]?$/s.exec(inner);
  if (loop !== null) {
    const parts = splitOutside(loop[3]!, ',').map((one) => one.trim());
    if (parts.length > 3) return null;
    const [from, stop] = parts.length === 1 ? ['0', parts[0]!] : [parts[0]!, parts[1]!];
    if (parts[2] !== undefined && !/^[1-9]\d*$/.test(parts[2]))
      throw new Error('a step of range above 0 expected; other loops are for the tool python');
    return written(kind, callsToSeries(loop[1]!), {
      index: loop[2]!,
      from,
      to: `(${stop}) - 1`,
      ...(parts[2] !== undefined && { step: parts[2] }),
    });
  }
  const args = splitOutside(inner, ',').map((one) => one.trim());
  const bracket = args.length === 2 ? /^\(\s*([A-Za-z])\s*,(.+),([^,]+)\)$/.exec(args[1]!) : null;
  if (bracket !== null)
    return written(kind, callsToSeries(args[0]!), { index: bracket[1]!, from: bracket[2]!, to: bracket[3]! });
  const [, index, from, to] = args;
  // Calls within come first: afterwards their own index would be the outer one.
  const body = callsToSeries(args[0]!);
  if (args.length === 3) {
    const low = /^([A-Za-z])\s*=\s*(.+?)(?:\s+to\s+|\s*\.\.\.?\s*)(.+)$/.exec(args[1]!);
    const equal = /^([A-Za-z])\s*=\s*([^=]+)$/.exec(args[1]!);
    if (low === null && equal !== null) return written(kind, body, { index: equal[1]!, from: equal[2]!, to: args[2]! });
  }
  if (args.length === 2) {
    const low = /^([A-Za-z])\s*=\s*(.+?)(?:\s+to\s+|\s*\.\.\.?\s*)(.+)$/.exec(args[1]!);
    if (low !== null) return written(kind, body, { index: low[1]!, from: low[2]!, to: low[3]! });
  }
  // Four numbers, or names that stand for numbers, are to be added.
  if (
    args.length !== 4 ||
    !/^[A-Za-z]$/.test(index!) ||
    !new RegExp(`(?<![A-Za-z])${index}(?![A-Za-z])`).test(args[0]!)
  )
    return null;
  return written(kind, body, { index: index!, from: from!, to: to! });
}

/** `sum of k^2 from k = 1 to 10`, `sum from k = 1 to 10 of k^2`. */
function wordsToSeries(text: string): string {
  const bounds = String.raw`(?:from|for|over|as)\s+([A-Za-z])\s*(?:=|from)\s*(-?\d+)\s*(?:to|through|\.\.\.?)\s*(-?\d+)`;
  const first = new RegExp(String.raw`^(?:the\s+)?(sum|product)\s+${bounds}\s*(?:of|,|:)\s*(.+?)[?.\s=]*$`, 'is').exec(
    text.trim(),
  );
  const last =
    first === null
      ? new RegExp(String.raw`^(?:the\s+)?(sum|product)\s+(?:of\s+)?(.+?)\s*,?\s+${bounds}[?.\s=]*$`, 'is').exec(
          text.trim(),
        )
      : null;
  const [kind, index, from, to, body] =
    first !== null ? first.slice(1) : last !== null ? [last[1], last[3], last[4], last[5], last[2]] : [];
  if (kind === undefined) return text;
  // `sum of … from k = 1 to 3` has its end in the words; the body of `sum from k = 1 to 3 of …` has not.
  const length = first === null ? body!.length : bodyLength(body!, index!);
  const bounded = { index: index!, from: from!, to: to! };
  return written(/^s/i.test(kind) ? 'sumover' : 'prodover', body!.slice(0, length), bounded) + body!.slice(length);
}

/** How a call of ours is shown. */
export function shownSeries(text: string): string {
  const found = /\b(sum|prod)over\(/.exec(text);
  const end = found === null ? -1 : closing(text, found.index + found[0].length - 1);
  if (found === null || end < 0) return text;
  const [body, index, from, to, step] = splitOutside(text.slice(found.index + found[0].length, end), ',').map((one) =>
    one.trim(),
  );
  const bare = (one: string): string =>
    one.startsWith('(') && closing(one, 0) === one.length - 1 ? one.slice(1, -1).trim() : one;
  const plain = (one: string): string =>
    bare(one)
      .replace(/\bindex_([A-Za-z])\b/g, '$1')
      .replace(/ {2,}/g, ' ')
      .replace(/ (?=[\^),])/g, '')
      .trim();
  return `${text.slice(0, found.index)}${found[1]}(${plain(shownSeries(body!))}, ${plain(index!)} = ${plain(from!)} to ${plain(to!)}${step === undefined ? '' : ` step ${bare(step)}`})${shownSeries(text.slice(end + 1))}`;
}

/** `whole` evaluates a bound, and throws where it is no whole number. */
export function expandSeries(math: MathJsInstance, tree: MathNode, whole: (node: MathNode) => number): MathNode {
  let nodes = 0;
  const expand = (node: MathNode): MathNode => {
    const { type, fn, args } = node as Node;
    const name = type === 'FunctionNode' ? String(fn.name) : '';
    if (name !== 'sumover' && name !== 'prodover') return node.map((child) => expand(child));
    const [body, index, low, high, by] = args as unknown as [MathNode, Node, MathNode, MathNode, MathNode?];
    const [from, to, step] = [whole(expand(low)), whole(expand(high)), by === undefined ? 1 : whole(expand(by))];
    if (to < from) throw new Error(`the sum or product from ${from} to ${to} has no terms`);
    nodes += ((to - from) / step + 1) * body.filter(() => true).length;
    if (nodes > MOST_NODES) throw new Error('a sum of so many terms is for the tool python');
    const terms: MathNode[] = [];
    for (let k = from; k <= to; k += step) {
      const value = new math.ConstantNode(k);
      terms.push(expand(withIndex(math, body, index.name, value)));
    }
    return new math.ParenthesisNode(
      new math.FunctionNode(new math.SymbolNode(name === 'sumover' ? 'sum' : 'prod'), terms),
    );
  };
  return expand(tree);
}

/** The body with a value for its index. In a sum within that has the same index, only the bounds are about this one. */
function withIndex(math: MathJsInstance, node: MathNode, index: string, value: MathNode): MathNode {
  const put = (one: MathNode): MathNode => withIndex(math, one, index, value);
  const { type, name, fn, args } = node as Node;
  if (type === 'SymbolNode') return name === index ? value : node;
  if (type !== 'FunctionNode' || !/^(?:sum|prod)over$/.test(String(fn.name)) || args[1]?.name !== index)
    return node.map(put);
  return new math.FunctionNode(fn, [args[0]!, args[1], ...args.slice(2).map(put)]);
}
