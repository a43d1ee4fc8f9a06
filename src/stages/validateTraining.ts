/**
 * Measures a training of itself on validation questions: the accuracy of answers written with tools, the policy's choices in the
 * states of rollouts on them, or both (`eval.measures`). The adapter of the best measure is kept as `<stage>-best`, every other
 * one goes again. Each has a file of its own: llama.cpp keeps a LoRA by its path.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.js';
import type { Adapter, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import type { Log } from '../log.js';
import { filterQuestions } from '../questions/filter.js';
import type { Question } from '../questions/question.js';
import { type TrainedBest, valueText } from '../run/best.js';
import { type Facts, hashOf, hashOfPath } from '../run/freshness.js';
import { type Run, trainName } from '../run/run.js';
import { measureActions } from '../train/actionMeasures.js';
import { fitMicroBatch } from '../train/microBatch.js';
import { readChoices } from '../train/policyMeasure.js';
import type { TrainContext } from '../train/trainer.js';
import { type BestAdapter, isBetter, type Validation, type ValidationState } from '../train/validation.js';
import { tryAnswers } from './evaluate.js';
import { readStates, statesFile, statesOf } from './policy.js';
import { actingFacts } from './rolloutFacts.js';

/** Which training: its name, and the categories it learns from, where it does not learn from all. */
export interface Validated {
  readonly name: string;
  readonly categories?: readonly string[];
}

/** What the choice of the best depends on; nothing where none is chosen. */
export async function validationFacts(run: Run, spec: Validated): Promise<Facts> {
  const { every, measures, best, patience, temperature, minSteps } = run.config.eval;
  if (every === 0) return {};
  const questions = await questionsOf(run, spec);
  const answers = measures.includes('accuracy')
    ? { temperature, minSteps, questions: hashOf(questions), acting: await actingFacts(run) }
    : {};
  const states = measures.includes('policy')
    ? {
        states: await hashOfPath(statesFile(run), run.signal),
        tau: run.config.rollout.tau,
        actions: hashOf(run.parts.actions()),
      }
    : {};
  return { validation: { every, patience, best, ...answers, ...states } };
}

/** The questions that are answered. Throws `no_data` where none is of the training's categories. */
async function questionsOf({ config, questions }: Run, spec: Validated): Promise<Question[]> {
  const own = (await questions.validation()).filter((question) => learns(spec, question.category));
  if (own.length > 0) return filterQuestions(own, { limit: config.eval.limit, seed: config.seed });
  throw new SparkError(
    'no_data',
    `${spec.name}: expected validation questions${spec.categories === undefined ? '' : ` of ${spec.categories.join(', ')}`} for ` +
      'eval.every, got none; raise questions.validationLimit',
  );
}

/** Questions of categories that a training leaves out are not to choose its best adapter either. */
function learns({ categories }: Validated, category: string): boolean {
  return categories === undefined || categories.includes(category);
}

export class TrainingValidation implements Validation {
  readonly every: number;
  readonly patience: number;
  readonly #run: Run;
  readonly #spec: Validated;
  readonly #model: Model;
  readonly #write: TrainContext['metrics'];
  #state: ValidationState | null = null;
  #states: Awaited<ReturnType<typeof readStates>> | null = null;

  constructor(run: Run, spec: Validated, model: Model, write: TrainContext['metrics']) {
    const { every, patience } = run.config.eval;
    this.every = every;
    this.patience = patience;
    this.#run = run;
    this.#spec = spec;
    this.#model = model;
    this.#write = write;
  }

  async resume(state: ValidationState | null, steps: number): Promise<void> {
    this.#state = state;
    if (state !== null) await this.#check(state.best);
    removeStale(this.#run, this.#spec.name, state);
    // The row stands before the next step, and was taken out of the file with those of the steps that are done again.
    if (state?.steps === steps) this.#write(state.row);
  }

  async measure(actor: Adapter, steps: number, before: ValidationState | null): Promise<ValidationState> {
    const { config, folder, log } = this.#run;
    const { name } = this.#spec;
    const file = freeFile(folder.bestFolder(name), steps);
    try {
      // The best before the last measure: the checkpoint that named it is gone.
      removeStale(this.#run, name, this.#state);
      mkdirSync(path.dirname(file), { recursive: true });
      await actor.save(file, 'gguf');
      const numbers = { ...(await this.#answers(file, steps)), ...(await this.#policy(actor)) };
      const value = this.#valueOf(numbers, steps);
      const count = (before?.count ?? 0) + 1;
      const isBest = before === null || isBetter(config.eval.best, value, before.best.value);
      const adapter = path.relative(folder.root, file);
      const best = isBest ? { step: steps, value, adapter, sha256: await fileSha256(file) } : before.best;
      const sinceBest = isBest ? 0 : before.sinceBest + 1;
      const row = rowOf({ name, steps, numbers, config, best, sinceBest, value });
      this.#state = { steps, count, sinceBest, best, row };
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    }
    if (this.#state.best.step !== steps) rmSync(file);
    this.#write(this.#state.row);
    log.info(`${name} ${this.#text()}`);
    return this.#state;
  }

  /** What the training's result says of it; null before the first measure. `steps`: all that were done. */
  get result(): TrainedBest | null {
    if (this.#state === null) return null;
    const { best, count, sinceBest } = this.#state;
    const { best: measure } = this.#run.config.eval;
    return {
      measure,
      ...best,
      evaluations: count,
      stoppedEarly: this.patience > 0 && sinceBest >= this.patience,
    };
  }

  /** The training's log, whose progress line says where it stands. */
  over(log: Log): Log {
    const stand = () => (this.#state === null ? [] : [this.#text()]);
    return { ...log, progress: (message) => log.progress([message, ...stand()].join('  ')) };
  }

  #text(): string {
    const { best } = this.#run.config.eval;
    const { row, best: kept, steps } = this.#state!;
    const at = kept.step === steps ? 'the best' : `best ${valueText(best, kept.value)} after ${kept.step}`;
    return `validation ${best} ${valueText(best, row.value as number)} after ${steps} steps, ${at}`;
  }

  async #answers(file: string, steps: number): Promise<Numbers> {
    const run = this.#run;
    if (!run.config.eval.measures.includes('accuracy')) return {};
    const questions = await questionsOf(run, this.#spec);
    const said = (done: number) =>
      run.log.progress(`${this.#spec.name} after ${steps} steps  validation ${done}/${questions.length}`);
    const tried = { adapter: file, work: `validate ${this.#spec.name} after ${steps} steps` };
    const { accuracy, low, high, unparsedRate, entropyBits } = await tryAnswers(run, tried, questions, said);
    return { questions: questions.length, accuracy, low, high, unparsedRate, answerEntropyBits: entropyBits };
  }

  async #policy(actor: Adapter): Promise<Numbers> {
    const run = this.#run;
    const { config, log, signal, parts } = run;
    if (!config.eval.measures.includes('policy')) return {};
    const actions = parts.actions().map(({ name }) => name);
    this.#states ??= (await readStates(run, actions)).filter(({ trajectory }) =>
      learns(this.#spec, trajectory.category),
    );
    const samples = this.#states.map(({ sample }) => sample);
    const stage = `${this.#spec.name} validation`;
    const context = { model: this.#model, stage, log, signal, metrics() {} };
    const tokens = await fitMicroBatch([actor], samples, config.ppo.microBatchTokens, context);
    const choices = await readChoices(samples, actor, tokens, context);
    const read = this.#states.flatMap(({ sample, trajectory }, index) => statesOf(sample, trajectory, choices[index]!));
    const measured = measureActions(
      read.map(({ decision }) => decision),
      read.map(({ logprobs }) => logprobs),
      config.rollout.tau,
    );
    const { rarestViable, entropyBits, stateEntropyBits, belowTau } = measured;
    const rarest = rarestViable === null ? {} : { rarestViable };
    return { decisions: measured.decisions, entropyBits, stateEntropyBits, belowTau, ...rarest };
  }

  #valueOf(numbers: Numbers, steps: number): number {
    const { best } = this.#run.config.eval;
    const value = numbers[best];
    if (value !== undefined && Number.isFinite(value)) return value;
    throw new SparkError(
      'no_data',
      `${this.#spec.name}: expected a number for eval.best ${best} after ${steps} steps, got ${value ?? 'none'}: no validation ` +
        'state has such an action; roll out more validation questions, or choose another measure',
    );
  }

  /** Throws `invalid_file` when the best adapter is not what was measured. */
  async #check({ adapter, sha256 }: BestAdapter): Promise<void> {
    const { folder } = this.#run;
    const file = path.join(folder.root, adapter);
    const got = existsSync(file) ? await fileSha256(file) : null;
    if (got === sha256) return;
    throw new SparkError(
      'invalid_file',
      `${file}, the best adapter so far, is damaged: expected sha256 ${sha256}, got ${got ?? 'no such file'}; remove the folder ` +
        `${folder.checkpointFolder(this.#spec.name)}: this stage then starts afresh`,
    );
  }
}

/**
 * Removes the adapters that neither a result nor the state of the training names: those that are not the best any more, and what
 * a kill has left. The best before a measure stays until the checkpoint after it is written, as a kill goes back to it.
 */
export function removeStale({ folder, records }: Run, name: string, state: ValidationState | null): void {
  const result = records.get(trainName(name)).finished?.result as { readonly validation?: TrainedBest } | undefined;
  const wanted = new Set([state?.best.adapter, result?.validation?.adapter]);
  const place = folder.bestFolder(name);
  if (!existsSync(place)) return;
  for (const one of readdirSync(place)) {
    const file = path.join(place, one);
    if (!wanted.has(path.relative(folder.root, file))) rmSync(file, { recursive: true, force: true });
  }
  if (readdirSync(place).length === 0) rmdirSync(place);
}

type Numbers = Readonly<Record<string, number>>;

interface Measured {
  readonly name: string;
  readonly steps: number;
  readonly numbers: Numbers;
  readonly config: Config;
  readonly best: BestAdapter;
  readonly sinceBest: number;
  readonly value: number;
}

function rowOf({ name, steps, numbers, config, best, sinceBest, value }: Measured): ValidationState['row'] {
  const { patience, best: measure } = config.eval;
  const left = patience === 0 ? {} : { patienceLeft: patience - sinceBest };
  // Before the step that follows: a training that goes on from here writes the row again.
  const place = { stage: name, event: 'validation', beforeStep: steps + 1, stepsDone: steps };
  return { ...place, ...numbers, best: measure, value, bestValue: best.value, bestStep: best.step, ...left };
}

/** A name that no file has. */
function freeFile(folder: string, steps: number): string {
  for (let attempt = 1; ; attempt++) {
    const file = path.join(folder, `step-${steps}${attempt === 1 ? '' : `-${attempt}`}.gguf`);
    if (!existsSync(file)) return file;
  }
}
