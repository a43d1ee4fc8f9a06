/**
 * `spark-rl verify resume`: a stage that is interrupted and goes on ends with the very bits of one that was not. Tried
 * here, on this machine and this model, with the real trainers and the real checkpoints.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, resolveConfig } from '../config.js';
import type { Adapter, Critic, Model } from '../engine/types.js';
import { toSparkError } from '../errors.js';
import { silentLog } from '../log.js';
import { seededRandom } from '../random.js';
import { trainPpo } from '../train/ppo.js';
import { trainSft } from '../train/sft.js';
import type { Segment, SegmentKind, Step, Trajectory } from '../trajectory/trajectory.js';
import { openEngine } from './parts.js';

export interface ResumeResult {
  readonly method: 'sft' | 'ppo';
  readonly steps: number;
  /** Optimizer steps after which it was interrupted. */
  readonly interruptedAfter: number;
  /** Trained values compared, and how many of them differ in any bit. */
  readonly values: number;
  readonly different: number;
}

export async function verifyResume(config: Config, signal: AbortSignal): Promise<ResumeResult[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-resume-'));
  const model = await openEngine(config, signal);
  try {
    const results: ResumeResult[] = [];
    for (const method of ['sft', 'ppo'] as const) {
      const run = new Trial(model, config, method, path.join(folder, method), signal);
      results.push(await run.compare());
    }
    return results;
  } finally {
    model.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Trained {
  readonly actor: Adapter;
  readonly critic: Critic;
}

const INTERRUPT_AFTER = 3;

/** One method, trained straight through and with an interruption. */
class Trial {
  readonly #model: Model;
  readonly #config: Config;
  readonly #method: 'sft' | 'ppo';
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #trajectories: readonly Trajectory[];

  constructor(model: Model, config: Config, method: 'sft' | 'ppo', folder: string, signal: AbortSignal) {
    this.#model = model;
    this.#config = resolveConfig(config, {
      sft: { batchTrajectories: 3, microBatchTokens: 64, epochs: 3, learningRate: 1e-3 },
      // No target: an epoch that stops early would leave fewer steps to interrupt.
      ppo: { batchTrajectories: 3, microBatchTokens: 64, epochs: 2, iterations: 2, learningRate: 1e-3, targetKl: 1e9 },
    });
    this.#method = method;
    this.#folder = folder;
    this.#signal = signal;
    this.#trajectories = randomTrajectories(8, model.info.vocabulary, config.seed);
  }

  async compare(): Promise<ResumeResult> {
    const straight = await this.#fresh();
    const steps = await this.#train(straight, null, null);
    const first = await this.#fresh();
    await this.#train(first, this.#folder, INTERRUPT_AFTER);
    // Other objects with another seed: everything must come from the checkpoint.
    const second = await this.#fresh(1);
    await this.#train(second, this.#folder, null);
    const learned = this.#method === 'sft' ? (['actor'] as const) : (['actor', 'critic'] as const);
    const { values, different } = await compareTrained(straight, second, learned);
    for (const { actor, critic } of [straight, first, second]) {
      actor.dispose();
      critic.dispose();
    }
    return { method: this.#method, steps, interruptedAfter: INTERRUPT_AFTER, values, different };
  }

  async #fresh(offset = 0): Promise<Trained> {
    const { lora, seed } = this.#config;
    const actor = await this.#model.createAdapter({ ...lora, seed: seed + offset });
    const critic = await this.#model.createCritic({ ...lora, seed: seed + offset });
    return { actor, critic };
  }

  /** Optimizer steps taken; stops after `interruptAfter` of them. */
  async #train({ actor, critic }: Trained, folder: string | null, interruptAfter: number | null): Promise<number> {
    const stop = new AbortController();
    let steps = 0;
    const context = {
      model: this.#model,
      stage: `verify ${this.#method}`,
      seed: this.#config.seed,
      log: silentLog,
      metrics: (row: Readonly<Record<string, number | string>>) => {
        if (row.step !== undefined) steps += 1;
        if (steps === interruptAfter) stop.abort();
      },
      checkpointFolder: folder,
      checkpointEvery: 1000,
      signal: AbortSignal.any([this.#signal, stop.signal]),
    };
    try {
      const trajectories = this.#trajectories;
      if (this.#method === 'sft') await trainSft(actor, trajectories, this.#config.sft, context);
      else await trainPpo({ actor, critic, trajectories, rho: 0.5, settings: this.#config.ppo, context });
    } catch (error) {
      if (!stop.signal.aborted || toSparkError(error).code !== 'interrupted') throw error;
    }
    return steps;
  }
}

async function compareTrained(
  a: Trained,
  b: Trained,
  parts: readonly (keyof Trained)[],
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
    .map(
      ({ method, steps, interruptedAfter, values, different }) =>
        `${method}: ${steps} steps straight through, and ${interruptedAfter} steps, a stop, and the rest: ` +
        `${different} of ${values} trained values differ`,
    )
    .join('\n');
}
