/** Arguments of categorical sentences, `All men are mortal. Socrates is a man.`, as formulas of one variable. */

/** What a whole argument of such sentences says; null where one of its sentences is no such sentence. */
export function syllogism(text: string): { readonly text: string; readonly note: string } | null {
  const sentences = text
    .replace(/\s*[,;.\n]*\s*\b(therefore|hence|thus|so|consequently|ergo)\b\s*[,:]?\s*(?:that\s+)?/gi, '. ∴ ')
    .replace(/[,;.\n\s]*∴\s*/g, '. ∴ ')
    .split(/[.;\n]+|,(?=\s*(?:and\s+)?(?:all|every|each|no|some|not\s+all|only)\b)/i)
    .map((one) => one.trim().replace(/^(?:and|but)\s+/i, ''))
    .filter((one) => one !== '');
  if (sentences.length < 2 || !sentences.some((one) => QUANTIFIED.test(one))) return null;
  const formulas: string[] = [];
  for (const sentence of sentences) {
    const concludes = sentence.startsWith('∴');
    const formula = ofSentence(sentence.replace(/^∴\s*/, ''));
    if (formula === null) return null;
    formulas.push(`${concludes ? '∴ ' : ''}${formula}`);
  }
  const conclusion = formulas.find((one) => one.startsWith('∴'));
  const existential = conclusion?.startsWith('∴ ∃') && !formulas.some((one) => one.startsWith('∃'));
  return {
    text: formulas.join('\n').replace(/\n∴/g, ' ∴'),
    note: existential ? '"all" and "no" do not say here that there are any; with existential import it may differ' : '',
  };
}

const QUANTIFIED = /^(?:∴\s*)?(?:all|every|each|no|some|not\s+(?:all|every)|only)\s+\S/i;
const TERM = String.raw`([A-Za-z][\w-]*(?:\s+[A-Za-z][\w-]*){0,3}?)`;
const ARE = String.raw`\s+(?:are|is|were|was)\s+`;
const WHOLE = String.raw`(?:(?:an?|the)\s+)?${TERM}$`;

function ofSentence(sentence: string): string | null {
  const match = (pattern: string): RegExpExecArray | null => new RegExp(pattern, 'i').exec(sentence);
  const notAll = match(String.raw`^not\s+(?:all|every)\s+${TERM}${ARE}${WHOLE}`);
  if (notAll !== null) return some(notAll, '∧ ¬');
  const ambiguous = match(String.raw`^(?:all|every|each)\s+${TERM}${ARE}not\s+${WHOLE}`);
  if (ambiguous !== null)
    throw new Error(
      `"all … are not …" can mean none, or not all; write No ${ambiguous[1]} are ${ambiguous[2]}, or Not all …`,
    );
  const all = match(String.raw`^(?:all|every|each)\s+${TERM}${ARE}${WHOLE}`) ?? verbal(sentence, 'all|every|each');
  if (all !== null) return every(all, '');
  const none = match(String.raw`^no\s+${TERM}${ARE}${WHOLE}`) ?? verbal(sentence, 'no');
  if (none !== null) return every(none, '¬');
  const only = match(String.raw`^only\s+${TERM}${ARE}${WHOLE}`);
  if (only !== null) return `∀x(${predicate(only[2]!)}(x) → ${predicate(only[1]!)}(x))`;
  const someNot = match(String.raw`^some\s+${TERM}${ARE}not\s+${WHOLE}`);
  if (someNot !== null) return some(someNot, '∧ ¬');
  const one = match(String.raw`^some\s+${TERM}${ARE}${WHOLE}`) ?? verbal(sentence, 'some');
  if (one !== null) return some(one, '∧ ');
  // Socrates is a man; a name is a word with a capital that is no sentence's first word of a term.
  const single =
    /^([A-Z][a-z]+)\s+(?:is|was)\s+(not\s+)?(?:(?:an?|the)\s+)?([A-Za-z][\w-]*(?:\s+[A-Za-z][\w-]*){0,3})$/.exec(
      sentence,
    );
  if (single !== null)
    return `${single[2] === undefined ? '' : '¬'}${predicate(single[3]!)}(${single[1]!.toLowerCase()})`;
  const acts = /^([A-Z][a-z]+)\s+(?:(does\s+not)\s+)?([a-z]+)$/.exec(sentence);
  if (acts === null || /^(?:if|when)$/i.test(acts[1]!)) return null;
  return `${acts[2] === undefined ? '' : '¬'}${predicate(acts[3]!)}(${acts[1]!.toLowerCase()})`;
}

/** `All dogs bark`. */
function verbal(sentence: string, quantifier: string): RegExpExecArray | null {
  return new RegExp(String.raw`^(?:${quantifier})\s+([A-Za-z]+)\s+(?!(?:are|is|not)\b)([a-z]+)$`, 'i').exec(sentence);
}

const every = (found: RegExpExecArray, not: string) =>
  `∀x(${predicate(found[1]!)}(x) → ${not}${predicate(found[2]!)}(x))`;
const some = (found: RegExpExecArray, and: string) => `∃x(${predicate(found[1]!)}(x) ${and}${predicate(found[2]!)}(x))`;

const IRREGULAR: Readonly<Record<string, string>> = {
  ...{ men: 'man', women: 'woman', people: 'person', children: 'child', mice: 'mouse', geese: 'goose', feet: 'foot' },
  ...{ wolves: 'wolf', knives: 'knife', lives: 'life', thieves: 'thief', leaves: 'leaf', teeth: 'tooth' },
};

/** One name for a term in singular and plural. */
function predicate(term: string): string {
  const words = term.toLowerCase().split(/[\s-]+/);
  const last = words.pop()!;
  const name = [...words, singular(last)].map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  return /^[A-Z]$/.test(name) ? name : `Is${name}`;
}

function singular(word: string): string {
  // `philosophers` and `swim` have many forms, `women` of `businesswomen` its own.
  const irregular = Object.keys(IRREGULAR).find((one) => word === one || (one === 'men' && /[a-z]men$/.test(word)));
  if (irregular !== undefined) return word.slice(0, word.length - irregular.length) + IRREGULAR[irregular]!;
  if (/(?:ss|us|is|ous)$/.test(word) || word.length < 3) return word;
  if (/[^aeiou]ies$/.test(word)) return `${word.slice(0, -3)}y`;
  if (/(?:ch|sh|x|z|ss)es$/.test(word)) return word.slice(0, -2);
  return word.replace(/s$/, '');
}
