/** The tokens that two engines are compared on. */
import type { Config } from '../../config.js';
import { SparkError } from '../../errors.js';
import { openLlamaCpp } from '../../inference/llamaCpp.js';
import type { Sequences } from './score.js';

const LONGEST = 256;

/** The shortest of some token sequences, whole where they are short, until `enough` tokens are there. */
export function someOf(all: Sequences, enough: number): Sequences {
  const chosen: (readonly number[])[] = [];
  let tokens = 0;
  for (const sequence of [...all].sort((a, b) => a.length - b.length)) {
    if (tokens >= enough || sequence.length < 2) continue;
    chosen.push(sequence.slice(0, Math.min(LONGEST, Math.max(2, enough - tokens))));
    tokens += chosen.at(-1)!.length;
  }
  return chosen;
}

/**
 * Text the served model writes at temperature 1, so that differences are met where the policy really goes. `count`
 * sequences of `length` tokens, fewer where the model ends its turn.
 */
export async function sampleSequences(
  config: Config,
  count: number,
  length: number,
  signal: AbortSignal,
): Promise<Sequences> {
  const modelPath = config.model.path;
  const generator = await openLlamaCpp({ modelPath, contextSize: length + 64, kvCacheType: 'F32', signal });
  try {
    const sequences: (readonly number[])[] = [];
    for (let index = 0; index < count; index++) {
      const sequence = await generator.open(signal);
      try {
        const start = generator.tokenize(`${generator.bosText}${STARTS[index % STARTS.length]}`, true);
        sequence.append(start);
        const maxTokens = Math.max(1, length - start.length);
        await sequence.generate({ stop: [], maxTokens, temperature: 1, seed: config.seed + index, signal });
        if (sequence.tokens.length > 1) sequences.push([...sequence.tokens]);
      } finally {
        sequence.dispose();
      }
    }
    if (sequences.length > 0) return sequences;
  } finally {
    await generator.dispose();
  }
  throw new SparkError('inference_failed', `${modelPath} wrote no token to compare; give some with --tokens`);
}

/** Openings that any tokenizer takes apart. */
const STARTS = ['Question: What is 12 times 7?', 'The capital of France', 'Once upon a time', 'Let x be 3.'] as const;
