/** Ways of writing that are no signs of arithmetic: mixed numbers, values behind `where`, rounding and percentages in words. */
import { closing, splitOutside } from './normalize.js';

const N = String.raw`(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)`;

/** A whole number and a proper fraction behind it, as a sum; `6 ft 2 1/2 in` is read elsewhere. */
function mixed(input: string, at: number, all: string, [whole, a, b]: readonly (string | undefined)[]): string {
  const before = input.slice(0, at);
  const unit =
    /[A-Za-z]\s*$/.test(before) && !/(?:\\[A-Za-z]+|\b(?:of|is|by|to|convert|plus|minus|times))\s*$/i.test(before);
  return Number(a) < Number(b) && !unit ? `(${whole}+${a}/${b})` : all;
}

/** Arguments that need no braces: in `\frac12\frac12` and `\sqrt2\frac12` no 12 and no 2 is the whole of a mixed number. */
const TAKES_DIGITS = /\\(?:[cdt]?frac|sqrt|[dt]?binom)\s*$/;
/** A sum with its bounds, behind which what is summed begins. */
const BOUNDED = /(?:\\(?:sum|prod)(?:\\limits)?|[∑∏ΣΠ])\s*(?:[_^]\s*(?:\{[^{}]*\}|\w)\s*){2}$/;

/** Whether a mixed number may begin behind this text: behind a factor its whole is one more factor. */
function beginsNumber(before: string): boolean {
  if (TAKES_DIGITS.test(before)) return false;
  return /\\[A-Za-z]+$/.test(before) || BOUNDED.test(before) || !/[\w.})^_]$|[\d)}]\s$/.test(before);
}

/** `2\frac{1}{2}` is two and a half. Before LaTeX is read. */
export function latexMixed(input: string): string {
  return input.replace(
    /(?<![\d.])(\d+)\s*\\[dt]?frac\s*(?:\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d)(\d))/g,
    (all, whole: string, a, b, c, d, at: number) =>
      beginsNumber(input.slice(0, at)) ? mixed(input, at, all, [whole, a ?? c, b ?? d]) : all,
  );
}

/** `2 1/2`. */
function plainMixed(input: string): string {
  return input.replace(
    /(?<![\w.)^/]|[\d)/]\s)(\d+)[ \t]+(\d+)\/(\d+)(?![\w.(^])/g,
    (all, whole: string, a: string, b: string, at: number) => mixed(input, at, all, [whole, a, b]),
  );
}

/** Both, and logarithms of a base. `2(1/2)` is two and a half in some books and 1 in arithmetic. */
export function mixedNumbers(input: string): string {
  // LaTeX's braces go later, and a power is of the whole of `e^{rt}`, but perhaps not of `e^rt`.
  const grouped = input.replace(/\^\s*\{\s*(?!pi\b)([A-Za-z]{2,3})\s*\}/g, '^{($1)}');
  const read = plainMixed(latexMixed(grouped)).replace(
    /\\log\s*_\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{([^{}]+)\}|(\d+(?:\.\d+)?)(?![\d.^({!]))/g,
    (_, b: string | undefined, c: string, inner: string | undefined, bare: string) =>
      ` log((${inner ?? bare}), ${b ?? c})`,
  );
  const [all, whole, a, b] = /(?<![\w.)^/*+-]|[/*+^-]\s)(\d+)\s?\(\s*(\d+)\s*\/\s*(\d+)\s*\)(?!\s*\^)/.exec(read) ?? [];
  if (all !== undefined && Number(a) < Number(b)) {
    throw new Error(
      `${all} may be ${whole} and ${a}/${b}, or ${whole} times ${a}/${b}; write ${whole} + ${a}/${b} or ${whole} * (${a}/${b})`,
    );
  }
  return read;
}

/** Plain text (normalize.ts) whose words are of the calculator's own, as an expression. */
export function inWords(plain: string): string {
  const text = plain
    .replace(/^(?:what(?:'s| is| are)|calculate|compute|evaluate|find)\b[:\s]+/i, (all) =>
      shares(plain.slice(all.length)) === null ? all : '',
    )
    .replace(
      /\blog(?:arithm)?\s+(?:base|to the base)\s+(\d+)\s+of\s+(?:\(([^()]*)\)|([\d.]+))/gi,
      (_, base, inner, bare) => `log(${inner ?? bare}, ${base})`,
    )
    .replace(/\blog_?(\d+)\s*\{?\(([^()]*)\)\}?/g, (all, base: string, inner: string) =>
      base === '2' || base === '10' ? all : `log(${inner}, ${base})`,
    );
  return withValues(rounded(shares(text) ?? averaged(text) ?? text));
}

/** `50 is what percent of 200`, `increase 80 by 15%`. */
function shares(text: string): string | null {
  const bare = text.replace(/[?.\s]+$/, '');
  const what = new RegExp(
    String.raw`^([$€£]?${N})\s+is\s+what\s+(?:percent|percentage|%)\s+of\s+([$€£]?${N})$|^what\s+(?:percent|percentage|%)\s+of\s+([$€£]?${N})\s+is\s+([$€£]?${N})$`,
    'i',
  ).exec(bare);
  if (what !== null) return `100 * ${what[1] ?? what[4]} / ${what[2] ?? what[3]}`;
  const change = new RegExp(String.raw`^(increase|decrease|reduce|raise)\s+([$€£]?${N})\s+by\s+(${N})\s*%$`, 'i').exec(
    bare,
  );
  if (change !== null) return `${change[2]} * (1 ${/^(?:i|ra)/i.test(change[1]!) ? '+' : '-'} ${change[3]}/100)`;
  return null;
}

function averaged(text: string): string | null {
  const found = /^(?:the\s+)?(?:average|mean)\s+of\s+([-\d.,\s]+?(?:\s*,?\s*and\s+[-\d.]+)?)[?.\s]*$/i.exec(text);
  return found === null ? null : `mean(${found[1]!.replace(/\s*,?\s*\band\b\s*/i, ', ')})`;
}

/** `100/7 rounded to 2 decimal places`. */
function rounded(text: string): string {
  const found = /^(.+?),?\s+(?:rounded|round)\s+to\s+(?:(\d+)|two|three|one)\s+decimals?(?:\s+places?)?\.?$/is.exec(
    text,
  );
  if (found === null) return text;
  const places =
    found[2] ?? { two: '2', three: '3', one: '1' }[/\b(two|three|one)\s+decimal/i.exec(text)![1]!.toLowerCase()]!;
  return `round(${found[1]}, ${places})`;
}

const VALUE = /^\s*([A-Za-z]\w*)\s*=\s*([^=]+?)\s*$/;

/** `m v^2 where m = 2, v = 3` and `m = 2, v = 3, m*v^2`: assignments, then the expression. */
function withValues(text: string): string {
  const behind = /[;\n]/.test(text)
    ? null
    : /^(.+?)\s*,?\s+(?:where|with|for|at|given|if|when)\s+([A-Za-z]\w*\s*=.+)$/is.exec(text);
  const listed = behind === null ? text : behind[2]!.replace(/\s+and\s+(?=[A-Za-z]\w*\s*=)/g, ', ');
  const parts = (
    /[;\n]/.test(text) ? text.split(/[;\n]/) : [...splitOutside(listed, ','), ...(behind === null ? [] : [behind[1]!])]
  )
    .map((one) => one.trim())
    .filter((one) => one !== '');
  const values = parts.filter((one) => VALUE.test(one) && isNumeric(one));
  const others = parts.filter((one) => !values.includes(one));
  if (values.length === 0 || others.length !== 1) return text;
  const names = values.map((one) => VALUE.exec(one)![1]!);
  const units = values.some((one) => /[A-Za-z]/.test(VALUE.exec(one)![2]!));
  // Lines of a program are one already; only a name that hides a unit has to go.
  if (/[;\n]/.test(text) && (!units || others[0] !== parts.at(-1))) return text;
  const asked = others[0]!.replace(/^(?:find|compute|calculate|evaluate)\s+/i, '');
  const right = /^[A-Za-z]\w*(?:\([A-Za-z]\))?\s*=\s*(.+)$/s.exec(asked)?.[1] ?? asked;
  if (right.includes('=') || !names.some((name) => new RegExp(`(?<![A-Za-z])${name}(?![A-Za-z])`).test(right)))
    return text;
  const product = multiplied(right, names);
  refuseUnder(product, names);
  if (!units) return `${values.join('; ')}; ${product}`;
  // `m = 2 kg, v = 3 m/s`: the metre of v is not the mass.
  const given = values.map((one) => `value_${one}`).join('; ');
  const own = names.reduce(
    (out, name) => out.replace(new RegExp(`(?<![A-Za-z_])${name}(?![A-Za-z_\\d])`, 'g'), `value_${name}`),
    product,
  );
  const signed = own.replace(/(?<=[\d)])\s+(?=value_)|(?<=\bvalue_\w+)\s+(?=value_)/g, (_, at: number) => {
    // `6 / m v`: the sign written here would end the denominator.
    if (isUnder(own.slice(0, at))) throw twoWays(right.slice(0, 60));
    return ' * ';
  });
  return `${given}; ${signed}`;
}

/** A value is a number, an expression of numbers, or a number with a unit. */
const isNumeric = (assignment: string): boolean =>
  /^[-+*/^().%$€£\d\s]*\d[-+*/^().%\d\s]*(?:(?<=\d)\s*[A-Za-zµ°][A-Za-zµ°/^*\d\s]*)?$/.test(
    VALUE.exec(assignment)![2]!,
  );

/** Names of two and three letters that are no products, whatever letters have a value. */
const WORDS = /^(?:pi|tau|mod|ln|lg|log|exp|sin|cos|tan|sec|csc|cot|abs|min|max|deg|rad)$/;

/** `P(1+r)` is a product where P has a value, and `nt` one where n and t have. */
function multiplied(text: string, names: readonly string[]): string {
  const isProduct = (word: string): boolean =>
    !names.includes(word) && !WORDS.test(word) && [...word].every((letter) => names.includes(letter));
  return text
    .replace(/(?<![\w.])([A-Za-z]\w*)\s*\(/g, (all, name: string, at: number) => {
      if (!names.includes(name) || closing(text, at + all.length - 1) < 0) return all;
      // The sign written here would end the denominator.
      if (isUnder(text.slice(0, at))) throw twoWays(`/ … ${all}…)`);
      return `${name} * (`;
    })
    .replace(/(?<![A-Za-z_.])([A-Za-z]{2,3})(?![\w(])/g, (word: string, _, at: number, whole: string) => {
      if (!isProduct(word)) return word;
      const [before, after] = [whole.slice(0, at), whole.slice(at + word.length)];
      const factors = [...word].join('*');
      // `2^ab`, `e^-kt`, `e^0.05nt`: 2^a b or 2^(a b).
      if (/\^\s*[-+]?\s*$|(?<![A-Za-z])e\s*\^\s*[-+]?[\d.]+$/.test(before)) throw twoWays(`^${word}`);
      if (isUnder(before)) throw twoWays(`/${word}`);
      if (!/^\s*[\^!]/.test(after)) return `(${factors})`;
      // A power is of the last letter, so no brackets; what a word before it is about is then not clear.
      const leading = /([A-Za-z]{2,})\s*$/.exec(before)?.[1] ?? '';
      if (leading !== '' && !names.includes(leading) && !isProduct(leading) && leading !== 'pi') {
        throw twoWays(`${leading} ${word}`);
      }
      return factors;
    });
}

/** Whether a factor behind this text may belong to a denominator: since the last `/` no sign and no open bracket ends it. */
function isUnder(before: string): boolean {
  let depth = 0;
  for (let at = before.length - 1; at >= 0; at--) {
    const c = before[at]!;
    if (')]}'.includes(c)) depth++;
    else if ('([{'.includes(c)) {
      if (depth === 0) return false;
      depth--;
    } else if (depth === 0 && c === '/') return true;
    else if (depth === 0 && /[*×·,;=]/.test(c)) return false;
    else if (depth === 0 && /[-+]/.test(c) && !/[\^/]\s*$/.test(before.slice(0, at))) return false;
  }
  return false;
}

/** `12 / m s`, `1/2m`: given a value the s is no unit, for which the calculator would read one denominator. */
function refuseUnder(text: string, names: readonly string[]): void {
  for (const found of text.matchAll(/(?:(?<![\w.])([A-Za-z]\w*)\s+|(?<=[\d)])\s*)([A-Za-z]\w*)(?![\w(])/g)) {
    const [all, before, name] = found;
    const isFactor = before === undefined || before === 'pi' || names.includes(before);
    if (isFactor && names.includes(name!) && isUnder(text.slice(0, found.index))) throw twoWays(`/ … ${all.trim()}`);
  }
}

const twoWays = (text: string): Error =>
  new Error(`${text} can be read in two ways; write a * sign and brackets: a/(b*c) or (a/b)*c, a^(b*c) or a^b * c`);
