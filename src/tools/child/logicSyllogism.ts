/** Arguments of categorical sentences, `All men are mortal. Socrates is a man.`, as formulas of one variable. */

/** What a whole argument of such sentences says; null where one of its sentences is no such sentence. */
export function syllogism(text: string): { readonly text: string; readonly note: string } | null {
  const sentences = text
    .replace(/(?:^|(?<=[\n.;,]))\s*(?:premises?)?\s*\(?\d{0,2}\s*[.):]\s*(?=[A-Za-z])/gi, ' ')
    .replace(/\b(?:premises?)\s*\d*\s*:/gi, '. ')
    .replace(/\bconclusion\s*:/gi, '. ∴ ')
    .replace(/\s*[,;.\n]*\s*\b(therefore|hence|thus|so|consequently|ergo)\b\s*[,:]?\s*(?:that\s+)?/gi, '. ∴ ')
    .replace(/[,;.\n\s]*∴\s*/g, '. ∴ ')
    .split(/[.;,\n]+/)
    .map((one) => one.trim().replace(/^(?:and|but)\s+/i, ''))
    .filter((one) => one !== '');
  if (sentences.length < 2 || !sentences.some((one) => QUANTIFIED.test(one))) return null;
  const terms = new Terms();
  const formulas: string[] = [];
  for (const sentence of sentences) {
    const concludes = sentence.startsWith('∴');
    const formula = ofSentence(sentence.replace(/^∴\s*/, ''), terms);
    if (formula === null) return null;
    formulas.push(`${concludes ? '∴ ' : ''}${formula}`);
  }
  terms.refuseRelated();
  const conclusion = formulas.find((one) => one.startsWith('∴'));
  const exists = formulas.some((one) => /^∃|^¬?Is\w*\(|^¬?[A-Z]\(/.test(one));
  const note =
    conclusion === undefined
      ? 'no conclusion is marked, so it is asked whether all can be true together; mark one with "therefore"'
      : conclusion.startsWith('∴ ∃') && !exists
        ? '"all" and "no" do not say here that there are any; with existential import it may be valid'
        : '';
  return { text: formulas.join('\n').replace(/\n∴/g, ' ∴'), note };
}

const QUANTIFIED = /^(?:∴\s*)?(?:all|every|each|no|some|not\s+(?:all|every)|only)\s+\S/i;
const TERM = String.raw`([A-Za-z][\w-]*(?:\s+[A-Za-z][\w-]*){0,3}?)`;
const ARE = String.raw`\s+(?:are|is|were|was)\s+`;
const WHOLE = String.raw`(?:(?:an?|the)\s+)?${TERM}$`;
/** A term with one of these says more than a predicate does. */
const MORE =
  /^(?:the|of|one|ones)\b|\b(?:and|or|either|neither|nor|not|never|always|only|who|which|that|whose|where|when|while|if|unless|except|but|some|all|every|each|any|no|than|because|are|is|do|does|has|have)\b|\bnon(?:-|\b)/i;

type Found = RegExpExecArray | null;

/** The sentence as a formula; null where it is no categorical one, or a term of it says more than a predicate. */
function ofSentence(sentence: string, terms: Terms): string | null {
  const match = (pattern: string): Found => {
    const found = new RegExp(pattern, 'i').exec(sentence);
    return found === null || found.slice(1).some((one) => MORE.test(one)) ? null : found;
  };
  const every = (found: RegExpExecArray, not: string) =>
    `∀x(${terms.name(found[1]!)}(x) → ${not}${terms.name(found[2]!)}(x))`;
  const some = (found: RegExpExecArray, and: string) =>
    `∃x(${terms.name(found[1]!)}(x) ${and}${terms.name(found[2]!)}(x))`;
  const verbal = (quantifier: string): Found =>
    match(String.raw`^(?:${quantifier})\s+([A-Za-z]+)\s+(?!(?:are|is|not)\b)([a-z]+)$`);
  const notAll =
    match(String.raw`^not\s+(?:all|every)\s+${TERM}${ARE}${WHOLE}`) ?? verbal(String.raw`not\s+(?:all|every)`);
  if (notAll !== null) return some(notAll, '∧ ¬');
  const ambiguous = match(String.raw`^(?:all|every|each)\s+${TERM}${ARE}not\s+${WHOLE}`);
  if (ambiguous !== null)
    throw new Error(
      `"all … are not …" can mean none, or not all; write No ${ambiguous[1]} are ${ambiguous[2]}, or Not all …`,
    );
  const all = match(String.raw`^(?:all|every|each)\s+${TERM}${ARE}${WHOLE}`) ?? verbal('all|every|each');
  if (all !== null) return every(all, '');
  const none = match(String.raw`^no\s+${TERM}${ARE}${WHOLE}`) ?? verbal('no');
  if (none !== null) return every(none, '¬');
  const only = match(String.raw`^only\s+${TERM}${ARE}${WHOLE}`);
  if (only !== null) return `∀x(${terms.name(only[2]!)}(x) → ${terms.name(only[1]!)}(x))`;
  const someNot = match(String.raw`^some\s+${TERM}${ARE}not\s+${WHOLE}`);
  if (someNot !== null) return some(someNot, '∧ ¬');
  const one = match(String.raw`^some\s+${TERM}${ARE}${WHOLE}`) ?? verbal('some');
  return one === null ? ofName(sentence, terms) : some(one, '∧ ');
}

/** `Socrates is a man`, `Rex barks`: a name is a word with a capital. */
function ofName(sentence: string, terms: Terms): string | null {
  const single =
    /^([A-Z][a-z]+)\s+(?:is|was)\s+(not\s+)?(?:(?:an?|the)\s+)?([A-Za-z][\w-]*(?:\s+[A-Za-z][\w-]*){0,3})$/.exec(
      sentence,
    ) ?? /^([A-Z][a-z]+)\s+(?:(does\s+not)\s+)?([a-z]+)$/.exec(sentence);
  if (
    single === null ||
    MORE.test(single[3]!) ||
    /^(?:if|when|all|some|no|every|nothing|everything|everyone|it|he|she|there)$/i.test(single[1]!)
  )
    return null;
  return `${single[2] === undefined ? '' : '¬'}${terms.name(single[3]!)}(${single[1]!.toLowerCase()})`;
}

const IRREGULAR: Readonly<Record<string, string>> = {
  ...{ men: 'man', women: 'woman', people: 'person', children: 'child', mice: 'mouse', geese: 'goose', feet: 'foot' },
  ...{ teeth: 'tooth', oxen: 'ox', criteria: 'criterion', phenomena: 'phenomenon' },
};

/** The terms of an argument, each with one name in singular and plural. */
class Terms {
  readonly #known: { readonly forms: ReadonlySet<string>; readonly name: string; readonly words: readonly string[] }[] =
    [];

  name(term: string): string {
    const words = term.toLowerCase().split(/\s+/);
    const before = words.slice(0, -1).join(' ');
    const forms = new Set([...singulars(words.at(-1)!)].map((last) => `${before} ${last}`));
    const known = this.#known.find((one) => [...one.forms].some((form) => forms.has(form)));
    if (known !== undefined) return known.name;
    const bare = [...words.slice(0, -1), irregular(words.at(-1)!) ?? words.at(-1)!]
      .map((word) => word.replace(/-/g, '_'))
      .map((word) => word[0]!.toUpperCase() + word.slice(1));
    const name = /^[A-Z]$/.test(bare.join('')) ? bare.join('') : `Is${bare.join('')}`;
    this.#known.push({ forms, name, words: [...words.slice(0, -1), [...singulars(words.at(-1)!)].join('|')] });
    return name;
  }

  /** `rich people` and `rich` may be one term or two: a formula would make them two. */
  refuseRelated(): void {
    for (const one of this.#known) {
      if (one.words.length < 2) continue;
      for (const other of this.#known) {
        const shared =
          other !== one &&
          other.words.some((word) =>
            word.split('|').some((form) => one.words.some((mine) => mine.split('|').includes(form))),
          );
        if (shared)
          throw new Error(
            `"${one.name.slice(2)}" and "${other.name.slice(2)}" share a word; use one term for each, or write formulas`,
          );
      }
    }
  }
}

/** What a word may be the plural of, itself among it: `buses` of bus and buse, `heroes` of hero and heroe. */
function singulars(word: string): ReadonlySet<string> {
  const out = new Set([word]);
  const single = irregular(word);
  if (single !== undefined) out.add(single);
  if (word.length > 2 && word.endsWith('s') && !word.endsWith('ss')) out.add(word.slice(0, -1));
  if (word.length > 3 && word.endsWith('es')) out.add(word.slice(0, -2));
  if (word.endsWith('ies')) out.add(`${word.slice(0, -3)}y`);
  if (word.endsWith('ves')) out.add(`${word.slice(0, -3)}f`).add(`${word.slice(0, -3)}fe`);
  return out;
}

function irregular(word: string): string | undefined {
  const ending = Object.keys(IRREGULAR).find((one) => word === one || (one === 'men' && /[a-z]men$/.test(word)));
  return ending === undefined ? undefined : word.slice(0, word.length - ending.length) + IRREGULAR[ending]!;
}
