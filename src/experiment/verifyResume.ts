/**
 * `spark-rl verify resume`: a stage that stops and goes on ends with the very bits of one that did not. Tried here, on
 * this machine and this model, with the real trainers and the real checkpoints, and with both ways to stop: an interruption
 * saves where it stood; a kill leaves the checkpoint of some steps before.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, resolveConfig } from '../config.js';
import type { Adapter, Critic, Model } from '../engine/types.js';
import { throwIfAborted, toSparkError } from '../errors.js';
import { silentLog } from '../log.js';
import { seededRandom } from '../random.js';
import { createCritic, trainPpo } from '../train/ppo.js';
import { sftTrajectories, trainSft } from '../train/sft.js';
import { ppoSample } from '../trajectory/sample.js';
import type { Segment, SegmentKind, Step, Trajectory } from '../trajectory/trajectory.js';
import { openEngine } from './parts.js';

export interface ResumeResult {
  readonly method: 'sft' | 'ppo';
  /** `interrupted`: goes on from the step it stopped at. `killed`: from the last checkpoint before. */
  readonly stop: 'interrupted' | 'killed';
  /** What was trained on: the run's trajectories, or made-up ones where it has too few. */
  readonly data: 'run' | 'made up';
  readonly steps: number;
  /** Optimizer steps that were done when it stopped, and how many of them it goes on from. */
  readonly stoppedAfter: number;
  readonly resumedFrom: number;
  /** Trained values compared, and how many of them differ in any bit. */
  readonly values: number;
  readonly different: number;
}

/** `trajectories`: a run's, or none. */
export async function verifyResume(
  config: Config,
  trajectories: readonly Trajectory[],
  signal: AbortSignal,
): Promise<ResumeResult[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-resume-'));
  const model = await openEngine(config, signal);
  // What goes on shares nothing with what stopped but the checkpoint.
  let other: Model | null = null;
  try {
    other = await openEngine(config, signal);
    const results: ResumeResult[] = [];
    for (const method of ['sft', 'ppo'] as const) {
      const run = new Trial(model, other, config, method, path.join(folder, method), trajectories, signal);
      results.push(...(await run.compare()));
    }
    return results;
  } finally {
    model.dispose();
    other?.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Trained {
  readonly model: Model;
  readonly actor: Adapter;
  readonly critic: Critic;
}

/** Odd, so that a kill loses a step that has to be done again. */
const STOP_AFTER = 3;
const CHECKPOINT_EVERY = 2;

/** One method, trained straight through and with a stop. */
class Trial {
  readonly #model: Model;
  readonly #other: Model;
  readonly #config: Config;
  readonly #method: 'sft' | 'ppo';
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #trajectories: readonly Trajectory[];
  readonly #data: ResumeResult['data'];

  constructor(
    model: Model,
    other: Model,
    config: Config,
    method: 'sft' | 'ppo',
    folder: string,
    trajectories: readonly Trajectory[],
    signal: AbortSignal,
  ) {
    this.#model = model;
    this.#other = other;
    this.#config = resolveConfig(config, {
      sft: { batchTrajectories: 3, microBatchTokens: 64, epochs: 3, learningRate: 1e-3 },
      // No target: an epoch that stops early would leave fewer steps to interrupt.
      ppo: {
        batchTrajectories: 3,
        microBatchTokens: 64,
        epochs: 2,
        iterations: 2,
        learningRate: 1e-3,
        targetKl: 1e9,
        filter: 'none',
      },
    });
    this.#method = method;
    this.#folder = folder;
    this.#signal = signal;
    const usable = usableOf(trajectories, method);
    this.#data = usable.length >= TRAJECTORIES ? 'run' : 'made up';
    this.#trajectories =
      this.#data === 'run' ? usable : randomTrajectories(TRAJECTORIES, model.info.vocabulary, config.seed);
  }

  async compare(): Promise<ResumeResult[]> {
    const straight = await this.#fresh(this.#model);
    const steps = await this.#train(straight, null, null);
    const stopped = await this.#fresh(this.#model);
    const stoppedAfter = await this.#train(stopped, this.#folder, STOP_AFTER);
    const results: ResumeResult[] = [];
    for (const stop of ['interrupted', 'killed'] as const) {
      // Other objects with another seed: everything must come from the checkpoint.
      const resumed = await this.#fresh(this.#other, 1);
      const rest = await this.#train(resumed, stop === 'killed' ? this.#killed : this.#folder, null);
      const learned = this.#method === 'sft' ? (['actor'] as const) : (['actor', 'critic'] as const);
      const bits = await compareTrained(straight, resumed, learned);
      const common = { method: this.#method, stop, data: this.#data };
      results.push({ ...common, steps, stoppedAfter, resumedFrom: steps - rest, ...bits });
      release(resumed);
    }
    release(straight);
    release(stopped);
    return results;
  }

  /** The checkpoints as they lay there when step STOP_AFTER was done: what a kill -9 at that moment leaves. */
  get #killed(): string {
    return `${this.#folder}-killed`;
  }

  async #fresh(model: Model, offset = 0): Promise<Trained> {
    const { lora, seed } = this.#config;
    const actor = await model.createAdapter({ ...lora, seed: seed + offset });
    const critic = await createCritic(model, actor, this.#config, seed + offset);
    return { model, actor, critic };
  }

  /** Optimizer steps taken; stops after `stopAfter` of them. */
  async #train({ model, actor, critic }: Trained, folder: string | null, stopAfter: number | null): Promise<number> {
    const stop = new AbortController();
    let steps = 0;
    const context = {
      model,
      stage: `verify ${this.#method}`,
      seed: this.#config.seed,
      log: silentLog,
      metrics: (row: Readonly<Record<string, number | string>>) => {
        if (row.step === undefined) return;
        steps += 1;
        if (steps !== stopAfter) return;
        cpSync(this.#folder, this.#killed, { recursive: true });
        stop.abort();
      },
      checkpointFolder: folder,
      checkpointEvery: CHECKPOINT_EVERY,
      signal: AbortSignal.any([this.#signal, stop.signal]),
    };
    try {
      const trajectories = this.#trajectories;
      if (this.#method === 'sft') await trainSft(actor, trajectories, this.#config.sft, context);
      else await trainPpo({ actor, critic, trajectories, rho: 0.5, settings: this.#config.ppo, context });
    } catch (error) {
      if (!stop.signal.aborted || toSparkError(error).code !== 'interrupted') throw error;
    }
    throwIfAborted(this.#signal);
    return steps;
  }
}

function release({ actor, critic }: Trained): void {
  actor.dispose();
  critic.dispose();
}

/** Enough for more steps than STOP_AFTER. */
const TRAJECTORIES = 8;

/** The shortest of a run that the method learns from. */
function usableOf(trajectories: readonly Trajectory[], method: 'sft' | 'ppo'): Trajectory[] {
  const usable =
    method === 'sft' ? sftTrajectories(trajectories) : trajectories.filter((one) => ppoSample(one, 0.5) !== null);
  return usable.sort((a, b) => a.tokens.length - b.tokens.length).slice(0, TRAJECTORIES);
}

async function compareTrained(
  a: Trained,
  b: Trained,
  parts: readonly ('actor' | 'critic')[],
): Promise<{ values: number; different: number }> {
  let values = 0;
  let different = 0;
  for (const part of parts) {
    const [left, right] = [await a[part].tensors('value'), await b[part].tensors('value')];
    for (const [name, { data }] of Object.entries(left)) {
      const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
      const other = right[name]!.data;
      const otherBits = new Uint32Array(other.buffer, other.byteOffset, other.length);
      values += bits.length;
      bits.forEach((value, i) => {
        if (value !== otherBits[i]) different += 1;
      });
    }
  }
  return { values, different };
}

type Piece = readonly [kind: SegmentKind, step: number, length: number];

/** Right, coherent trajectories of one to three steps, of random tokens: the arithmetic does not care what they say. */
function randomTrajectories(count: number, vocabulary: number, seed: number): Trajectory[] {
  const random = seededRandom(seed);
  const whole = (least: number, below: number) => least + Math.floor(random() * (below - least));
  return Array.from({ length: count }, (_, index) => {
    const steps = 1 + (index % 3);
    const pieces: Piece[] = [['prompt', -1, whole(6, 14)]];
    for (let step = 0; step < steps; step++) {
      pieces.push(['thought', step, whole(2, 9)], ['action', step, 1], ['input', step, whole(1, 5)]);
      pieces.push(['observation', step, whole(2, 6)]);
    }
    pieces.push(['answer', -1, 2]);
    let at = 0;
    const segments: Segment[] = pieces.map(([kind, step, length]) => {
      at += length;
      return { kind, step, start: at - length, end: at };
    });
    return {
      id: `${index}:min-score:0`,
      questionId: index,
      category: 'math',
      policy: 'min-score',
      generator: 'verify resume',
      judge: 'verify resume',
      seed,
      steps: Array.from({ length: steps }, (_, step) => randomStep(step, segments, whole(0, 11))),
      answerText: '',
      answer: null,
      correct: true,
      end: 'answered',
      tokens: Array.from({ length: at }, () => whole(0, vocabulary)),
      segments,
    };
  });
}

function randomStep(index: number, segments: readonly Segment[], score: number): Step {
  return {
    index,
    stateEnd: segments.find((segment) => segment.step === index)!.start,
    thought: '',
    scores: { python: score, calculator: 10 },
    action: 'python',
    selection: 'viable',
    input: '',
    observation: '',
    toolError: null,
    truncated: false,
    processOk: true,
  };
}

export function resumeText(results: readonly ResumeResult[]): string {
  return results
    .map(({ method, stop, data, steps, stoppedAfter, resumedFrom, values, different }) => {
      const verdict = different === 0 ? 'bit-identical' : `DIFFERENT: ${different} of`;
      const trajectories = data === 'run' ? 'the run’s trajectories' : 'made-up trajectories';
      return (
        `${method} on ${trajectories}: ${steps} steps straight through against ${stop} after ${stoppedAfter} and resumed ` +
        `from ${resumedFrom}: ${verdict}${different === 0 ? ',' : ''} ${values} trained values`
      );
    })
    .join('\n');
}
