/** What is asked for in words, as a call of an operation: `integrate x^2 from 0 to 1` is `integrate(x^2, [x, 0, 1])`. */
import { geometry } from './algebraGeometry.js';
import { OPERATIONS } from './algebraNames.js';
import type { Request } from './algebraRequest.js';
import { splitOutside } from './normalize.js';

const NAME = '([A-Za-z]\\w*)';
const RESPECT = `(?:\\s*,?\\s*(?:with respect to|wrt|w\\.r\\.t\\.?|in terms of)\\s+${NAME})?`;
const AT =
  '(?:\\s*,?\\s*(?:at|when|where|for|evaluated at)\\s+((?:[A-Za-z]\\w*\\s*=\\s*[^,]+)(?:(?:,|\\band\\b)\\s*[A-Za-z]\\w*\\s*=\\s*[^,]+)*))?';

const POLITE =
  /^(?:please\s+|can you\s+|now\s+|let us\s+|let's\s+)?(?:(?:find|compute|calculate|determine|give|get|show|what(?:'s| is| are)|obtain|perform)\s+)?(?:(?:the|all|an|a)\s+)?(?:(?:exact|real|complex|general|particular|value of|values of|solutions? (?:of|to|for)(?! x\b)|following|definite|indefinite|first|improper)\s+)*/i;

/** Reads a request in words; null where it is written as a formula or a call. */
export function requested(text: string): Request | null {
  const plain = text
    .replace(/[?.]\s*$/, '')
    .replace(/:\s*$/, '')
    .trim();
  const said = plain.replace(POLITE, '').trim();
  // x^2 = 4. Find x.
  const asked =
    /^([\s\S]+?[=<>][\s\S]+?)[.,;:]?\s+(?:then\s+)?(?:find|solve|determine|what is)\s+(?:the value of\s+)?(?:for\s+)?([A-Za-z]\w*)$/i.exec(
      plain,
    );
  if (asked !== null) return { operation: 'solve', parts: [asked[1]!, asked[2]!] };
  for (const form of FORMS) {
    const found = form(said, plain);
    if (found !== null) return found;
  }
  return said === plain || said === '' ? null : { operation: null, parts: [said] };
}

type Form = (said: string, plain: string) => Request | null;

const outer = (text: string): string => {
  const inner = /^\(([\s\S]*)\)$/.exec(text.trim())?.[1];
  return inner !== undefined && splitOutside(`(${inner})`, ',').length === 1 && balanced(inner)
    ? inner.trim()
    : text.trim();
};

function balanced(text: string): boolean {
  let depth = 0;
  for (const c of text) {
    if (c === '(') depth++;
    if (c === ')' && --depth < 0) return false;
  }
  return depth === 0;
}

function form(pattern: RegExp, make: (groups: readonly (string | undefined)[]) => Request | null): Form {
  return (said) => {
    const found = pattern.exec(said);
    return found === null ? null : make(found);
  };
}

const subsAt = (inner: string, at: string | undefined): Request =>
  at === undefined
    ? { operation: null, parts: [inner] }
    : { operation: 'subs', parts: [inner, ...at.split(/,|\band\b/).map((one) => one.trim())] };

const some = (...parts: (string | undefined)[]): string[] =>
  parts.filter((one): one is string => one !== undefined && one.trim() !== '');

const FORMS: readonly Form[] = [
  geometry,
  // y = 2x + 1, find y when x = 3
  form(
    /^([A-Za-z])\s*=\s*([^=<>,;]+?)\s*[,;.]?\s+(?:find|what\s+is|evaluate|compute)\s+\1\s+(?:when|if|at|for|where)\s+([A-Za-z]\w*\s*=\s*[^=<>,;]+)$/i,
    ([, , body, at]) => ({ operation: 'subs', parts: [body!, at!] }),
  ),
  // f'(x) for f(x) = x^3
  form(
    /^([a-zA-Z])('{1,3})\(([a-z])\)\s+(?:for|of|if|when|where|given)\s+\1\(\3\)\s*=\s*([^=]+)$/,
    ([, , primes, x, body]) => ({ operation: 'diff', parts: [body!, x!, String(primes!.length)] }),
  ),
  // inverse of f(x) = 2x + 3
  form(
    /^(?:the\s+)?inverse\s+(?:function\s+)?of\s+(?:the\s+function\s+)?(?:y|[a-z]\(x\))\s*=\s*([^=]+)$/i,
    ([, body]) =>
      // In `ax` it is not known where the name ends.
      /[A-Za-z]x(?![A-Za-z])|(?<![A-Za-z])x[A-Za-z]/.test(body!)
        ? null
        : { operation: 'solve', parts: [`x = ${body!.replace(/(?<![A-Za-z])x(?![A-Za-z])/g, '(y)')}`, 'y'] },
  ),
  // v^2 = u^2 + 2as, solve for s with v = 10, u = 0, a = 2
  form(
    /^([^=,;]+=[^=,;]+?)\s*[,;.]?\s+(?:and\s+)?solve\s+for\s+([A-Za-z]\w*)\s*,?\s*(?:with|where|given|if|when)\s+([\s\S]+=[\s\S]+)$/i,
    ([, equation, x, given]) => ({
      operation: 'solve',
      parts: [[equation!, ...given!.split(/,|\band\b/).map((one) => one.trim())].filter(Boolean).join(', '), x!],
    }),
  ),
  form(
    /^(?:the\s+)?(sum|product)\s+(?:from\s+|over\s+|for\s+)?([A-Za-z])\s*=\s*(\S+)\s+to\s+(\S+?)\s*(?:,|\bof\b|:)\s*([\s\S]+)$/i,
    ([, op, k, a, b, f]) => ({ operation: op!.toLowerCase(), parts: [outer(f!), `[${k}, ${a}, ${b}]`] }),
  ),
  form(
    /^(?:all\s+)?(?:real\s+)?(?:values?\s+(?:of|for)\s+)?([A-Za-z]\w*)\s+(?:such that|for which|so that|satisfying|that satisfies)\s+([\s\S]+)$/i,
    ([, x, e]) => ({ operation: 'solve', parts: [e!, x!] }),
  ),
  form(/^(?:solutions?|roots?|zeros?)\s+(?:of|to|for)\s+(?:the\s+equation\s+)?([\s\S]+)$/i, ([, e]) =>
    /\bfor\b/.test(e!) ? null : { operation: 'roots', parts: [e!] },
  ),
  form(/^is\s+([\s\S]+?)\s+(?:irreducible|reducible|prime)$/i, ([, e]) => ({ operation: 'factor', parts: [e!] })),
  form(
    /^(?:equation\s+of\s+)?(?:the\s+)?(?:line\s+)?tangent(?:\s+line)?\s+(?:to|of)\s+(?:the\s+)?(?:(?:curve|graph(?:\s+of)?|function)\s+)?(?:y\s*=|[a-z]\([a-z]\)\s*=)?\s*([\s\S]+?)\s*,?\s+(?:at|when|where)\s+(?:the\s+point\s+(?:where\s+)?)?(?:([A-Za-z])\s*=\s*([^,]+)|\(\s*([^,()]+)\s*,([^,()]+)\))$/i,
    ([, f, x, a, first, height]) => ({ operation: 'tangent', parts: some(f, x ?? 'x', a ?? first, height) }),
  ),
  // f(x) = x^3 - x, f'(2)
  form(
    /^(?:let\s+|if\s+|given\s+(?:that\s+)?|for\s+)?([a-zA-Z])\(([a-z])\)\s*=\s*([^=,;]+?)\s*[,;.]\s*(?:then\s+)?(?:find|evaluate|compute|calculate|what\s+is)?\s*\1('{0,3})\(([^()]+)\)\s*$/i,
    ([, , x, body, primes, at]) => ({
      operation: 'subs',
      parts: [primes === '' ? body! : `diff(${body}, ${x}, ${primes!.length})`, `${x} = ${at}`],
    }),
  ),
  form(/^(?:critical|stationary)\s+points?\s+of\s+(?:[a-z]\([a-z]\)\s*=\s*)?([^=]+)$/i, ([, f]) => ({
    operation: 'solve',
    parts: [`diff(${f}) = 0`],
  })),
  form(
    /^integral\s+from\s+(?:([A-Za-z]\w*)\s*=\s*)?(\S+)\s+to\s+(\S+)\s+of\s+([\s\S]+?)(?:\s*\bd([a-z]))?$/i,
    ([, x, a, b, f, d]) => ({ operation: 'integrate', parts: some(outer(f!), d ?? x, a, b) }),
  ),
  // solve for x: 2x = 3; solve 2x = 3 for x; 2x = 3, solve for x; 2x = 3 for x
  form(
    new RegExp(
      `^solve\\s+for\\s+(${NAME}(?:\\s*(?:,|and)\\s*${NAME})*)\\s*(?::|,|in|if|when|given|where)\\s*([\\s\\S]+)$`,
      'i',
    ),
    (m) => ({ operation: 'solve', parts: [m[4]!, m[1]!] }),
  ),
  form(
    /^(?:solve|solutions? (?:of|to)|roots? of|zeros? of)?\s*[:]?\s*([\s\S]+?)\s*(?:[,;.]|\n)?\s*(?:and\s+)?(?:solve\s+)?for\s+([A-Za-z]\w*(?:\s*(?:,|and)\s*[A-Za-z]\w*)*)\s*$/i,
    (m) =>
      /[=<>≡]/.test(m[1]!) && !/\bfor\b/.test(m[1]!) && !/^\w+\s*\(.*\)$/.test(m[1]!)
        ? { operation: 'solve', parts: [m[1]!, m[2]!] }
        : null,
  ),
  form(
    /^(?:differentiate|(?:the\s+)?(?:(second|third|2nd|3rd|fourth)\s+)?(?:partial\s+)?derivative of)\s+([\s\S]+)$/i,
    ([, order, rest]) => {
      const found = new RegExp(`^([\\s\\S]+?)${RESPECT}${AT}$`, 'i').exec(rest!)!;
      const n = { second: '2', '2nd': '2', third: '3', '3rd': '3', fourth: '4' }[(order ?? '').toLowerCase()];
      const call = `diff(${some(outer(found[1]!), found[2], n).join(', ')})`;
      return subsAt(call, found[3]);
    },
  ),
  form(/^(?:integrate|(?:the\s+)?(?:integral|antiderivative) of)\s+([\s\S]+)$/i, ([, rest]) => {
    const found = new RegExp(
      `^([\\s\\S]+?)(?:\\s*\\bd([a-z]))?${RESPECT}(?:\\s*,?\\s*(?:for\\s+([A-Za-z]\\w*)\\s+)?(?:from|over|between|for|on)\\s+(?:([A-Za-z]\\w*)\\s*=\\s*)?\\[?([^[\\]]+?)\\s*(?:to|and|\\.\\.|,)\\s*(?:[A-Za-z]\\w*\\s*=\\s*)?([^[\\]]+?)\\]?)?(?:\\s+d([a-z]))?${RESPECT}$`,
      'i',
    ).exec(rest!)!;
    const [, inner, d1, wrt1, v1, v2, low, high, d2, wrt2] = found;
    const variable = d1 ?? wrt1 ?? v1 ?? v2 ?? d2 ?? wrt2;
    return { operation: 'integrate', parts: some(outer(inner!), variable, low, high) };
  }),
  form(
    /^(?:the\s+)?limit\s+(?:of\s+|(?!\())([\s\S]+?)\s*,?\s+(?:as|when|for)\s+([A-Za-z]\w*)\s*(?:->|approaches|tends to|goes to|to)\s*([\s\S]+?)(?:\s+from\s+(?:the\s+)?(left|right|above|below))?$/i,
    ([, f, x, a, side]) => {
      const sign = side === undefined ? /^(.*\S)\s*\^?\s*([+-])$/.exec(a!)?.[2] : /left|below/i.test(side) ? '-' : '+';
      return {
        operation: 'limit',
        parts: [f!, x!, a!.replace(/\s*\^?\s*[+-]$/, '')],
        ...(sign === undefined ? {} : { options: [`"${sign}"`] }),
      };
    },
  ),
  form(
    /^(?:the\s+)?(sum|product)\s+(?:of\s+|(?!\())([\s\S]+?)\s*,?\s+(?:from|for|over)\s+([A-Za-z]\w*)\s*(?:=|from)\s*([\s\S]+?)\s+to\s+([\s\S]+)$/i,
    ([, op, f, k, a, b]) => ({
      operation: op!.toLowerCase(),
      parts: [outer(f!), `[${k}, ${a}, ${b}]`],
    }),
  ),
  form(
    /^(?:the\s+)?(?:taylor|maclaurin|power)?\s*(?:series|polynomial|expansion)(?:\s+expansion)?\s+(?:of|for)\s+([\s\S]+?)(?:\s*,?\s*(?:around|about|at|centered at|near)\s+(?:([A-Za-z]\w*)\s*=\s*)?([^,\s]+))?(?:\s*,?\s*(?:(?:up to|to|of)\s+(?:order|degree|the power)?|order|degree)\s*(?:[A-Za-z]\^)?(\d+))?$/i,
    ([, f, x, a, n]) => ({ operation: 'series', parts: some(f, x, a ?? (n === undefined ? undefined : '0'), n) }),
  ),
  form(
    /^(minimi[sz]e|maximi[sz]e|(?:the\s+)?min(?:imum)?(?:\s+value)?\s+of|(?:the\s+)?max(?:imum)?(?:\s+value)?\s+of)\s+(?!\()([\s\S]+?)(?:\s*,?\s*(?:subject to|such that|s\.t\.|with|where|given|on|for(?=\s+[^,]*[<>=]))\s+([\s\S]+))?$/i,
    ([, op, f, c]) => ({
      operation: /^(?:the\s+)?min/i.test(op!) ? 'minimize' : 'maximize',
      parts: [f!, ...(c === undefined ? [] : splitOutside(c.replace(/\band\b/g, ','), ','))],
    }),
  ),
  form(
    /^(?:the\s+)?(gcd|lcm|gcf|greatest common divisor|least common multiple|greatest common factor)\s+(?:of\s+|(?!\())([\s\S]+)$/i,
    ([, op, rest]) => ({
      operation: /^l/i.test(op!) ? 'lcm' : 'gcd',
      parts: rest!
        .split(/,|\band\b/)
        .map((one) => one.trim())
        .filter(Boolean),
    }),
  ),
  form(/^divide\s+([\s\S]+?)\s+by\s+([\s\S]+)$/i, ([, a, b]) => ({ operation: 'div', parts: [a!, b!] })),
  form(
    /^(?:the\s+)?(remainder|quotient)\s+(?:of|when)\s+([\s\S]+?)\s+(?:is\s+)?divided by\s+([\s\S]+)$/i,
    ([, op, a, b]) => ({ operation: /^q/i.test(op!) ? 'quo' : 'rem', parts: [a!, b!] }),
  ),
  form(/^inverse\s+of\s+(\S+)\s+(?:mod(?:ulo)?)\s+(\d+)$/i, ([, a, n]) => ({
    operation: 'mod',
    parts: [`1/(${a})`, n!],
  })),
  form(/^(?:inverse\s+)?laplace\s+transform\s+(?:of\s+|(?!\())([\s\S]+)$/i, ([all, f]) => ({
    operation: /^inverse/i.test(all!) ? 'invlaplace' : 'laplace',
    parts: [f!],
  })),
  (said) => {
    const found =
      /^(partial fractions?(?:\s+decomposition)?|characteristic polynomial|null space|real roots|[A-Za-z]+)\s*(?:of|:)?\s*(?:the\s+)?(?:(?:matrix|polynomial|expression|equation|equations|system|inequality|number)\s*:?\s*)?([\s\S]+)$/i.exec(
        said,
      );
    if (found === null) return null;
    // derivative: diff(x^2, x)
    const labelled = /^[A-Za-z ]+:\s*(([A-Za-z_]\w*)\s*\([\s\S]*)$/.exec(said);
    if (labelled !== null && Object.hasOwn(OPERATIONS, labelled[2]!)) return { operation: null, parts: [labelled[1]!] };
    const word = found[1]!
      .toLowerCase()
      .replace(/\s+decomposition/, '')
      .replace(/ /g, '_');
    const operation = Object.hasOwn(OPERATIONS, word) ? OPERATIONS[word]! : undefined;
    // `N x`, `D x`, `mod 7` are formulas; a bracket straight behind the name is a call.
    if (operation === undefined || word.length < 3 || word === 'mod' || word === 'int' || word === 'lim') return null;
    if (/^[A-Za-z]\w*\(/.test(said) || /^⟦|^\s*[*+/^=]/.test(found[2]!)) return null;
    const rest = found[2]!.trim();
    if (operation === 'solve' || operation === 'roots' || operation === 'dsolve') return { operation, parts: [rest] };
    const at = new RegExp(`^([\\s\\S]+?)${AT}$`, 'i').exec(rest)!;
    return subsAt(`${operation}(${outer(at[1]!)})`, at[2]);
  },
  // evaluate x^2 at x = 3; x^2 at x = 3; x^2 where x = 3
  form(
    /^(?:evaluate\s+)?([\s\S]+?)\s*,?\s+(?:at|when|where|evaluated at|if)\s+([A-Za-z]\w*\s*=\s*[^=<>]+)$/i,
    ([, f, at]) => (/[=<>]/.test(f!.replace(/\([^()]*\)/g, '')) ? null : subsAt(f!, at)),
  ),
  form(/^evaluate\s+([\s\S]+)$/i, ([, f]) => ({ operation: null, parts: [f!] })),
];
