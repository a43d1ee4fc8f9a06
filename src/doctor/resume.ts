/**
 * `spark-rl verify resume`: a training that stops and goes on must end with the same bits as one that does not stop.
 * Tried on this machine and this model, with the real trainers and checkpoints, for both ways to stop: an interruption
 * saves a checkpoint at the step where it stops, a kill leaves the last one saved before.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Config } from '../config/index.js';
import type { Model } from '../engine/types.js';
import { throwIfAborted, toSparkError } from '../errors.js';
import { openTokenizer } from '../inference/llamaCpp.js';
import { silentLog } from '../log.js';
import { seededRandom } from '../random.js';
import { stepReward } from '../reward.js';
import { actionTokens } from '../rollout/step.js';
import { runRoot } from '../run/folder.js';
import { listActions, openEngine } from '../run/parts.js';
import { loadParts } from '../run/userParts.js';
import type { ActionInfo } from '../tools/tool.js';
import type { Objective, Trainables } from '../train/method.js';
import { METHOD_NAMES, type MethodName, methods } from '../train/methods.js';
import type { ActionTokens } from '../trajectory/choices.js';
import type { JudgedActions } from '../trajectory/decision.js';
import type { Sample } from '../trajectory/sample.js';
import type { Segment, SegmentKind, Step, Trajectory } from '../trajectory/trajectory.js';

export interface ResumeResult {
  readonly method: MethodName;
  /** `interrupted`: resumed from the step at which it stopped. `killed`: resumed from the last checkpoint before that. */
  readonly stop: 'interrupted' | 'killed';
  /** The training data: the run's trajectories, or made-up ones when the run has too few. */
  readonly data: 'run' | 'made up';
  readonly steps: number;
  /** Optimizer steps done when the training stopped, and how many of them the checkpoint kept. */
  readonly stoppedAfter: number;
  readonly resumedFrom: number;
  /** Trained values compared, and how many of them differ in any bit. */
  readonly values: number;
  readonly different: number;
}

/** `trajectories` yields a run's trajectories, or nothing; it is called once for each method. */
export async function verifyResume(
  config: Config,
  trajectories: () => AsyncIterable<Trajectory>,
  signal: AbortSignal,
): Promise<ResumeResult[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-resume-'));
  const model = await openEngine(config, signal);
  // The resumed training runs on a second model, so that it shares only the checkpoint with the one that stopped.
  let other: Model | null = null;
  try {
    other = await openEngine(config, signal);
    const results: ResumeResult[] = [];
    const { parts } = await loadParts(config);
    const infos = await listActions(config, parts, { root: runRoot(config.name), signal });
    const judged = { actions: infos.map(({ name }) => name), rho: RHO, tau: config.rollout.tau };
    for (const method of METHOD_NAMES) {
      const objective = methods[method].with(small(config[method]));
      const shortest = await shortestOf(objective, trajectories(), judged);
      const data = shortest.length >= TRAJECTORIES ? 'run' : 'made up';
      const samples = data === 'run' ? shortest : madeUp(objective, model.info.vocabulary, config.seed);
      const actions = data === 'run' ? await tokensOf(infos, config, signal) : MADE_UP;
      const trial = { model, other, config, objective, samples, actions, folder: path.join(folder, method), signal };
      const tries = await new Trial(trial).compare();
      results.push(...tries.map((one) => ({ method, data, ...one }) as const));
    }
    return results;
  } finally {
    model.dispose();
    other?.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function tokensOf(actions: readonly ActionInfo[], config: Config, signal: AbortSignal): Promise<ActionTokens[]> {
  const tokenizer = await openTokenizer(config.model.path, signal);
  try {
    return actionTokens(actions, tokenizer);
  } finally {
    await tokenizer.dispose();
  }
}

/** No multiple of CHECKPOINT_EVERY, so that a kill loses a step, which the resumed training has to do again. */
const STOP_AFTER = 3;
const CHECKPOINT_EVERY = 2;
/** Enough for more steps than STOP_AFTER. */
const TRAJECTORIES = 8;

/** A method's settings changed to a few short steps; of the values below, those it has a key for. */
function small(settings: object): object {
  const wanted = {
    batchTrajectories: 3,
    microBatchTokens: 64,
    epochs: 3,
    iterations: 2,
    learningRate: 1e-3,
    // No target: an epoch that stops early would leave fewer steps to interrupt.
    targetKl: 1e9,
    filter: 'none',
  };
  const known = Object.entries(wanted).filter(([name]) => name in settings);
  return { ...settings, ...Object.fromEntries(known) };
}

interface TrialOptions {
  readonly model: Model;
  readonly other: Model;
  readonly config: Config;
  readonly objective: Objective;
  readonly samples: readonly Sample[];
  readonly actions: readonly ActionTokens[];
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** One method, trained straight through and with a stop. */
class Trial {
  readonly #options: TrialOptions;

  constructor(options: TrialOptions) {
    this.#options = options;
  }

  async compare(): Promise<Omit<ResumeResult, 'method' | 'data'>[]> {
    const { model, other, folder } = this.#options;
    const straight = await this.#fresh(model);
    const steps = await this.#train(model, straight, null, null);
    const stopped = await this.#fresh(model);
    const stoppedAfter = await this.#train(model, stopped, folder, STOP_AFTER);
    const results: Omit<ResumeResult, 'method' | 'data'>[] = [];
    for (const stop of ['interrupted', 'killed'] as const) {
      // Fresh trainables from another seed: what is right in the end must have come from the checkpoint.
      const resumed = await this.#fresh(other, 1);
      const rest = await this.#train(other, resumed, stop === 'killed' ? this.#killed : folder, null);
      const bits = await compareTrained(straight, resumed);
      results.push({ stop, steps, stoppedAfter, resumedFrom: steps - rest, ...bits });
      release(resumed);
    }
    release(straight);
    release(stopped);
    return results;
  }

  /** A copy of the checkpoints made right after step STOP_AFTER: what a kill -9 at that moment leaves. */
  get #killed(): string {
    return `${this.#options.folder}-killed`;
  }

  async #fresh(model: Model, offset = 0): Promise<Trainables> {
    const { config, objective } = this.#options;
    const options = { ...config.lora, seed: config.seed + offset };
    return objective.trainables(model, await model.createAdapter(options), options);
  }

  /** Trains, stopping after `stopAfter` optimizer steps; returns how many it took. */
  async #train(
    model: Model,
    trainables: Trainables,
    checkpointFolder: string | null,
    stopAfter: number | null,
  ): Promise<number> {
    const { config, objective, samples, actions, folder, signal } = this.#options;
    const stop = new AbortController();
    let steps = 0;
    const context = {
      model,
      stage: 'verify resume',
      seed: config.seed,
      log: silentLog,
      metrics: (row: Readonly<Record<string, number | string>>) => {
        if (row.step === undefined) return;
        steps += 1;
        if (steps !== stopAfter) return;
        cpSync(folder, this.#killed, { recursive: true });
        stop.abort();
      },
      checkpointFolder,
      checkpointEvery: CHECKPOINT_EVERY,
      actions,
      signal: AbortSignal.any([signal, stop.signal]),
    };
    try {
      await objective.train(trainables, samples, context);
    } catch (error) {
      if (!stop.signal.aborted || toSparkError(error).code !== 'interrupted') throw error;
    }
    throwIfAborted(signal);
    return steps;
  }
}

function release(trainables: Trainables): void {
  for (const trainable of Object.values(trainables)) trainable.dispose();
}

const RHO = 0.5;
const reward = (step: Step) => stepReward(step, RHO);

/** The run's shortest samples, at most TRAJECTORIES of them. */
async function shortestOf(
  objective: Objective,
  trajectories: AsyncIterable<Trajectory>,
  judged: JudgedActions,
): Promise<Sample[]> {
  const shortest: Sample[] = [];
  for await (const trajectory of trajectories) {
    const sample = objective.sample(trajectory, reward, judged);
    if (sample === null) continue;
    shortest.push(sample);
    shortest.sort((a, b) => a.tokens.length - b.tokens.length);
    shortest.length = Math.min(shortest.length, TRAJECTORIES);
  }
  return shortest;
}

/** The actions of made-up trajectories; any two tokens will do. */
const MADE_UP: readonly ActionTokens[] = [
  { name: 'python', tokens: [1] },
  { name: 'calculator', tokens: [2] },
];

function madeUp(objective: Objective, vocabulary: number, seed: number): Sample[] {
  const judged = { actions: MADE_UP.map(({ name }) => name), rho: RHO, tau: 6 };
  return randomTrajectories(TRAJECTORIES, vocabulary, seed)
    .map((trajectory) => objective.sample(trajectory, reward, judged))
    .filter((sample) => sample !== null);
}

async function compareTrained(a: Trainables, b: Trainables): Promise<{ values: number; different: number }> {
  let values = 0;
  let different = 0;
  for (const part of Object.keys(a)) {
    const [left, right] = [await a[part]!.tensors('value'), await b[part]!.tensors('value')];
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

/** Right, coherent trajectories of one to three steps. Their tokens are random, as bits do not depend on meaning. */
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
      id: `${index}:min-score-tau6:0`,
      questionId: index,
      category: 'math',
      selection: 'min-score',
      tau: 6,
      generator: 'verify resume',
      judge: 'verify resume',
      seed,
      steps: Array.from({ length: steps }, (_, step) => randomStep(step, segments, whole(0, 11))),
      answerText: '',
      answer: null,
      correct: true,
      end: 'answered',
      tokens: segments.flatMap(({ kind, start, end }) =>
        kind === 'action' ? MADE_UP[0]!.tokens : Array.from({ length: end - start }, () => whole(0, vocabulary)),
      ),
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
    choice: 'viable',
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
