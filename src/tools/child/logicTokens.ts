/** Cuts formulas into tokens. Whether `·`, `*`, `/`, `^` and digits belong to arithmetic or to logic is decided for the whole input. */

export interface Token {
  readonly kind: 'name' | 'number' | 'sign' | 'mark' | 'end';
  /** The sign's meaning, or the text as written. */
  readonly text: string;
  /** Where it stands in the text. */
  readonly at: number;
  readonly spaced: boolean;
}

export interface Tokens {
  /** What the tokens' places refer to: phrases are signs here. */
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly arithmetic: boolean;
}

const SIGNS: readonly (readonly [pattern: string, meaning: string])[] = [
  [String.raw`⊣⊢|⟛|-\|\|-|=\|\|=`, 'equivalent'],
  ['<->|<=>|<-->|<==>|↔|⇔|⟷|⟺', 'iff'],
  ['≡', 'congruent'],
  ['->|=>|-->|==>|→|⇒|⟶|⟹|⊃|⇾', 'implies'],
  [String.raw`\|-|\|=|⊢|⊨|∴|\/\/`, 'entails'],
  [String.raw`&&|&|\/\\|∧|⋀|＆`, 'and'],
  [String.raw`\|\||\||\\\/|∨|⋁`, 'or'],
  ['⊕|⊻', 'xor'],
  ['!=|≠|<>|=/=', '!='],
  ['<=|≤|⩽', '<='],
  ['>=|≥|⩾', '>='],
  ['==|=', '='],
  ['<', '<'],
  ['>', '>'],
  ['[~¬!∼]', 'not'],
  ['∀', 'forall'],
  ['∄', 'none'],
  ['∃!', 'unique'],
  ['∃', 'exists'],
  ['∈', 'in'],
  ['⊥', 'false'],
  ['⊤', 'true'],
  ['[•·∙⋅]', 'dot'],
  [String.raw`\*\*|\^`, '^'],
  [String.raw`\*|×`, '*'],
  ['[/÷]', '/'],
  [String.raw`\+`, '+'],
  ['-', '-'],
  ['%', 'mod'],
];

const WORDS: Readonly<Record<string, string>> = {
  ...{ iff: 'iff', implies: 'implies', therefore: 'entails', hence: 'entails', and: 'and', but: 'and', or: 'or' },
  ...{
    not: 'not',
    xor: 'xor',
    unless: 'or',
    mod: 'mod',
    forall: 'forall',
    exists: 'exists',
    true: 'true',
    false: 'false',
  },
  so: 'entails',
  thus: 'entails',
  ergo: 'entails',
  consequently: 'entails',
  if: 'if',
  // As an entry of the object literal it would make the object look like a promise.
  ['then' as string]: 'then',
  in: 'in',
  entails: 'entails',
};

const SIGN = new RegExp(`(?:${SIGNS.map(([pattern]) => `(${pattern})`).join('|')})`, 'y');
const NUMBER = /(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+/y;
const NAME = /[\p{L}_][\p{L}\p{N}_]*/uy;
const MARK = /[()[\]{},;:.\n]/y;

/** Phrases that are one sign; `1.5e3`. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/(?<![\p{L}\p{N}_.])(\d+(?:\.\d+)?)[eE]\+?(-?\d+)(?![\p{L}\p{N}_.])/gu, '($1*10^$2)'],
  [/\beither\b(?=.*\bor\b)/gi, ''],
  [/\bif\s+and\s+only\s+if\b/gi, '↔'],
  [/\bonly\s+if\b/gi, '→'],
  [/\bfor\s+(?:all|every|each|any)\b/gi, '∀'],
  [/\bthere\s+(?:exists?|is)\s+(?:a|an|some)?\b/gi, '∃'],
  [/\b(?:is\s+)?(?:logically\s+)?equivalent\s+to\b/gi, '⊣⊢'],
];

export function tokenise(source: string): Tokens {
  const text = PHRASES.reduce((now, [pattern, sign]) => now.replace(pattern, ` ${sign} `), source)
    .replace(/[^\S\n]{2,}/g, ' ')
    .trim();
  const arithmetic = isArithmetic(text);
  const boundV = /(?:∀|∃!?|\(|forall|exists)\s*v\b/.test(text);
  const tokens: Token[] = [];
  const brackets: string[] = [];
  let at = 0;
  const push = (kind: Token['kind'], value: string, from: number, to: number): void => {
    tokens.push({ kind, text: value, at: from, spaced: from > 0 && /\s/.test(text[from - 1]!) });
    at = to;
  };
  while (at < text.length) {
    const space = /[^\S\n]+/y;
    space.lastIndex = at;
    if (space.test(text)) {
      at = space.lastIndex;
      continue;
    }
    const start = at;
    const sign = matchAt(SIGN, text, at);
    const number = sign === undefined ? matchAt(NUMBER, text, at) : undefined;
    const name = (sign ?? number) ? undefined : matchAt(NAME, text, at);
    if (sign !== undefined) {
      const group = sign.slice(1).findIndex((value) => value !== undefined);
      push('sign', SIGNS[group]![1], start, start + sign[0].length);
    } else if (number !== undefined) push('number', number[0].replaceAll(',', ''), start, start + number[0].length);
    else if (name !== undefined) {
      for (const part of splitWedge(name[0], arithmetic || boundV)) pushName(part);
    } else {
      const mark = matchAt(MARK, text, at)?.[0];
      if (mark === undefined) throw new Error(`cannot read "${text.slice(at, at + 12)}"; write e.g. p -> q, p |- q`);
      if ('([{'.includes(mark)) brackets.push(mark);
      else if (')]}'.includes(mark)) brackets.pop();
      if (mark === '\n' && brackets.length > 0) at += 1;
      else push('mark', mark, start, start + 1);
    }
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length, spaced: true });
  return { text, tokens, arithmetic };

  function pushName(part: string): void {
    const from = at;
    if (/^(?:both|neither|nor)$/i.test(part))
      throw new Error(`"${part}" is no sign here; write P xor Q, P & Q or ~(P | Q)`);
    const word = Object.hasOwn(WORDS, part.toLowerCase()) ? WORDS[part.toLowerCase()]! : undefined;
    push(word === undefined ? 'name' : 'sign', word ?? part, from, from + part.length);
  }
}

/** Numbers and signs that only arithmetic has; digits inside names (`p1`) are none. */
function isArithmetic(text: string): boolean {
  return /(?<![\p{L}\p{N}_])\d|[<>](?![=-]*[<>-])|≤|≥|\+|(?<![\p{L}_])mod(?![\p{L}_])|%/u.test(
    text.replace(/<-+>|<=+>|-+>|=+>|<>|=\/=/g, ' '),
  );
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/** `PvQ`, `vR` and `Pv` are written for P ∨ Q where `v` is no variable. */
function splitWedge(name: string, whole: boolean): readonly string[] {
  if (whole || name.length < 2 || !/^[A-Z]?(?:v[A-Z])*v?$/.test(name)) return [name];
  return [...name];
}
