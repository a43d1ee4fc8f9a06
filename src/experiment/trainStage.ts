/** One training stage of a run: stored trajectories in, an adapter out, resumable at every optimizer step. */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Adapter, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import { createCritic, decisive, type PpoResult, trainPpo } from '../train/ppo.js';
import { type SftResult, trainSft } from '../train/sft.js';
import type { TrainContext } from '../train/trainer.js';
import { readTrajectories } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { saveChecked } from './parity/saveAdapter.js';
import { someOf } from './parity/sequences.js';
import { checkParity } from './parity/trainCheck.js';
import { openEngine } from './parts.js';
import type { Session } from './session.js';
import { checkStageFiles, hashStageFiles, type StageRecord } from './stageRecord.js';

/** A stage is a method with its data and reward: SPEC.md, Training sets. */
export interface StageSpec {
  /** Name in files, metrics and tables. */
  readonly name: string;
  readonly method: 'sft' | 'ppo';
  /** Rollouts of this policy are learned from. */
  readonly policy: Trajectory['policy'];
  /** ρ; not used by SFT */
  readonly rho: number;
  /** `base`, `sft` (the run's own), or the path of an adapter. */
  readonly init: string;
}

const CHECKPOINT_EVERY = 20;

/** Trains the stage, or returns what is there when nothing it depends on has changed. */
export async function trainStage(session: Session, spec: StageSpec): Promise<StageRecord> {
  const { run, config, log } = session;
  const trajectories = await stageTrajectories(session, spec);
  const init = await resolveInit(session, spec);
  const dependsOn = await stageHash(session, spec, trajectories, init);
  const done = session.stages()[spec.name];
  if (done?.dependsOn === dependsOn && existsSync(path.join(run.root, done.adapter))) {
    await checkStageFiles(run.root, spec.name, done);
    log.info(`${spec.name}: already trained, ${done.adapter}`);
    return done;
  }
  const model = await openEngine(config, session.signal);
  try {
    const started = performance.now();
    const adapter = init === null ? await freshAdapter(model, session) : await model.loadAdapter(init);
    await checkParity(session, {
      stage: spec.name,
      model,
      trajectories,
      init: init === null ? null : { adapter, path: init },
    });
    const result = await learn(session, spec, model, adapter, trajectories);
    const file = freeName(run.adapterFile(spec.name, result.steps));
    await save(session, spec, { model, adapter, file, trajectories });
    await adapter.save(file.replace(/\.gguf$/, '-peft'), 'peft');
    const saved = path.relative(run.root, file);
    const record = { adapter: saved, files: await hashStageFiles(run.root, saved), dependsOn, result };
    await session.recordStage(spec.name, record);
    // The adapter is saved: there is nothing left to go on from.
    rmSync(run.checkpointFolder(spec.name), { recursive: true, force: true });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    log.info(`${spec.name}: ${result.samples} trajectories, ${result.steps} steps in ${seconds} s`);
    return record;
  } finally {
    model.dispose();
  }
}

interface Finished {
  readonly model: Model;
  readonly adapter: Adapter;
  readonly file: string;
  readonly trajectories: readonly Trajectory[];
}

/**
 * As GGUF, read back by llama.cpp before it counts. The stage's checkpoint is of its last step, so when the file is refused
 * the same command goes on from here and trains nothing again.
 */
async function save({ config, run, log, signal }: Session, spec: StageSpec, finished: Finished): Promise<void> {
  const { model, adapter, file, trajectories } = finished;
  const { tolerance, tokens } = config.parity;
  const sequences = someOf(trajectories, tokens);
  const saved = await saveChecked({ model, adapter, file, tolerance, sequences, signal });
  run.metrics.append({ stage: spec.name, event: 'saved', ...saved });
  const effect = `it changes log-probs by ${saved.effect.toExponential(1)}, llama.cpp is ${saved.mean.toExponential(1)} nats off`;
  if (saved.visible) log.info(`${spec.name}: llama.cpp reads the adapter back: ${effect}`);
  else log.warn(`${spec.name}: the adapter does too little yet to be seen in llama.cpp's log-probs: ${effect}`);
}

async function learn(
  session: Session,
  spec: StageSpec,
  model: Model,
  adapter: Adapter,
  trajectories: readonly Trajectory[],
): Promise<SftResult | PpoResult> {
  const { run, config } = session;
  const context: TrainContext = {
    model,
    stage: spec.name,
    seed: config.seed,
    log: session.log,
    metrics: (row) => run.metrics.append(row),
    begin: async (step) => {
      await run.metrics.rewind(spec.name, step);
      const from = step === 0 ? { resumed: false } : { resumed: true, afterStep: step };
      const { method, policy, rho } = spec;
      run.metrics.append({ stage: spec.name, event: 'start', method, policy, rho, ...from });
    },
    checkpointFolder: run.checkpointFolder(spec.name),
    checkpointEvery: CHECKPOINT_EVERY,
    signal: session.signal,
  };
  if (spec.method === 'sft') return trainSft(adapter, trajectories, config.sft, context);
  const critic = await createCritic(model, adapter, config, config.seed);
  return trainPpo({ actor: adapter, critic, trajectories, rho: spec.rho, settings: config.ppo, context });
}

async function stageTrajectories({ run, log }: Session, spec: StageSpec): Promise<Trajectory[]> {
  const all = existsSync(run.trajectoriesFile) ? await readTrajectories(run.trajectoriesFile, log) : [];
  const chosen = all.filter((trajectory) => trajectory.policy === spec.policy);
  if (chosen.length > 0) return chosen;
  throw new SparkError(
    'no_data',
    `${run.trajectoriesFile} holds no ${spec.policy} trajectory; make some with: spark-rl generate --run ${run.root} --policy ${spec.policy}`,
  );
}

/** Path of the adapter to start from, or null for a fresh one. */
async function resolveInit(session: Session, spec: StageSpec): Promise<string | null> {
  if (spec.init === 'base') return null;
  if (spec.init !== 'sft') return path.resolve(spec.init);
  const sft = await session.stageAdapter('sft');
  if (sft !== null) return sft;
  throw new SparkError(
    'no_data',
    `${session.run.root} has no SFT adapter to start from; run spark-rl train sft first, or pass --init base or --init PATH`,
  );
}

function freshAdapter(model: Model, { config }: Session): Promise<Adapter> {
  return model.createAdapter({ ...config.lora, seed: config.seed });
}

/** Everything that decides what the stage's adapter will be. */
async function stageHash(
  { config }: Session,
  spec: StageSpec,
  trajectories: readonly Trajectory[],
  init: string | null,
): Promise<string> {
  const model = await fileSha256(config.model.path);
  // A PEFT folder goes by its path; a file by what is in it.
  const start = init?.endsWith('.gguf') ? await fileSha256(init) : init;
  const { seed, lora } = config;
  const method = spec.method === 'ppo' ? decisive(config.ppo) : config.sft;
  const settings = { spec, start, seed, lora, method, model, compute: config.model.compute };
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const trajectory of trajectories) hash.update(JSON.stringify(trajectory));
  return hash.digest('hex');
}

/** An adapter file is never overwritten: llama.cpp keeps what it has read by its path. */
function freeName(file: string): string {
  for (let attempt = 1; ; attempt++) {
    const name = attempt === 1 ? file : file.replace(/\.gguf$/, `-${attempt}.gguf`);
    const taken = [name, `${name}.rejected`, name.replace(/\.gguf$/, '-peft')].some((one) => existsSync(one));
    if (!taken) return name;
  }
}
