/** Estimates from the settings how much a run will write at most, and refuses to start when the disk has less. */
import { statfs } from 'node:fs/promises';
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { checkModelFile } from '../inference/ggufCheck.js';
import { checkKeys, type KeysOf } from '../options.js';
import { byteText } from '../units.js';
import type { Run } from './run.js';

/** The most rollout sets, trainings and evaluations that a run will make. */
export interface Work {
  readonly rolloutSets: number;
  readonly trainings: number;
  readonly evaluations: number;
  /** Trainings that leave weights and moments for another; absent: none */
  readonly states?: number;
}

const WORK = { rolloutSets: true, trainings: true, evaluations: true, states: true } as const satisfies KeysOf<Work>;

/** All numbers in bytes. */
export interface DiskEstimate {
  readonly rollouts: number;
  readonly evaluations: number;
  readonly adapters: number;
  /** Of one training, as they are replaced one after another; the old and the new checkpoint exist at the same time */
  readonly checkpoints: number;
  readonly total: number;
}

/** A token's id with its comma, and its text, which is stored too. */
const BYTES_A_TOKEN = 12;
/** Scores, names and brackets of a step, and its share of the trajectory's ids and segments. */
const BYTES_A_STEP = 600;
const PROMPT_TOKENS = 600;

export async function estimateDisk(run: Run, work: Work): Promise<DiskEstimate> {
  checkKeys(work, WORK, 'estimateDisk: work');
  const { config, questions } = run;
  const [train, validation, test] = await Promise.all(
    [questions.train(), questions.validation(), questions.test()].map(async (part) => (await part).length),
  );
  // A set may be of validation questions, and an evaluation, too.
  const [mostRolled, mostAnswered] = [Math.max(train!, validation!), Math.max(test!, validation!)];
  const each = trajectoryBytes(config);
  const values = adapterValues(config);
  // GGUF and PEFT, both in F32; the best so far and the one that is measured.
  const files = config.eval.every === 0 ? 2 : 4;
  // Adapter and critic, each with two moments.
  const state = 2 * 3 * 4 * values;
  const adapters = work.trainings * files * 4 * values + (work.states ?? 0) * state;
  // Also three numbers for every token of the rollouts.
  const checkpoints = 2 * (state + 3 * 4 * train! * tokensOf(config));
  const rollouts = work.rolloutSets * mostRolled * each;
  const evaluations = work.evaluations * mostAnswered * each;
  return { rollouts, evaluations, adapters, checkpoints, total: rollouts + evaluations + adapters + checkpoints };
}

/** Logs the estimate, and throws `disk_full` when the disk has less. */
export async function announceDisk(run: Run, work: Work): Promise<void> {
  const { rollouts, evaluations, adapters, checkpoints, total } = await estimateDisk(run, work);
  const { bavail, bsize } = await statfs(run.folder.root);
  const free = bavail * bsize;
  run.log.info(
    `${run.folder.root}: at most ${byteText(total)} will be written (rollouts ${byteText(rollouts)}, evaluations ` +
      `${byteText(evaluations)}, adapters ${byteText(adapters)}, checkpoints ${byteText(checkpoints)}); ${byteText(free)} are free`,
  );
  if (free >= total) return;
  throw new SparkError(
    'disk_full',
    `expected room for ${byteText(total)} at ${run.folder.root}, got ${byteText(free)}: free some space, ask for fewer ` +
      'questions, or give --run a folder on another disk',
  );
}

function tokensOf({ rollout, tools }: Config): number {
  const { maxSteps, maxThoughtTokens, maxInputTokens, maxAnswerTokens } = rollout;
  // A token of an observation has two characters or more.
  return (
    PROMPT_TOKENS + maxSteps * (maxThoughtTokens + maxInputTokens + tools.maxObservationChars / 2) + maxAnswerTokens
  );
}

function trajectoryBytes(config: Config): number {
  const { maxSteps } = config.rollout;
  const perStep = BYTES_A_STEP + config.tools.maxObservationChars * 3;
  return tokensOf(config) * BYTES_A_TOKEN + maxSteps * perStep;
}

/** Number of values of an adapter: A (R, in) and B (out, R) for every target weight W (out, in). */
function adapterValues({ model, lora }: Config): number {
  const names: Record<string, string> = { q: 'attn_q', k: 'attn_k', v: 'attn_v', o: 'attn_output' };
  const targets = new Set(lora.targets.map((target) => names[target] ?? `ffn_${target}`));
  let values = 0;
  for (const [name, [inputs = 0, outputs = 0]] of checkModelFile(model.path).tensors) {
    const projection = /^blk\.\d+\.(\w+)\.weight$/.exec(name)?.[1];
    if (projection !== undefined && targets.has(projection)) values += lora.rank * (inputs + outputs);
  }
  return values;
}
