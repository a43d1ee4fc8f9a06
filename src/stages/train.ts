/** The stage that trains an adapter from stored trajectories; interrupted, it can go on from its last optimizer step. */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ZodError } from 'zod';
import type { Adapter, Model } from '../engine/types.js';
import { SparkError, shown, toSparkError } from '../errors.js';
import type { SeenSign } from '../evaluate/watch.js';
import type { Tokenizer } from '../inference/generator.js';
import { modelSha256 } from '../inference/ggufParts.js';
import { type KeysOf, requireKeys } from '../options.js';
import { saveChecked } from '../parity/saveAdapter.js';
import { checkParity } from '../parity/trainCheck.js';
import { actionTokens } from '../rollout/step.js';
import type { TrainedBest } from '../run/best.js';
import { type Facts, hashOfPath, inWords } from '../run/freshness.js';
import type { MetricRow } from '../run/metricsFile.js';
import { type Run, trainName } from '../run/run.js';
import { plainRow, trainingRows } from '../run/trainingRows.js';
import { hashOfSamples } from '../train/checkpoint.js';
import type { Objective, TrainResult } from '../train/method.js';
import { type MethodName, methods } from '../train/methods.js';
import type { TrainContext } from '../train/trainer.js';
import type { SelectionRule } from '../trajectory/trajectory.js';
import {
  type Continued,
  checkContinued,
  continuedFacts,
  continueFrom,
  leaveState,
  leavesState,
  partOf,
  startOf,
} from './continued.js';
import type { Outcome, Stage } from './stage.js';
import { type Trackers, trackersOf } from './trackTraining.js';
import { readTrainingSet, type TrainingSet } from './trainingSet.js';
import { removeStale, TrainingValidation, validationFacts } from './validateTraining.js';
import { StageWatch } from './watchTraining.js';

/** What a training stage consists of: method, rollout set, ρ and initial adapter (docs/algorithm.md, Training sets). */
export interface TrainSpec {
  /** The stage's name in files, metrics and tables. */
  readonly name: string;
  readonly method: MethodName;
  /** Selection and τ name the rollout set that is learned from. */
  readonly selection: SelectionRule;
  readonly tau: number;
  /** ρ; not used by SFT */
  readonly rho: number;
  /** `base`, a trained stage of the run, or the path of an adapter. */
  readonly init: string;
  /** Settings of this stage alone, over the method's section of the configuration: `{ clip: 0.1 }`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Learn only from trajectories of these categories; absent: of all. */
  readonly categories?: readonly string[];
  /** Learn from the rollouts by this stage's adapter, which has to be the one that the training starts from; absent: the base model's. */
  readonly by?: string;
  /** PPO: one iteration of several, which goes on from the stage before with its critic and moments; `init` stays the reference. */
  readonly online?: Continued;
}

const SPEC = {
  name: true,
  method: true,
  selection: true,
  tau: true,
  rho: true,
  init: true,
  settings: true,
  categories: true,
  by: true,
  online: true,
} as const satisfies KeysOf<TrainSpec>;

/** What a finished training leaves in stages.json. */
export interface TrainSummary {
  /** GGUF file, relative to the run folder */
  readonly adapter: string;
  readonly metrics: TrainResult;
  /** Failure signs that were seen (docs/metrics.md) */
  readonly signs: readonly SeenSign[];
  /** With `eval.every`: the best adapter on validation questions, which `<stage>-best` names */
  readonly validation?: TrainedBest;
}

const CHECKPOINT_EVERY = 20;

export function trainStage(spec: TrainSpec): Stage<TrainSummary> {
  requireKeys(spec, SPEC, 'trainStage: spec');
  if (!Object.hasOwn(methods, spec.method)) {
    throw new SparkError(
      'invalid_argument',
      `trainStage: spec.method: expected one of ${Object.keys(methods).join(', ')}, got ${shown(spec.method)}`,
    );
  }
  checkContinued(spec);
  // Read once, so that the stage learns from exactly the samples that are hashed in its facts. Dropped when it is done.
  const sets = new WeakMap<Run, Promise<TrainingSet>>();
  const setOf = (run: Run) => {
    const set = sets.get(run) ?? readTrainingSet(run, spec, objectiveOf(run, spec));
    sets.set(run, set);
    return set;
  };
  return {
    name: trainName(spec.name),
    leavesState: leavesState(spec),
    async dependsOn(run) {
      return trainFacts(run, spec, await setOf(run));
    },
    async prepare(run, changed) {
      const folder = run.folder.checkpointFolder(spec.name);
      if (changed === null || changed.length === 0 || !existsSync(folder)) return;
      throw new SparkError(
        'invalid_file',
        `${folder} holds an unfinished training that was made under other settings (${inWords(changed)}): give those ` +
          'settings again, or remove that folder to start this stage afresh',
      );
    },
    execute: async (run) => train(run, spec, await setOf(run)),
    settle(run) {
      sets.delete(run);
      // The adapter is saved and recorded, so its checkpoints are no longer needed.
      rmSync(run.folder.checkpointFolder(spec.name), { recursive: true, force: true });
      removeStale(run, spec.name, null);
    },
    remedyFor: (run, file) => remedyFor(run, spec, file),
  };
}

/** Throws `invalid_config` for settings that the method does not have, or not with such a value. */
function objectiveOf({ config }: Run, { name, method, settings = {}, online }: TrainSpec): Objective {
  const iterations = online === undefined ? {} : { iterations: online.of };
  try {
    return methods[method].with({ ...config[method], ...settings, ...iterations });
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    const lines = error.issues.map(({ path: key, message }) => [...key, message].join(': '));
    throw new SparkError('invalid_config', `the settings of stage "${name}" (${method}): ${lines.join('; ')}`);
  }
}

/** Everything the stage's adapter depends on. */
async function trainFacts(run: Run, spec: TrainSpec, { samples }: TrainingSet): Promise<Facts> {
  const { config, partsHash, signal } = run;
  const init = initOf(run, spec);
  const { decisive, files = [] } = objectiveOf(run, spec);
  const hashes: string[] = [];
  for (const file of files) hashes.push(await hashOfPath(file, signal));
  return {
    method: spec.method,
    ...decisive,
    ...(hashes.length === 0 ? {} : { files: hashes }),
    // The samples already contain what ρ, the reward, the filter and the categories did.
    samples: hashOfSamples(samples),
    init: init === null ? null : await hashOfPath(init, signal),
    // Of a fresh adapter, and of the critic.
    lora: config.lora,
    model: await modelSha256(config.model.path, signal),
    compute: config.model.compute,
    seed: config.seed,
    parts: partsHash,
    ...(await continuedFacts(run, spec, startPath(run, spec))),
    ...(await validationFacts(run, spec)),
  };
}

async function train(run: Run, spec: TrainSpec, set: TrainingSet): Promise<Outcome<TrainSummary>> {
  const { folder, config, log } = run;
  const model = await run.parts.engine();
  const trackers = trackersOf(run, spec.name, paramsOf(run, spec));
  let tokenizer: Tokenizer | null = null;
  try {
    const started = performance.now();
    const init = startPath(run, spec);
    const open = (file: string | null) => (file === null ? freshAdapter(model, run) : model.loadAdapter(file));
    const adapter = await open(init);
    const { probes, others, trajectories } = set;
    await checkParity(run, {
      stage: spec.name,
      model,
      probes,
      others,
      trajectories,
      init: init === null ? null : { adapter, path: init },
    });
    const objective = objectiveOf(run, spec);
    tokenizer = await run.parts.tokenizer();
    const trainables = await objective.trainables(model, adapter, { ...config.lora, seed: config.seed });
    const watch = new StageWatch(run, spec.name);
    const write = writerOf(run, watch, trackers);
    await continueFrom(run, spec, trainables);
    const part = await partOf(spec, () => open(initOf(run, spec)));
    const validation = config.eval.every === 0 ? null : new TrainingValidation(run, spec, model, write);
    const context = { ...contextOf(run, spec, { model, tokenizer, watch, trackers, write, validation }), ...part };
    let before = 0;
    const begin = async (step: number) => {
      before = step;
      await context.begin?.(step);
    };
    const metrics = await watch.over(() => objective.train(trainables, set.samples, { ...context, begin }));
    const file = freeName(folder.adapterFile(spec.name, metrics.steps));
    await save(run, spec, { model, adapter, file, set, write });
    const peft = peftOf(file);
    await adapter.save(peft, 'peft');
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    await trackers.close('finished');
    log.info(`${spec.name}: ${metrics.samples} trajectories, ${metrics.steps} steps in ${seconds} s`);
    const left = await leaveState(run, spec, trainables);
    const best = validation?.result ?? null;
    const measured = best === null ? {} : { validation: best };
    return {
      result: { adapter: path.relative(folder.root, file), metrics, signs: watch.signs, ...measured },
      files: [file, ...left, ...(best === null ? [] : [path.join(folder.root, best.adapter)])],
      copies: ['adapter_model.safetensors', 'adapter_config.json'].map((name) => path.join(peft, name)),
      complete: true,
      units: metrics.steps - before,
    };
  } catch (error) {
    await trackers.close(toSparkError(error).code === 'interrupted' ? 'interrupted' : 'failed');
    throw error;
  } finally {
    model.dispose();
    await tokenizer?.dispose();
  }
}

/** Writes a row into metrics.jsonl first, and then shows it to whoever looks on. */
type WriteRow = (row: MetricRow) => void;

function writerOf({ folder }: Run, watch: StageWatch, trackers: Trackers): WriteRow {
  return (row) => {
    folder.metrics.append(row);
    const plain = plainRow(row);
    trackers.add(plain);
    watch.look(plain);
  };
}

/** What a training is made with, as plain values by name. */
function paramsOf(
  { config }: Run,
  { name: _, settings, categories, online, ...spec }: TrainSpec,
): Record<string, unknown> {
  const { lora, seed, model } = config;
  const others = { seed, model: path.basename(model.path), loraRank: lora.rank, loraAlpha: lora.alpha };
  return {
    ...config[spec.method],
    ...settings,
    ...spec,
    ...others,
    ...(categories === undefined ? {} : { categories }),
    ...(online === undefined ? {} : { iterations: online.of, iteration: online.iteration }),
  };
}

interface Finished {
  readonly model: Model;
  readonly adapter: Adapter;
  readonly file: string;
  readonly set: TrainingSet;
  readonly write: WriteRow;
}

/**
 * Saves the adapter as GGUF and checks the file by reading it back. When the check fails, the checkpoint of the last
 * step is still there, so the same command goes on from here without training again.
 */
async function save({ config, log, signal }: Run, spec: TrainSpec, finished: Finished): Promise<void> {
  const { model, adapter, file, set, write } = finished;
  const { tolerance } = config.parity;
  const saved = await saveChecked({ model, adapter, file, tolerance, sequences: set.probes, signal });
  write({ stage: spec.name, event: 'saved', ...saved });
  const effect = `it changes log-probs by ${saved.effect.toExponential(1)}, llama.cpp is ${saved.mean.toExponential(1)} nats off`;
  if (saved.visible) log.info(`${spec.name}: llama.cpp reads the adapter back: ${effect}`);
  else log.warn(`${spec.name}: the adapter does too little yet to be seen in llama.cpp's log-probs: ${effect}`);
}

interface Working {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly watch: StageWatch;
  readonly trackers: Trackers;
  readonly write: WriteRow;
  readonly validation: TrainingValidation | null;
}

function contextOf({ folder, config, parts }: Run, spec: TrainSpec, working: Working): TrainContext {
  const { name, method, selection, tau, rho, settings, by } = spec;
  const { model, tokenizer, watch, trackers, write, validation } = working;
  const { targetKl } = { ...config[method], ...settings } as { readonly targetKl?: number };
  return {
    model,
    stage: name,
    seed: config.seed,
    log: validation?.over(watch.log) ?? watch.log,
    ...(validation === null ? {} : { validation }),
    metrics: write,
    begin: async (step) => {
      await folder.metrics.rewind(name, step);
      const all = step === 0 ? [] : trainingRows(folder.metrics.read());
      const kept = all.find(({ stage }) => stage === name)?.rows ?? [];
      watch.recall(kept);
      trackers.begin(kept);
      const from = step === 0 ? { resumed: false } : { resumed: true, afterStep: step };
      const target = targetKl === undefined ? {} : { targetKl };
      const writer = by === undefined ? {} : { by };
      write({ stage: name, event: 'start', method, selection, tau, rho, ...writer, ...target, ...from });
    },
    checkpointFolder: folder.checkpointFolder(name),
    checkpointEvery: CHECKPOINT_EVERY,
    actions: actionTokens(parts.actions(), tokenizer),
    detokenize: (tokens) => tokenizer.detokenize(tokens),
    signal: watch.signal,
  };
}

/** Path of the adapter to start from, or null for a fresh one. */
function startPath(run: Run, spec: TrainSpec): string | null {
  return pathOf(run, startOf(spec));
}

/** Path of the reference's adapter, which is the one to start from unless a training goes on from another. */
function initOf(run: Run, { init }: TrainSpec): string | null {
  return pathOf(run, init);
}

function pathOf(run: Run, init: string): string | null {
  if (init === 'base') return null;
  const stage = run.adapterOf(init);
  if (stage !== null) return stage;
  const file = path.resolve(init);
  if (existsSync(file)) return file;
  throw new SparkError(
    'no_data',
    `${run.folder.root} has no stage "${init}" to start from, and there is no adapter at ${file}; run ` +
      'spark-rl train sft first, or pass --init base or --init PATH',
  );
}

function freshAdapter(model: Model, { config }: Run): Promise<Adapter> {
  return model.createAdapter({ ...config.lora, seed: config.seed });
}

function peftOf(file: string): string {
  return file.replace(/\.gguf$/, '-peft');
}

function remedyFor({ folder }: Run, { name }: TrainSpec, file: string): string {
  if (file.endsWith('.gguf')) return `remove it: the stage "${name}" is then trained again`;
  const gguf = path.join(folder.root, 'adapters', `${path.basename(path.dirname(file)).replace(/-peft$/, '')}.gguf`);
  return `remove its folder; spark-rl adapter export ${gguf} --format peft --out FOLDER writes another`;
}

/** A name that no file has: adapter files are never overwritten, because llama.cpp caches them by path. */
function freeName(file: string): string {
  for (let attempt = 1; ; attempt++) {
    const name = attempt === 1 ? file : file.replace(/\.gguf$/, `-${attempt}.gguf`);
    const taken = [name, `${name}.rejected`, peftOf(name)].some((one) => existsSync(one));
    if (!taken) return name;
  }
}
