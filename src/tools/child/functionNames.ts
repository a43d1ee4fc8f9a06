/** Names of functions as people, LaTeX and other languages write them, and functions written without brackets. */
import { closing } from './normalize.js';

const TRIG = ['sin', 'cos', 'tan', 'sec', 'csc', 'cot'];
const PLAIN_CALL = new Set([
  ...TRIG,
  'arcsin',
  'arccos',
  'arctan',
  'asin',
  'acos',
  'atan',
  'sinh',
  'cosh',
  'tanh',
  'ln',
]);
for (const name of ['log', 'log10', 'log2', 'lg', 'exp', 'sqrt', 'cbrt', 'abs']) PLAIN_CALL.add(name);

const ALIASES: Readonly<Record<string, string>> = {
  arcsin: 'asin',
  arccos: 'acos',
  arctan: 'atan',
  arcsec: 'asec',
  arccsc: 'acsc',
  arccot: 'acot',
  arctan2: 'atan2',
  tg: 'tan',
  ctg: 'cot',
  lg: 'log10',
  fabs: 'abs',
  power: 'pow',
  root: 'nthRoot',
  nroot: 'nthRoot',
  fact: 'factorial',
  nCr: 'combinations',
  nCk: 'combinations',
  ncr: 'combinations',
  comb: 'combinations',
  choose: 'combinations',
  binomial: 'combinations',
  binom: 'combinations',
  nPr: 'permutations',
  nPk: 'permutations',
  npr: 'permutations',
  perm: 'permutations',
  ceiling: 'ceil',
  trunc: 'fix',
};

/**
 * Names of libraries go (`math.sqrt`, `np.exp`), other names become ours, and functions get their brackets: `sqrt 2`,
 * `sin^2 x`, `ln 2`. Their `log` is natural; a bare `log` stays. `distributions`: `binom(…)` is one, and no count.
 */
export function readFunctions(text: string, distributions = false): string {
  let out = text
    .replace(/\b(?:math|numpy|np|cmath|sympy|sp)\s*\.\s*log\b/g, 'ln')
    .replace(/\bMath\s*\.\s*log\b/g, 'ln')
    .replace(/\b(?:math|Math|numpy|np|cmath|sympy|sp|scipy\.special|special)\s*\.\s*(?=[A-Za-z])/g, '')
    .replace(/\bPI\b/g, 'pi')
    .replace(/\blog_?\s?\(?(10|2|e)\)?\s*(?=\()/g, (_, base: string) => (base === 'e' ? 'ln' : `log${base}`))
    .replace(/\blog_(10|2|e)\b/g, (_, base: string) => (base === 'e' ? 'ln' : `log${base}`));
  // 10C3, 10 choose 3, C(10, 3), P(10, 3)
  out = out
    .replace(/(?<![\w.])(\d+)\s*C\s*(\d+)(?![\w.])/g, 'combinations($1, $2)')
    .replace(/(?<![\w.])(\d+)\s*P\s*(\d+)(?![\w.])/g, 'permutations($1, $2)')
    .replace(/(?<![\w.])(\d+)\s+(?:choose|nCr)\s+(\d+)(?![\w.])/gi, 'combinations($1, $2)')
    .replace(/(?<![\w.])(\d+)\s+nPr\s+(\d+)(?![\w.])/gi, 'permutations($1, $2)')
    .replace(/\bC\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)/g, 'combinations($1, $2)')
    .replace(/\bP\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)/g, 'permutations($1, $2)');
  out = withBrackets(out);
  return out.replace(/\b([A-Za-z]\w*)(?=\s*\()/g, (name) =>
    Object.hasOwn(ALIASES, name) && !(distributions && /^binom/.test(name)) ? ALIASES[name]! : name,
  );
}

/** Gives `ln 2`, `sqrt 5`, `sin^2(x)`, `sin^-1(0.5)` their brackets. */
function withBrackets(text: string): string {
  const call = /\b([a-z]+\d{0,2})\b(\s*\^\s*(?:\(\s*-?\d+\s*\)|-?\d+))?\s*/g;
  let out = '';
  let from = 0;
  for (let found = call.exec(text); found !== null; found = call.exec(text)) {
    const [all, name, power] = found as unknown as [string, string, string | undefined];
    if (!PLAIN_CALL.has(name)) continue;
    const start = found.index + all.length;
    const argument = argumentAt(text, start, name);
    if (argument === null) continue;
    out += text.slice(from, found.index) + written(name, power, withBrackets(argument.text));
    from = argument.end;
    call.lastIndex = from;
  }
  return out + text.slice(from);
}

function written(name: string, power: string | undefined, argument: string): string {
  const exponent = power?.replace(/[\s^()]/g, '');
  if (exponent === undefined) return `${name}(${argument})`;
  if (exponent === '-1' && TRIG.includes(name)) return `a${name}(${argument})`;
  if (exponent === '-1')
    throw new Error(`${name}^-1 can be read in two ways; write 1/${name}(…) or the inverse by its name`);
  return `(${name}(${argument}))^${exponent.startsWith('-') ? `(${exponent})` : exponent}`;
}

interface Argument {
  readonly text: string;
  readonly end: number;
}

function argumentAt(text: string, start: number, name: string): Argument | null {
  if (text[start] === '(') {
    const end = closing(text, start);
    return end < 0 ? null : { text: text.slice(start + 1, end), end: end + 1 };
  }
  const rest = text.slice(start);
  const atom = /^(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?(?:\s?(?:pi|deg|rad)\b)?|(?:pi|theta|x|e)\b(?!\s*\())/.exec(rest)?.[0];
  if (atom === undefined) {
    const inner = /^([a-z]+\d{0,2})\s*\(/.exec(rest);
    if (inner === null || !PLAIN_CALL.has(inner[1]!)) return null;
    const end = closing(rest, inner[0].length - 1);
    return end < 0 ? null : { text: rest.slice(0, end + 1), end: start + end + 1 };
  }
  const next = rest.slice(atom.length);
  // `sqrt 2 m` is a root times a unit, but `sin 2 x` may be either.
  if (/^\s*[\w(]/.test(next) && !/^\s+(?:to|in|mod)\b/.test(next) && (name !== 'sqrt' || /^\s*[(\d]/.test(next))) {
    throw new Error(`${name} ${atom}${next.slice(0, 10)}… can be read in two ways; write ${name}(…) with brackets`);
  }
  if (/^\s*[\^!]/.test(next))
    throw new Error(`${name} ${atom}${next.slice(0, 5)} can be read in two ways; write ${name}(…)`);
  return { text: atom, end: start + atom.length };
}
