/**
 * What a server wrote, held against this model's own vocabulary: the ids are the truth, and the text beside them has to be
 * theirs. A server of another model or tokenizer is found so, whatever it calls its model.
 */
import { SparkError } from '../errors.js';
import type { PromptTokenizer } from './generator.js';

export interface Cut {
  /** How many tokens it takes until the text holds a stop. */
  readonly count: number;
  /** The text before the stop. */
  readonly text: string;
}

/** Where the text of `tokens` first holds one of the stops; null where it holds none. */
export function cutAtStop(
  tokens: readonly number[],
  stops: readonly string[],
  textOf: (tokens: readonly number[]) => string,
): Cut | null {
  const holds = (count: number) => {
    const text = textOf(tokens.slice(0, count));
    return stops.some((stop) => stop !== '' && text.includes(stop));
  };
  if (!holds(tokens.length)) return null;
  let count = tokens.length;
  // Nearly always the last one: a server ends there too.
  while (count > 1 && holds(count - 1)) count -= 1;
  const text = textOf(tokens.slice(0, count));
  const starts = stops.map((stop) => (stop === '' ? -1 : text.indexOf(stop))).filter((at) => at >= 0);
  return { count, text: text.slice(0, Math.min(...starts)) };
}

type Vocabulary = Pick<PromptTokenizer, 'tokenize' | 'detokenize' | 'eosText'>;

export class ServedVocabulary {
  readonly #tokenizer: Vocabulary;
  readonly #control = new Map<number, boolean>();

  constructor(tokenizer: Vocabulary) {
    this.#tokenizer = tokenizer;
  }

  textOf = (tokens: readonly number[]): string => this.#tokenizer.detokenize(tokens);

  /** What is wrong with ids that a server sent; null where all of them are this vocabulary's. */
  problem(tokens: readonly number[]): string | null {
    try {
      this.textOf(tokens);
      return null;
    } catch (error) {
      if (error instanceof SparkError && error.code === 'invalid_argument') return error.message;
      throw error;
    }
  }

  /** Whether the token is written as text only where control tokens are. */
  isControl(token: number): boolean {
    const known = this.#control.get(token);
    if (known !== undefined) return known;
    const text = this.textOf([token]);
    const [parsed, plain] = [true, false].map((special) => this.#tokenizer.tokenize(text, special));
    const control = parsed!.length === 1 && parsed![0] === token && !(plain!.length === 1 && plain![0] === token);
    this.#control.set(token, control);
    return control;
  }

  /** Whether a model may end its turn with the token: a control token, or the one that its file names. */
  isEnd(token: number): boolean {
    return (
      this.isControl(token) || (this.#tokenizer.eosText !== '' && this.textOf([token]) === this.#tokenizer.eosText)
    );
  }

  /**
   * Whether `said` is the text of `tokens`. Servers leave out the stop or not, control tokens or not, an end of turn, a space
   * before the first word, and characters of which the last bytes are not there yet.
   */
  agrees(said: string, tokens: readonly number[], stops: readonly string[]): boolean {
    const heard = comparable(said);
    const fits = (text: string) => {
      const starts = stops.flatMap((stop) => (stop === '' ? [] : [[text.indexOf(stop), stop.length] as const]));
      const cuts = starts.filter(([at]) => at >= 0).flatMap(([at, length]) => [at, at + length]);
      return [text, ...cuts.map((at) => text.slice(0, at))].some((one) => comparable(one) === heard);
    };
    if (fits(this.textOf(tokens))) return true;
    // Only now: it asks about each token.
    const rest = tokens.filter((token) => !this.isControl(token));
    if (fits(this.textOf(rest))) return true;
    const last = tokens.at(-1);
    return last !== undefined && this.isControl(last) && fits(this.textOf(tokens.slice(0, -1)));
  }
}

function comparable(text: string): string {
  return text
    .replace(/\uFFFD+/g, '\uFFFD')
    .replace(/\uFFFD$/, '')
    .replace(/^ /, '');
}
