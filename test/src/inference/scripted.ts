/**
 * A generator whose evaluator writes what a script says, one character a token, with the real sequence logic. For cases
 * that a small model cannot be made to produce; llamaCpp.test.ts tests the real one.
 */
import type { Generator, WeighingSequence } from '../../../src/inference/generator.js';
import { type Evaluator, GrowingSequence } from '../../../src/inference/sequence.js';
import { Slots } from '../../../src/inference/slots.js';

export const END = 0;

/** The text to write after a given text; null: the model ends its turn. */
export type Script = (text: string) => string | null;

export interface ScriptedOptions {
  readonly contextSize?: number;
  readonly sequences?: number;
  /** Milliseconds an evaluation takes. */
  readonly delay?: number;
}

export class ScriptedGenerator implements Generator {
  readonly id = 'scripted';
  readonly chatTemplate = null;
  readonly bosText = '';
  readonly eosText = '';
  readonly wantsInstructions = false;
  readonly contextSize: number;
  readonly sequences: number;
  /** Number of token evaluations over all sequences. */
  evaluated = 0;
  undone = 0;
  running = 0;
  mostRunning = 0;
  readonly #script: Script;
  readonly #delay: number;
  readonly #slots: Slots;

  constructor(script: Script, { contextSize = 100_000, sequences = 1, delay = 0 }: ScriptedOptions = {}) {
    this.#script = script;
    this.#delay = delay;
    this.contextSize = contextSize;
    this.sequences = sequences;
    this.#slots = new Slots(sequences);
  }

  tokenize(text: string): number[] {
    return [...text].map((character) => character.codePointAt(0)!);
  }

  detokenize(tokens: readonly number[]): string {
    return String.fromCodePoint(...tokens);
  }

  async open(signal?: AbortSignal): Promise<WeighingSequence> {
    await this.#slots.take(signal);
    const model = {
      contextSize: this.contextSize,
      detokenize: (tokens: readonly number[]) => this.detokenize(tokens),
      isEnd: (token: number) => token === END,
    };
    return new GrowingSequence(this.#evaluator(), model, () => this.#slots.give());
  }

  async dispose(): Promise<void> {}

  #evaluator(): Evaluator {
    const held: number[] = [];
    const add = async (tokens: readonly number[]): Promise<string> => {
      this.running += 1;
      this.mostRunning = Math.max(this.mostRunning, this.running);
      await new Promise((resolve) => setTimeout(resolve, this.#delay));
      this.running -= 1;
      this.evaluated += tokens.length;
      held.push(...tokens);
      return this.detokenize(held);
    };
    const nextToken = (text: string): number => this.#script(text)?.codePointAt(0) ?? END;
    return {
      sampler: () => ({
        next: async (tokens) => nextToken(await add(tokens)),
        end: async () => {},
      }),
      logits: async (tokens, candidates) => {
        const next = nextToken(await add(tokens));
        return candidates.map((token) => (token === next ? 5 : 0));
      },
      undo: async (count) => {
        this.undone += count;
        held.length -= count;
      },
      dispose: async () => {},
    };
  }
}

/** A script that writes the given continuation after each of the given endings, character by character. */
export function continuations(list: readonly (readonly [after: string, text: string])[]): Script {
  return (text) => {
    for (const [after, written] of list) {
      const at = text.lastIndexOf(after);
      if (at < 0) continue;
      const since = text.slice(at + after.length);
      if (written.startsWith(since) && since.length < written.length) return written.slice(since.length);
    }
    return null;
  };
}
