/** What llama.cpp makes of a file, and what we make of it. */
import { openModel } from '../../src/engine/index.js';
import { SparkError } from '../../src/errors.js';
import { checkModelFile } from '../../src/inference/ggufCheck.js';
import { type Opener, startOpener } from './opener.js';

/** `null`: it opens and computes. Otherwise why not. */
export interface Verdict {
  readonly refusal: string | null;
  /** The process ended. */
  readonly aborted?: boolean;
}

/** The inference library's own reader of headers believes a count, and goes on for hours. */
const PATIENCE_MS = 10_000;

/** llama.cpp in a child, one file at a time, with a new child after each abort. */
export class LlamaVerdicts {
  #opener: Opener | null = null;

  async of(file: string): Promise<Verdict> {
    const opener = this.#opener ?? startOpener();
    this.#opener = opener;
    const { refusal, ended, ready } = await opener.open(file, PATIENCE_MS);
    if (ended === undefined) return { refusal };
    this.#opener = null;
    if (!ready) throw new Error(`llama.cpp did not load: ${ended}, ${refusal}`);
    return { refusal: `${ended} ${refusal}`, aborted: true };
  }

  end(): void {
    this.#opener?.process.kill();
    this.#opener = null;
  }
}

/** Our engine: opens the file and computes with it. */
export async function engineVerdict(file: string): Promise<Verdict> {
  return verdict(async () => {
    const model = await openModel(file, { backend: 'cpu', threads: 1 });
    try {
      await model.logprobs(
        { tokens: Int32Array.of(0, 0), cuSeqlens: Int32Array.of(0, 2), lossMask: Uint8Array.of(0, 1) },
        null,
      );
    } finally {
      model.dispose();
    }
  });
}

/** What is asked before llama.cpp opens a file. */
export function headerVerdict(file: string): Promise<Verdict> {
  return verdict(async () => {
    checkModelFile(file);
  });
}

/** Anything but a SparkError of ours is a fault of its own, and is thrown on. */
async function verdict(open: () => Promise<void>): Promise<Verdict> {
  try {
    await open();
    return { refusal: null };
  } catch (error) {
    if (!(error instanceof SparkError)) throw error;
    return { refusal: `${error.code}: ${error.message}` };
  }
}
