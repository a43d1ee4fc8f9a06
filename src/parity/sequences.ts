/** Chooses the tokens on which two engines are compared: from a run's trajectories, or sampled from the served model. */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { type LlamaCppGenerator, openLlamaCpp } from '../inference/llamaCpp.js';
import { sftSample } from '../trajectory/sample.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { type Probe, type Sequences, samplerOf } from './logprobs.js';

/** The tokens asked for come from at least this many trajectories, so that one odd text does not decide alone. */
const SHARES = 4;

/**
 * Collects `enough` tokens that the model wrote, from the shortest of the trajectories it is offered. Prompts and
 * observations stay in the sequences but are not compared, as nothing is learned from them. Each trajectory is cut
 * after its share of the tokens. Of a stream of trajectories it holds only those it may still take.
 */
export class ShortestProbes {
  readonly #enough: number;
  readonly #share: number;
  /** Sorted by the length of their trajectories; equal ones in the order in which they came. */
  readonly #kept: { readonly length: number; readonly probe: Probe; readonly count: number }[] = [];
  #sum = 0;

  constructor(enough: number) {
    this.#enough = enough;
    this.#share = Math.max(1, Math.ceil(enough / SHARES));
  }

  offer(trajectory: Trajectory): void {
    const { length } = trajectory.tokens;
    const longest = this.#kept.at(-1);
    if (this.#sum >= this.#enough && longest !== undefined && length >= longest.length) return;
    const probe = firstOf(trajectory.tokens, sftSample(trajectory).lossMask, this.#share);
    if (probe === null) return;
    const count = countOf(probe);
    const after = this.#kept.findIndex((other) => other.length > length);
    this.#kept.splice(after < 0 ? this.#kept.length : after, 0, { length, probe, count });
    this.#sum += count;
    while (this.#sum - this.#kept.at(-1)!.count >= this.#enough) this.#sum -= this.#kept.pop()!.count;
  }

  take(): Probe[] {
    let left = this.#enough;
    return this.#kept.map(({ probe, count }) => {
      const taken = Math.min(count, left);
      left -= taken;
      return firstOf(probe.tokens, probe.mask, taken)!;
    });
  }
}

export async function someOf(
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>,
  enough: number,
): Promise<Probe[]> {
  const probes = new ShortestProbes(enough);
  for await (const trajectory of trajectories) probes.offer(trajectory);
  return probes.take();
}

function countOf({ mask }: Probe): number {
  return mask.reduce((sum, one) => sum + one, 0);
}

/** The sequence up to the `count`-th token with mask 1, which it includes; null when no token has mask 1. */
function firstOf(tokens: readonly number[], mask: Uint8Array, count: number): Probe | null {
  let end = 0;
  let found = 0;
  for (let at = 1; at < mask.length && found < count; at++) {
    if (mask[at] === 0) continue;
    found += 1;
    end = at + 1;
  }
  return found === 0 ? null : { tokens: tokens.slice(0, end), mask: mask.slice(0, end) };
}

export interface Sampling {
  /** Number of sequences, each of `length` tokens including its opening; shorter when the model ends its turn */
  readonly count: number;
  readonly length: number;
  /** GGUF LoRA file; absent: the base without adapter */
  readonly adapterPath?: string | undefined;
}

/** To check a written adapter or model when no tokens are given: enough to see an adapter that changes little. */
export const SAMPLES: Sampling = { count: 4, length: 64 };

/**
 * Text that the served model writes at temperature 1, so that the engines are compared on tokens the policy really
 * takes. Only written tokens have mask 1, so the mean of lp_served − lp_ours over the mask estimates their KL.
 */
export async function sampleProbes(config: Config, sampling: Sampling, signal: AbortSignal): Promise<Probe[]> {
  const { count, length, adapterPath } = sampling;
  const modelPath = config.model.path;
  const { kvCacheType } = config.inference;
  const contextSize = length + ROOM;
  const generator = await openLlamaCpp({
    modelPath,
    adapterPath,
    contextSize,
    kvCacheType,
    ...samplerOf(config),
    signal,
  });
  try {
    const probes: Probe[] = [];
    for (let index = 0; index < count; index++) {
      const probe = await sampleOne(generator, STARTS[index % STARTS.length]!, length, config.seed + index, signal);
      if (probe !== null) probes.push(probe);
    }
    if (probes.length > 0) return probes;
  } finally {
    await generator.dispose();
  }
  throw new SparkError('inference_failed', `${modelPath} wrote no token to compare; give some with --tokens`);
}

async function sampleOne(
  generator: LlamaCppGenerator,
  start: string,
  length: number,
  seed: number,
  signal: AbortSignal,
): Promise<Probe | null> {
  const sequence = await generator.open(signal);
  try {
    const opening = generator.tokenize(`${generator.bosText}${start}`, true).slice(0, ROOM);
    sequence.append(opening);
    const maxTokens = Math.max(1, length - opening.length);
    const written = await sequence.generate({ stop: [], maxTokens, temperature: 1, seed, signal });
    if (written.tokens.length === 0) return null;
    const tokens = [...sequence.tokens];
    return { tokens, mask: new Uint8Array(tokens.length).fill(1, Math.max(1, opening.length)) };
  } finally {
    sequence.dispose();
  }
}

/** As `sampleProbes`, as plain lists of tokens. */
export async function sampleSequences(config: Config, sampling: Sampling, signal: AbortSignal): Promise<Sequences> {
  return (await sampleProbes(config, sampling, signal)).map((probe) => probe.tokens);
}

/** Openings of sampled texts, in characters that every tokenizer has. */
const STARTS = ['Question: What is 12 times 7?', 'The capital of France', 'Once upon a time', 'Let x be 3.'] as const;
/** Most tokens of an opening: more than the longest one has bytes. */
const ROOM = 64;
