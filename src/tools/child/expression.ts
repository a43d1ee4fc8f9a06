/** From what a model wrote to one expression: labels, questions and claimed results go, and what was read is kept. */
import { type Amounts, readAmounts, shownPercents } from './amounts.js';
import { readFunctions } from './functionNames.js';
import { plainText, splitOutside, unwrapped } from './normalize.js';
import { shownSeries, withSeries } from './series.js';
import { inWords, mixedNumbers } from './writtenForms.js';

export interface Expression {
  /** For mathjs; a literal that a double cannot hold is a name of `literals`. */
  readonly text: string;
  readonly literals: ReadonlyMap<string, string>;
  /** What was understood, as it is shown. */
  readonly shown: string;
  /** True when it differs from the input by more than spaces and a closing `=`. */
  readonly changed: boolean;
  readonly money?: string;
}

/** Throws where the input can be read in two ways. */
export function readExpression(input: string, tool: string): Expression {
  const plain = single(inWords(plainText(withSeries(mixedNumbers(unwrapped(input, tool))), tool)));
  const read = expressionOf(plain);
  return { ...read, changed: isChanged(input, read.shown) };
}

/** The same for text that is plain already (normalize.ts). */
function expressionOf(plain: string): Omit<Expression, 'changed'> {
  const { text, money }: Amounts = readAmounts(powersMultiplied(plain));
  return { ...withLiterals(readFunctions(text)), ...(money !== undefined && { money }) };
}

/** `0.2^x 0.8^(10-x)`, `nCr(10, 3) 0.2^3`: of powers side by side there is one reading. */
function powersMultiplied(text: string): string {
  const power = String.raw`(?=\d+(?:\.\d+)?\s*\^)`;
  return text
    .replace(new RegExp(String.raw`(\^\s*(?:-?\d+|[A-Za-z]\w*|\([^()]*\)))\s+${power}`, 'g'), '$1 * ')
    .replace(new RegExp(String.raw`(\b(?:nCr|combinations|binom|C)\s*\([^()]*\))\s*${power}`, 'g'), '$1 * ');
}

/** The last step, for text whose amounts and functions have been read. */
export function withLiterals(read: string): Omit<Expression, 'changed' | 'money'> {
  const called = units(congruence(absolute(read)));
  const literals = new Map<string, string>();
  // More digits, or a larger exponent, than a double holds.
  const named = called.replace(/(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])/gi, (digits) => {
    const significant = digits.replace(/e.*$/i, '').replace('.', '').replace(/^0+/, '');
    if (significant.length <= 15 && !/e[-+]?\d{3}/i.test(digits)) return digits;
    const name = `number_${literals.size + 1}_`;
    literals.set(name, digits);
    return name;
  });
  return { text: named, literals, shown: shownSeries(shownPercents(called)).replace(/\bvalue_(?=[A-Za-z])/g, '') };
}

export function isChanged(input: string, shown: string): boolean {
  const bare = (text: string) => text.replace(/\*\*/g, '^').replace(/\s+/g, '').replace(/=\??$/, '');
  return bare(input) !== bare(shown);
}

/** One expression of a single line: without question words, label, closing `= ?` and a claimed result. */
export function single(plain: string): string {
  if (/[\n;]/.test(plain)) return plain;
  const bare = plain
    .replace(
      /^(?:what(?:'s| is| are)|how much is|calculate|compute|evaluate|find|determine|simplify|work out|convert)\b[:\s]+/i,
      '',
    )
    .replace(/^[=≈]\s*/, '')
    .replace(/^the (?:value|result|product|sum) of\s+(?=[\d($])/i, '')
    .replace(/\s*(?:[=≈]\s*)?\?*\s*$/, '')
    .replace(/(?<=[\d)])\s*\.$/, '')
    .replace(/^[A-Za-z][\w\s'-]{0,60}:\s+/, '')
    .replace(/≈/g, '=');
  if (bare.includes('?')) return bare;
  return withoutSides(bare);
}

/** Cuts at `=`, but not at `==`, `<=`, `>=`, `!=`. */
function sides(text: string): string[] {
  const hidden = text.replace(/==|<=|>=|!=/g, (sign) => sign.replaceAll('=', '\ue001'));
  return splitOutside(hidden, '=').map((part) => part.replaceAll('\ue001', '=').trim());
}

const LITERAL = /^[-+$€£]*\s*[\d,.]+(?:\s*[×x*·]\s*10\s*\^\s*\(?[-+]?\d+\)?|e[-+]?\d+)?\s*%?\s*[A-Za-z/°^²³\s\d]*$/;

function withoutSides(text: string): string {
  const parts = sides(text);
  if (parts.length === 1) return text;
  const [first, ...rest] = parts as [string, ...string[]];
  // `x = 3 * 4` is an assignment, whose value is shown; `f(x) = x` is refused later.
  const isName = /^[A-Za-z_]\w*$/.test(first);
  if (isName && rest.length === 1) return text;
  const parameters = /^[A-Za-z]\w*\s*\(([A-Za-z\s,]*)\)$/.exec(first)?.[1]?.match(/[A-Za-z]\w*/g) ?? [];
  if (rest.length === 1 && parameters.some((name) => new RegExp(`\\b${name}\\b`).test(rest[0]!))) return text;
  const label = isName || isLabel(first);
  // `F = q v B = 2 * 3 * 4`: what is computed stands behind the formula.
  const computed = rest.findIndex(
    (part) => !isFormula(part) && (!LITERAL.test(part) || /\d\s*[-+*/^]\s*\d/.test(part)),
  );
  const [expression, ...claims] = label ? rest.slice(Math.max(0, computed)) : parts;
  // `n = 400 p = 0.5` are values of several names, none of which is computed.
  const values = label && rest.length > 1 && (computed < 0 || rest.slice(0, computed).some((part) => !isFormula(part)));
  if (expression === undefined || values || !claims.every((claim) => LITERAL.test(claim))) {
    throw new Error('one expression expected, e.g. 3 * 4; equations are for the tool algebra');
  }
  return expression;
}

/** `P(A or B)`, `FV (in dollars)`, `E[X]`: words that name what is computed. */
function isLabel(text: string): boolean {
  return /^(?:P|Pr|E|Var|SD|Cov)\s*[([].*[)\]]$/.test(text) || (/[A-Za-z]/.test(text) && !/\d/.test(text));
}

/** `q v B`, `1.22 (lambda / D)`: a name that is no function stands where a factor or a term begins, as no unit does. */
function isFormula(text: string): boolean {
  return /(?:^|[-+*^(×·]|(?<!\^\(-?\d+)\)|\bpi\b)\s*(?!(?:pi|tau|e)\b)[A-Za-z]\w*(?!\w|\s*[\d(])/.test(text);
}

/** `|-3|`: only where there are exactly two bars with a number or an operator beside them. */
function absolute(text: string): string {
  const bars = [...text].filter((c) => c === '|').length;
  return bars === 2 ? text.replace(/(?<=^|[-+*/(\s=])\|([^|]+)\|/, 'abs($1)') : text;
}

/** `7^23 (mod 47)` is about all that stands before. */
function congruence(text: string): string {
  const found = /^(.*\S)\s*\(\s*mod\s+(\d+|[A-Za-z]\w*)\s*\)$/s.exec(text);
  return found ? `(${found[1]}) mod ${found[2]}` : text;
}

const NUMBER = String.raw`\d+(?:\.\d+)?`;

/** Quantities of two units are sums: `6 ft 2 in`, `3 hours 20 minutes`. */
const COMPOUNDS: readonly (readonly [RegExp, string])[] = [
  [/'|feet|foot|ft/, /"|inch(?:es)?|in/, 'ft', 'inch'],
  [/hours?|hrs?|h/, /minutes?|mins?/, 'hour', 'minute'],
  [/minutes?|mins?/, /seconds?|secs?|s/, 'minute', 's'],
  [/lbs?|pounds?/, /oz|ounces?/, 'lb', 'oz'],
].map(([large, small, one, two]) => [
  new RegExp(
    String.raw`(${NUMBER})\s*(?:${(large as RegExp).source})(?:\s+|(?<='))(?:and\s+)?(${NUMBER})\s*(?:${(small as RegExp).source})(?![\w])`,
    'g',
  ),
  `($1 ${one} + $2 ${two})`,
]);

/** `min` and `sec` are functions for mathjs; after a number or `/` they are units. A plain angle is in radians. */
function units(text: string): string {
  let out = text;
  for (const [pattern, sum] of COMPOUNDS) out = out.replace(pattern, sum);
  out = out
    .replace(/(?<=\d|\/\s?|\bto |\bin )\s?\bsecs?\b(?!\s*\()/g, ' s')
    .replace(/(?<=\d|\/\s?|\bto |\bin )\s?\bmins?\b(?!\s*\()/g, ' minute')
    .replace(/(?<=[A-Za-z\d])\s+per\s+(?=[A-Za-z])/g, ' / ')
    .replace(/(?<=\d)\s*(?:degrees?\s+)?(Celsius|Fahrenheit)\b|\b(?:degrees?\s+)?(Celsius|Fahrenheit)$/gi, (_, a, b) =>
      /^c/i.test(a ?? b) ? ' degC' : ' degF',
    )
    .replace(/(?<=\d)\s*([CF])\s+(to|in)\s+([CF])$/, ' deg$1 $2 deg$3')
    .replace(/(?<=\d)\s*([CF])\s+(to|in)\s+(degC|degF|K)$/, ' deg$1 $2 $3')
    .replace(/\b(pi|tau)\s*\((?!\s*\))/g, '$1 * (')
    .replace(new RegExp(String.raw`^(${NUMBER})\s*//\s*(${NUMBER})$`), 'floor($1 / $2)');
  const angle = /^(.+?)\s+(?:to|in)\s+(deg|degrees?)$/.exec(out);
  return angle && !/\b(?:deg|degrees?|rad|radians?|arcmin|arcsec|grad|cycle)\b/.test(angle[1]!)
    ? `(${angle[1]}) rad to ${angle[2]}`
    : out;
}
