/** Statistics in words and in the notation of textbooks, as calls: `P(Z > 1.96)`, `mean of 1, 2, 3`. */
import { bayesPhrase } from './bayesPhrase.js';
import { criticalPhrase } from './criticalValues.js';
import { dataPhrase } from './dataPhrases.js';
import { FAMILY, lawPhrase, trialsPhrase } from './lawPhrases.js';
import { closing, splitOutside } from './normalize.js';
import { notation, relationOf, VARIABLE } from './relations.js';
import { lawOfText, readParameters, readWhole, testPhrase } from './testPhrases.js';

/** One line of plain text (normalize.ts) as one or more calls, one a line. What is no such phrase stays as it is. */
export function readPhrases(line: string): string {
  const text = line
    .replace(/μ/g, 'mu')
    .replace(/σ/g, 'sigma')
    .replace(/λ/g, 'lambda')
    .replace(/χ\s*(?:\^2|²)/g, 'chi2')
    .replace(/(?:Φ|\bPhi\b)\s*\^\s*\(?-1\)?\s*\(/g, 'normal_quantile(')
    .replace(/(?:Φ|\bPhi\b)\s*\(/g, 'normal_cdf(')
    .trim();
  const bare = text
    .replace(/^(?:what(?:'s| is| are)|calculate|compute|find|determine|evaluate)\s*:?\s+/i, '')
    .replace(/[?.]\s*$/, '');
  return (
    criticalPhrase(bare) ??
    bayesPhrase(bare) ??
    dataPhrase(bare) ??
    testPhrase(bare) ??
    trialsPhrase(bare) ??
    lawPhrase(bare) ??
    probability(text)
  );
}

/** Every `P(…)` with a random variable and a relation, of the law that the text names. */
function probability(text: string): string {
  if (!/\b(?:P|Pr|Prob)\s*\(/.test(text)) return text;
  const { rest, law } = declared(text);
  let out = '';
  let from = 0;
  const call = /\b(?:P|Pr|Prob)\s*\(/g;
  let found = false;
  for (let hit = call.exec(rest); hit !== null; hit = call.exec(rest)) {
    const open = hit.index + hit[0].length - 1;
    const end = closing(rest, open);
    if (end < 0) return text;
    const relation = relationOf(rest.slice(open + 1, end));
    if (relation === null) continue;
    found = true;
    readParameters(relation.parameters, law !== null);
    const own =
      law ?? lawAround(relation.variable, `${relation.parameters}, ${rest.slice(0, hit.index)} ${rest.slice(end + 1)}`);
    const before = rest.slice(from, hit.index);
    const kept = withoutLaw(before);
    if (kept === '') readWhole(before, law !== null);
    out += `${factorOnly(kept)}${relation.name}(${own}, ${relation.bounds})`;
    from = end + 1;
    call.lastIndex = from;
  }
  if (!found) return text;
  // What named the law has been used.
  const tail = rest.slice(from);
  if (!NAMED_LAW.test(tail)) return `${out}${tail}`.trim();
  readWhole(tail, law !== null);
  return out.trim();
}

/** `, n = 10, p = 0.5`, `for a Poisson distribution with mean 3`. */
const NAMED_LAW = /^\s*[,;.(]?\s*(?:(?:where|with|for|if|when|given|in|and)\b|[a-z]\w*\s*=|$)[^()]*\)?\s*$/is;

/** `n = 10, p = 0.5:` before the probability. */
function withoutLaw(before: string): string {
  const bare = before.replace(
    new RegExp(
      String.raw`^\s*(?:an?\s+)?(?:${FAMILY})(?:\s+(?:distribution|random\s+variable))?\s*(?:with|,|:)?(?=\s)`,
      'i',
    ),
    '',
  );
  if (bare.trim() === '') return '';
  return withoutParameters(bare) === '' ? '' : before;
}

function withoutParameters(before: string): string {
  return /^\s*(?:[a-z]\w*\s*=\s*[-\d./]+\s*[,;:]?\s*(?:and\s+)?)+$/i.test(before) ? '' : before;
}

/** Words or parameters that no rule has read would become a factor: `geometric p=0.3 P(X = 4)` is no product. */
function factorOnly(before: string): string {
  if (/(?:^|[-+*/^(,=:;])\s*$/.test(before) || /^[\d.\s(]+$/.test(before)) return before;
  throw new Error(
    `what "${before.trim().slice(0, 40)}" has to do with the probability is not clear; write e.g. P(X = 4), X ~ Geometric(0.3)`,
  );
}

/** Takes `X ~ Binomial(10, 0.5)` and `for Poisson(3)` out of the text. */
function declared(text: string): { rest: string; law: string | null } {
  const start = new RegExp(
    String.raw`(?:(?:[,;]?\s*\b(?:where|with|for|if|when|given|let)\s+)?\b${VARIABLE}\s*(?:~|∼|\bsim\b)\s*|(?<=\))\s*(?:for|with|where|in|of)\s+(?:an?\s+)?(?:X\s+is\s+)?(?=[A-Z]))([A-Za-z]\w*)\s*\(`,
  ).exec(text);
  if (start === null) return { rest: text, law: null };
  const open = start.index + start[0].length - 1;
  const end = closing(text, open);
  if (end < 0) throw new Error('a bracket is not closed, e.g. X ~ Binomial(10, 0.5)');
  const rest = `${text.slice(0, start.index)} ${text.slice(end + 1)}`
    .replace(/^[\s,;:.]+|[\s,;]+$/g, '')
    .replace(/^(?:find|then|compute)\s+/i, '');
  return {
    rest,
    law: notation(
      start[1]!,
      splitOutside(text.slice(open + 1, end), ',').map((one) => one.trim()),
    ),
  };
}

/** The law of a text that gives parameters without `~`: `P(X >= 3), n=10, p=0.5`. */
function lawAround(variable: string, text: string): string {
  if (variable.endsWith(')')) return variable;
  const named = new RegExp(String.raw`\b(${FAMILY})\b`, 'i').exec(text)?.[1]?.toLowerCase() ?? '';
  return lawOfText(variable, named.replace(/^chi-.*/, 'chi2'), text);
}
