/** Bayes' rule from probabilities as textbooks write them: `P(A) = 0.01, P(B|A) = 0.99, P(B|not A) = 0.05`. */
import { Taking } from './taking.js';

const NOT = String.raw`(?:not\s+|no\s+|~\s*|¬\s*|!\s*)`;
const EVENT = String.raw`(${NOT}?)([A-Za-z]\w*|\+)\s*('|\^c|\^C)?`;
const NUMBER = String.raw`(\d+(?:\.\d+)?(?:\s*\/\s*\d+(?:\.\d+)?)?|\.\d+)(\s*%)?(?!\w|\.\d|\s*[*/^])`;

/** `bayes(prior, P(B|A), P(B|not A))`, or with P(B) the quotient itself; null for other text. */
export function bayesPhrase(text: string): string | null {
  const words = new Taking(` ${text} `);
  // The rule itself, written out in front of its numbers.
  words.take(
    String.raw`(?<=P(?:r)?\s*\(\s*(\w+)\s*\|\s*(\w+)\s*\)\s*)=\s*P(?:r)?\s*\(\s*\2\s*\|\s*\1\s*\)\s*[*·×]?\s*P(?:r)?\s*\(\s*\1\s*\)\s*/\s*P(?:r)?\s*\(\s*\2\s*\)`,
    '',
  );
  const given = new Map<string, string>();
  for (const found of words.all(
    String.raw`\bP(?:r)?\s*\(\s*${EVENT}\s*(?:\|\s*${EVENT})?\s*\)\s*(?:=|is)\s*${NUMBER}`,
    '',
  )) {
    const [, not, event, prime, notGiven, condition, conditionPrime, value, percent] = found;
    const name = (no: string | undefined, one: string, mark: string | undefined) => `${no || mark ? '!' : ''}${one}`;
    const key = `${name(not, event!, prime)}${condition === undefined ? '' : `|${name(notGiven, condition, conditionPrime)}`}`;
    if (given.has(key)) throw new Error(`P(${key}) is given twice`);
    given.set(key, percent === undefined ? value! : `${value}/100`);
  }
  // P(not A) = 0.99 beside P(A) = 0.01 says nothing more.
  for (const [key, value] of given) {
    const other = key.startsWith('!') && !key.includes('|') ? given.get(key.slice(1)) : undefined;
    if (other !== undefined && Math.abs(worth(value) + worth(other) - 1) < 1e-9) given.delete(key);
  }
  const hit = [...given.keys()].find((key) => /^[\w+]+\|[\w+]+$/.test(key));
  if (given.size < 3 || hit === undefined) return null;
  const [evidence, cause] = hit.split('|') as [string, string];
  const asked = words.take(String.raw`\bP(?:r)?\s*\(\s*([\w+]+)\s*\|\s*([\w+]+)\s*\)`, '');
  const left = words.rest(
    /\b(?:bayes'?s?|theorem|rule|using|with|given|that|if|where|find|compute|calculate|what|is|and|the)\b|'/gi,
  );
  const isBayes = asked !== null || /bayes/i.test(text);
  const [prior, alarm, total] = [given.get(cause), given.get(`${evidence}|!${cause}`), given.get(evidence)];
  const fits = asked === null || (asked[1] === cause && asked[2] === evidence);
  if (left !== '' || !fits || prior === undefined || given.size !== 3 || (alarm === undefined && !isBayes))
    throw new Error(`cannot read ${left === '' ? 'which is asked' : `"${left.slice(0, 40)}"`}; ${FORM}`);
  if (alarm !== undefined) return `bayes(${prior}, ${given.get(hit)}, ${alarm})`;
  return total === undefined ? null : `(${given.get(hit)}) * (${prior}) / (${total})`;
}

const worth = (text: string): number =>
  text
    .split('/')
    .map(Number)
    .reduce((a, b) => a / b);

const FORM = 'write bayes(P(A), P(B|A), P(B|not A)), e.g. bayes(0.01, 0.99, 0.05)';
