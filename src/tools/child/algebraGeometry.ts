/** Points, lines and parabolas in words, as formulas: `slope between (1, 2) and (3, 8)` is `(8 - 2)/(3 - 1)`. */
import type { Request } from './algebraRequest.js';

const COORDINATE = String.raw`([^(),]+(?:\([^()]*\)[^(),]*)*)`;
const POINT = String.raw`(?:(?:the\s+)?points?\s+)?[A-Z]?\s*\(\s*${COORDINATE}\s*,\s*${COORDINATE}\s*\)`;
const TWO_POINTS = String.raw`${POINT}\s*(?:,|and|to|,\s*and)\s*${POINT}`;
const BODY = String.raw`(?:(?:y|[a-z]\([a-z]\))\s*=\s*)?([^=]+?)`;

type Points = readonly [x1: string, y1: string, x2: string, y2: string];

const rise = ([, y1, , y2]: Points) => `((${y2}) - (${y1}))`;
const run = ([x1, , x2]: Points) => `((${x2}) - (${x1}))`;

/** The request that the words make; null for other words. */
export function geometry(said: string): Request | null {
  const formula = (text: string): Request => ({ operation: null, parts: [text] });
  const two = new RegExp(
    String.raw`^(?:the\s+)?(slope|gradient|distance|midpoint|mid-point|equation|line)\s*(?:of\s+)?(?:(?:the|a)\s+)?(?:(?:straight\s+)?(?:line\s+segment|line|segment)\s+)?(?:between|through|from|joining|connecting|passing\s+through|that\s+passes\s+through|with\s+endpoints|whose\s+endpoints\s+are|of)?\s*:?\s*${TWO_POINTS}$`,
    'i',
  ).exec(said);
  if (two !== null) {
    const points = two.slice(2) as unknown as Points;
    const [x1, y1, x2, y2] = points;
    switch (two[1]!.toLowerCase()) {
      case 'slope':
      case 'gradient':
        return formula(`${rise(points)}/${run(points)}`);
      case 'distance':
        return formula(`sqrt(${run(points)}^2 + ${rise(points)}^2)`);
      case 'midpoint':
      case 'mid-point':
        return formula(`[((${x1}) + (${x2}))/2, ((${y1}) + (${y2}))/2]`);
      default:
        return through(points);
    }
  }
  const line = String.raw`^(?:the\s+)?(?:equation\s+(?:of\s+)?)?(?:(?:the|a)\s+)?line\s+`;
  const slope = String.raw`(?:with|of|having)\s+(?:a\s+)?slope\s+(?:of\s+)?(?:m\s*=\s*)?`;
  const passing = String.raw`(?:(?:passing\s+|that\s+passes\s+)?through|passing|at)\s*:?\s*`;
  const first = new RegExp(String.raw`${line}${slope}(\S+?)\s*,?\s+(?:and\s+)?${passing}${POINT}$`, 'i').exec(said);
  const last = new RegExp(String.raw`${line}${passing}${POINT}\s*,?\s+(?:and\s+)?${slope}(\S+)$`, 'i').exec(said);
  const [, m, x, y] = first ?? (last === null ? [] : [last[0], last[3], last[1], last[2]]);
  if (m !== undefined) return { operation: 'solve', parts: [`y - (${y}) = (${m})*(x - (${x}))`, 'y'] };
  const intercept = new RegExp(
    String.raw`${line}${slope}(\S+?)\s*,?\s+(?:and|with)\s+(?:a\s+)?y[- ]?intercept\s+(?:of\s+)?(?:b\s*=\s*)?(\S+)$`,
    'i',
  ).exec(said);
  if (intercept !== null) return formula(`(${intercept[1]})*x + (${intercept[2]})`);
  const parabola = new RegExp(
    String.raw`^(?:the\s+)?(vertex|complete\s+the\s+square|completing\s+the\s+square|vertex\s+form)\s*(?:of|for|on|in|:)?\s*(?:the\s+)?(?:parabola|quadratic|function|expression)?\s*:?\s*${BODY}$`,
    'i',
  ).exec(said);
  if (parabola !== null)
    return { operation: /^vertex$/i.test(parabola[1]!) ? 'vertex' : 'complete_square', parts: [parabola[2]!] };
  const quadratic =
    /^(?:the\s+)?quadratic\s+(?:formula|equation)\s*(?:with|for|where|:)?\s*a\s*=\s*([^\s,=]+)[\s,]+(?:and\s+)?b\s*=\s*([^\s,=]+)[\s,]+(?:and\s+)?c\s*=\s*([^\s,=]+)$/i.exec(
      said,
    );
  if (quadratic === null) return null;
  const [, a, b, c] = quadratic;
  return { operation: 'solve', parts: [`(${a})*x^2 + (${b})*x + (${c}) = 0`, 'x'] };
}

/** Of points one above the other the line is no function of x. */
function through(points: Points): Request {
  const [x1, y1, x2] = points;
  const line = `(y - (${y1}))*${run(points)} = ${rise(points)}*(x - (${x1}))`;
  return { operation: 'solve', parts: [line, x1.trim() === x2.trim() ? 'x' : 'y'] };
}
