/**
 * Reads the answer letter from a model's text, under each protocol that published MMLU-Pro numbers were made with. An
 * accuracy means nothing without the name of its protocol.
 *
 *   official-local       patterns 1, 2, 3, then a guess          evaluate_from_local.py, graded by compute_accuracy.py
 *   official-api         the same on text without `**`           evaluate_from_api.py
 *   last-match           the same patterns, each one's LAST match, no guess: a model may change its mind
 *   lm-eval-harness      pattern 1 alone, no guess               lm-evaluation-harness, task mmlu_pro
 *
 *   1  answer is \(?([A-J])\)?                    first match
 *   2  .*[aA]nswer:\s*([A-J])                     last match in the first line that has one (`.*` is greedy)
 *   3  \b[A-J]\b(?!.*\b[A-J]\b)  with DOTALL      the last stand-alone letter
 *
 * The published expressions are Python's. Patterns 2 and 3 as published are quadratic: minutes on real outputs of 10 kB.
 * Here each is one scan with the identical result, Python's `\b`, `\s` and `.` included.
 */
export const PROTOCOLS = ['official-local', 'official-api', 'last-match', 'lm-eval-harness'] as const;

export type Protocol = (typeof PROTOCOLS)[number];

export interface Extraction {
  /** Null when no pattern matched and the protocol does not guess. */
  readonly letter: string | null;
  /** What found the letter. `guess`: no pattern matched, and the protocol draws a letter. */
  readonly how: 'pattern1' | 'pattern2' | 'pattern3' | 'guess' | 'none';
}

/** `optionCount`: options shown to the model (`N/A` left out); only official-api's guess depends on it. */
export function extractAnswer(text: string, protocol: Protocol, optionCount = 10): Extraction {
  switch (protocol) {
    case 'official-local':
      return official(text) ?? { letter: LOCAL_GUESS, how: 'guess' };
    case 'official-api':
      return official(text.replaceAll('**', '')) ?? { letter: apiGuess(optionCount), how: 'guess' };
    case 'last-match':
      return last(text) ?? { letter: null, how: 'none' };
    case 'lm-eval-harness':
      return firstOf([pattern1, 'pattern1'])(text) ?? { letter: null, how: 'none' };
  }
}

/** Every protocol on one text. */
export function extractAll(text: string, optionCount = 10): Record<Protocol, Extraction> {
  const entries = PROTOCOLS.map((protocol) => [protocol, extractAnswer(text, protocol, optionCount)] as const);
  return Object.fromEntries(entries) as Record<Protocol, Extraction>;
}

// Both official scripts reseed Python's generator with 12345 before every single guess, so each "random" letter is a
// constant. compute_accuracy.py: random.choice over A–J. All 37 guesses in the published Llama-3.1-8B outputs are this G.
const LOCAL_GUESS = 'G';

// evaluate_from_api.py: random.randint(0, n − 1) for n = 1 … 10 options, printed by
//   python3 -c "import random; print([random.seed(12345) or random.randint(0, n - 1) for n in range(1, 11)])"
const API_GUESSES = 'ABBDDDDGGG';

function apiGuess(optionCount: number): string {
  return API_GUESSES[Math.min(Math.max(optionCount, 1), API_GUESSES.length) - 1]!;
}

type Pattern = (text: string) => string | null;
type Named = readonly [Pattern, 'pattern1' | 'pattern2' | 'pattern3'];

function firstOf(...patterns: readonly Named[]): (text: string) => Extraction | null {
  return (text) => {
    for (const [pattern, how] of patterns) {
      const letter = pattern(text);
      if (letter !== null) return { letter, how };
    }
    return null;
  };
}

const official = firstOf([pattern1, 'pattern1'], [pattern2, 'pattern2'], [pattern3, 'pattern3']);
const last = firstOf([lastPattern1, 'pattern1'], [lastPattern2, 'pattern2'], [pattern3, 'pattern3']);

function pattern1(text: string): string | null {
  return /answer is \(?([A-J])\)?/.exec(text)?.[1] ?? null;
}

function lastPattern1(text: string): string | null {
  return lastOf(text.matchAll(/answer is \(?([A-J])\)?/g));
}

// Python's `\s` for text: str.isspace(). JavaScript's has U+FEFF besides and lacks \x1c–\x1f and \x85.
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
// A look-ahead does not consume the letter: in `answer: Answer: B` the first letter A begins the next label.
const LABEL = new RegExp(`[aA]nswer:(?=${SPACE}*([A-J]))`, 'g');

/**
 * The greedy `.*` takes the last match in the first line in which a match starts. Lines end at \n alone, as in Python;
 * the letter itself may stand on a later line, because `\s*` matches line ends.
 */
function pattern2(text: string): string | null {
  let letter: string | null = null;
  let lineEnd = Number.POSITIVE_INFINITY;
  for (const match of text.matchAll(LABEL)) {
    if (match.index > lineEnd) break;
    if (letter === null) {
      const end = text.indexOf('\n', match.index);
      if (end >= 0) lineEnd = end;
    }
    letter = match[1]!;
  }
  return letter;
}

function lastPattern2(text: string): string | null {
  return lastOf(text.matchAll(LABEL));
}

function lastOf(matches: Iterable<RegExpExecArray>): string | null {
  let letter: string | null = null;
  for (const match of matches) letter = match[1]!;
  return letter;
}

/** The last A–J without a word character on either side, which is what the published look-ahead finds. */
function pattern3(text: string): string | null {
  for (let i = text.length - 1; i >= 0; i--) {
    const unit = text.charCodeAt(i);
    if (unit < 65 || unit > 74) continue;
    if (!isWord(before(text, i)) && !isWord(after(text, i))) return text[i]!;
  }
  return null;
}

// Python's word characters: letters and numbers of every script, and the underscore; no combining marks.
// test/src/questions/extraction.test.ts compares this with Python itself, code point by code point.
const WORD = /^[\p{L}\p{N}_]$/u;

function isWord(character: string): boolean {
  return WORD.test(character);
}

function before(text: string, index: number): string {
  const unit = text.charCodeAt(index - 1);
  const pair = unit >= 0xdc00 && unit <= 0xdfff && index >= 2;
  return pair ? text.slice(index - 2, index) : text.charAt(index - 1);
}

function after(text: string, index: number): string {
  const point = text.codePointAt(index + 1);
  return point === undefined ? '' : String.fromCodePoint(point);
}
