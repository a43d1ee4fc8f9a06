/**
 * A judge that is a GGUF file on this machine. It writes nothing: the score of an action is the EXPECTED one, from the
 * probabilities that the model gives to the ten levels, and a step is coherent when Yes is likely enough against No. The
 * prompt up to the question is evaluated once for all nine actions and the verdict on the last step, and its start again
 * only as far as other requests do not share it (inference/sequencePool.ts).
 */
import { SparkError, throwIfAborted } from '../errors.js';
import type { WeighingGenerator, WeighingSequence } from '../inference/generator.js';
import { generatorHash, type LlamaCppOptions, openLlamaCpp } from '../inference/llamaCpp.js';
import { type KeysOf, requireKeys } from '../options.js';
import type { ActionInfo } from '../tools/tool.js';
import type { Score } from '../trajectory/trajectory.js';
import type { Judge, JudgeRequest, JudgeVerdict } from './judge.js';
import {
  FREE_LOCAL_PROMPT_ID,
  LEVEL_SCORES,
  LEVELS,
  LOCAL_PROMPT_ID,
  type LocalTokens,
  localTokens,
  renderProcessQuestion,
  renderScoreQuestion,
  statePrefix,
  VERDICTS,
} from './localPrompt.js';
import { wantsScores } from './prompt.js';
import type { LocalForm } from './settings.js';
import { JudgeStats } from './stats.js';
import { usualRequest } from './usual.js';

export interface LocalJudgeOptions {
  readonly modelPath: string;
  /** Default `chat`. */
  readonly form?: LocalForm;
  /** A step is coherent when P(Yes) / (P(Yes) + P(No)) is at least this. Default 0.5. */
  readonly processThreshold?: number;
  /** Requests judged at the same time; the rest wait. Default 4. */
  readonly concurrency?: number;
  /** Tokens of one request; default what the model was trained for, at most 4096. */
  readonly contextSize?: number;
  readonly threads?: number;
  readonly gpu?: boolean | 'auto';
  readonly kvCacheType?: 'F16' | 'F32';
  /**
   * What requests will be like: refuses at once a context in which rollouts of so many steps of usual length do not fit.
   */
  readonly expect?: { readonly actions: readonly ActionInfo[]; readonly maxSteps: number };
  /** Counters, to share with the cache so that one object counts both. */
  readonly stats?: JudgeStats;
  readonly signal?: AbortSignal;
}

const OPTIONS = {
  modelPath: true,
  form: true,
  processThreshold: true,
  concurrency: true,
  contextSize: true,
  threads: true,
  gpu: true,
  kvCacheType: true,
  expect: true,
  stats: true,
  signal: true,
} as const satisfies KeysOf<LocalJudgeOptions>;

type Identity = Pick<LocalJudgeOptions, 'modelPath' | 'form' | 'processThreshold' | 'kvCacheType'>;

/** A judge with its counters. */
export interface LocalJudge extends Judge {
  readonly stats: JudgeStats;
  /** Closes the model. */
  dispose(): Promise<void>;
}

/** The id of a local judge: the content of its file, and every setting on which its verdicts depend. Loads nothing. */
export async function localJudgeId(options: Identity, signal?: AbortSignal): Promise<string> {
  const { form = 'chat', processThreshold = 0.5, kvCacheType = 'F16' } = options;
  const model = await generatorHash(options.modelPath, undefined, signal);
  return `local:${model}#${form},levels=0-9,ok=${processThreshold},kv=${kvCacheType},prompt=${LOCAL_PROMPT_ID}`;
}

/**
 * Opens the model. Throws before any question what would make every one fail: `io_error` or `invalid_file` (the file),
 * `unsupported_file` (no chat template), `invalid_config` (a context too small for `expect`), `out_of_memory`.
 */
export async function openLocalJudge(options: LocalJudgeOptions): Promise<LocalJudge> {
  requireKeys(options, OPTIONS, 'openLocalJudge: options');
  const { modelPath, form, processThreshold, concurrency, expect, stats, ...rest } = options;
  const id = await localJudgeId(options, options.signal);
  const inference: LlamaCppOptions = { modelPath, sequences: concurrency ?? 4, ...rest };
  const generator = await openLlamaCpp(inference);
  try {
    return createLocalJudge(generator, {
      ...{ id, file: modelPath, form: form ?? 'chat', processThreshold: processThreshold ?? 0.5 },
      ...{ stats: stats ?? new JudgeStats(), expect },
    });
  } catch (error) {
    await generator.dispose();
    throw error;
  }
}

interface Settings {
  readonly id: string;
  readonly file: string;
  readonly form: LocalForm;
  readonly processThreshold: number;
  readonly stats: JudgeStats;
  readonly expect?: LocalJudgeOptions['expect'] | undefined;
}

/** The judge on a generator that is open already, of which it disposes. */
export function createLocalJudge(generator: WeighingGenerator, settings: Settings): LocalJudge {
  const { id, stats, processThreshold } = settings;
  const tokens = localTokens(generator, settings.form, settings.file);
  if (settings.expect !== undefined) requireRoom(generator, tokens, settings.expect);
  stats.costUsd = 0;

  const weigh = async (request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeVerdict> => {
    const asked = askedOf(request, tokens);
    const prefix = statePrefix(tokens, request);
    refuseTooLong(prefix, asked, generator.contextSize);
    const sequence = await generator.open(signal);
    try {
      sequence.append(prefix);
      const weighed: Float64Array[] = [];
      for (const question of asked) weighed.push(await answer(sequence, prefix.length, question, signal));
      stats.usage({
        inputTokens: sum(
          asked.map(({ line }) => line.length),
          prefix.length,
        ),
        outputTokens: 0,
        cachedTokens: 0,
      });
      return verdictOf(request, weighed, processThreshold);
    } finally {
      sequence.dispose();
    }
  };

  return {
    id,
    freeId: id.replace(LOCAL_PROMPT_ID, FREE_LOCAL_PROMPT_ID),
    stats,
    async judge(request, { signal }) {
      throwIfAborted(signal);
      // A trajectory whose first block is the answer has no step to judge.
      if (!wantsScores(request) && request.steps.length === 0) return { scores: {}, processOk: null };
      stats.calls++;
      try {
        const verdict = await weigh(request, signal);
        stats.verdict(verdict, request.steps.length > 0);
        return verdict;
      } catch (error) {
        if (!(error instanceof SparkError && error.code === 'interrupted')) stats.failure(error);
        throw error;
      }
    },
    dispose: () => generator.dispose(),
  };
}

/** A line that is asked after the state, and the answers that are weighed. */
interface Asked {
  readonly line: readonly number[];
  readonly answers: readonly (readonly number[])[];
}

/** One for each action, and the last for the last step, if there is one. */
function askedOf(request: JudgeRequest, { tokenize }: LocalTokens): Asked[] {
  const levels = LEVELS.map((level) => tokenize(level, false));
  const actions = wantsScores(request) ? request.actions : [];
  const asked: Asked[] = actions.map((action) => ({
    line: tokenize(renderScoreQuestion(action), false),
    answers: levels,
  }));
  if (request.steps.length > 0) {
    const answers = VERDICTS.map((verdict) => tokenize(verdict, false));
    asked.push({ line: tokenize(renderProcessQuestion(request), false), answers });
  }
  return asked;
}

async function answer(
  sequence: WeighingSequence,
  from: number,
  { line, answers }: Asked,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  sequence.rewind(from);
  sequence.append(line);
  const weights = await sequence.weigh(answers, signal);
  if (weights.every(Number.isFinite)) return weights;
  throw new SparkError(
    'inference_failed',
    'expected probabilities of the judge’s answers, got some that are not finite; the model may hold such weights: try ' +
      'spark-rl doctor, or another judge.model',
  );
}

function verdictOf(request: JudgeRequest, weighed: readonly Float64Array[], threshold: number): JudgeVerdict {
  const actions = wantsScores(request) ? request.actions : [];
  const scores = Object.fromEntries(actions.map(({ name }, at): [string, Score] => [name, expected(weighed[at]!)]));
  if (request.steps.length === 0) return { scores, processOk: null };
  const yes = weighed.at(-1)![0]!;
  return { scores, processOk: yes >= threshold, processProbability: yes };
}

/** Within the scale also where rounding of the sum would pass its end. */
function expected(weights: Float64Array): number {
  return Math.min(10, sum([...weights].map((weight, level) => weight * LEVEL_SCORES[level]!)));
}

/** Most tokens of an answer. */
const longestAnswer = (asked: readonly Asked[]) =>
  Math.max(...asked.flatMap(({ line, answers }) => answers.map((tokens) => line.length + tokens.length)));

function refuseTooLong(prefix: readonly number[], asked: readonly Asked[], contextSize: number): void {
  const needed = prefix.length + longestAnswer(asked);
  if (needed <= contextSize) return;
  throw new SparkError(
    'judge_refused',
    `the judge's prompt has ${needed} tokens, expected at most ${contextSize}; raise judge.contextSize, or lower ` +
      'rollout.maxSteps, rollout.maxThoughtTokens or tools.maxObservationChars',
  );
}

/** The longest request of rollouts of usual length, in this vocabulary. */
function requireRoom(
  { contextSize }: WeighingGenerator,
  tokens: LocalTokens,
  { actions, maxSteps }: NonNullable<LocalJudgeOptions['expect']>,
): void {
  const needed = [maxSteps - 1, maxSteps].map((done) => {
    const request = usualRequest(done, { last: done === maxSteps, actions });
    return statePrefix(tokens, request).length + longestAnswer(askedOf(request, tokens));
  });
  const most = Math.max(...needed);
  if (most <= contextSize) return;
  throw new SparkError(
    'invalid_config',
    `judge.contextSize: expected at least ${most} tokens, which a request after ${maxSteps} steps of usual length takes, got ` +
      `${contextSize}; raise judge.contextSize, lower rollout.maxSteps, or take a judge that was trained for more`,
  );
}

const sum = (values: readonly number[], start = 0): number => values.reduce((total, value) => total + value, start);
