/**
 * The stage that brings rollouts made elsewhere into a run, as the rollout set of a selection and τ. It has the name of the
 * stage that would generate that set: one set has one origin, and neither command adds to what the other made.
 */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import { modelSha256 } from '../inference/ggufParts.js';
import { checkKeys, type KeysOf } from '../options.js';
import { readChats } from '../rollout/hfChatFile.js';
import { IMPORTED, type ImportSettings, importedId, importedQuestionId, writeImported } from '../rollout/imported.js';
import { type Change, type Facts, hashOf, inWords } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { sparkActions } from '../tools/sparkActions.js';
import { nameOfSet } from '../trajectory/rolloutSet.js';
import { parquetFiles, readSparkRows } from '../trajectory/sparkFile.js';
import { type SparkRollouts, sparkRollouts } from '../trajectory/sparkRollouts.js';
import { TrajectoryStore } from '../trajectory/store.js';
import type { SelectionRule, Trajectory } from '../trajectory/trajectory.js';
import type { Outcome, Stage } from './stage.js';

export interface ImportSpec {
  /** Files; with `spark` Parquet, or folders of it. */
  readonly files: readonly string[];
  /** Whose rollouts: the authors' (the default), or chats with tool calls. */
  readonly format?: 'spark' | 'hf-chat';
  /** The rule by which the rollouts took their actions: the paper's is `min-score` at τ 6. */
  readonly selection: SelectionRule;
  readonly tau: number;
}

const SPEC = { files: true, format: true, selection: true, tau: true } as const satisfies KeysOf<ImportSpec>;

export interface ImportSummary {
  /** Relative to the run folder */
  readonly file: string;
  readonly set: string;
  readonly rows: number;
  /** Rows that were there twice with the same content */
  readonly repeatedRows: number;
  readonly trajectories: number;
  readonly steps: number;
  /** Steps without a reward: a score or the verdict is missing */
  readonly stepsWithoutReward: number;
  /** Trajectories by what is known of their answer */
  readonly right: number;
  readonly wrong: number;
  readonly unanswered: number;
  /** Right, and every step coherent: what SFT learns from */
  readonly forSft: number;
  /** Rollouts left out, by code (docs/reproduce.md) */
  readonly leftOut: Readonly<Record<string, number>>;
  readonly firstLeftOut: { readonly code: string; readonly message: string } | null;
  /** Steps by action */
  readonly actions: Readonly<Record<string, number>>;
}

export function importStage(spec: ImportSpec): Stage<ImportSummary> {
  checkKeys(spec, SPEC, 'importStage: spec');
  const name = nameOfSet(spec);
  return {
    name: `generate ${name}`,
    dependsOn: (run) => importFacts(run, spec),
    async prepare(run, changed) {
      refuseMixture(run.folder.trajectoriesFile(name), changed);
    },
    execute: (run) => importAll(run, spec),
  };
}

async function importFacts({ config, signal, parts }: Run, spec: ImportSpec): Promise<Facts> {
  const hashes: string[] = [];
  const { format = 'spark' } = spec;
  const files = format === 'spark' ? parquetFiles(spec.files) : spec.files;
  for (const file of files) hashes.push(await fileSha256(file, signal));
  const { maxSteps, example } = config.rollout;
  return {
    set: nameOfSet(spec),
    ...(format === 'spark' ? {} : { format }),
    // By content, so that a folder may be moved.
    imported: hashes.sort(),
    model: await modelSha256(config.model.path, signal),
    tools: { actions: hashOf(parts.actions()) },
    ...{ maxSteps, example, contextSize: config.inference.contextSize },
  };
}

/** Throws `run_exists` where the set holds trajectories of another origin; `changed` null: nothing is known of them. */
export function refuseMixture(file: string, changed: readonly Change[] | null): void {
  if (changed?.length === 0 || !existsSync(file) || statSync(file).size === 0) return;
  const why = changed === null ? 'nothing is recorded of how' : inWords(changed);
  throw new SparkError(
    'run_exists',
    `${file} holds trajectories of another origin than these files (${why}): give another --run; or remove the file, when ` +
      'its trajectories are no longer wanted',
  );
}

async function importAll(run: Run, spec: ImportSpec): Promise<Outcome<ImportSummary>> {
  const { folder, config, log, signal } = run;
  const name = nameOfSet(spec);
  const file = folder.trajectoriesFile(name);
  const { rows, found } = await readAll(spec, signal);
  const tally = new Tally();
  const store = await TrajectoryStore.open(file, { log, onStored: (one) => tally.add(one) });
  const tokenizer = await run.parts.tokenizer();
  try {
    const { contextSize, ...prompt } = { ...config.rollout, ...config.inference };
    const settings: ImportSettings = {
      ...{ maxSteps: prompt.maxSteps, example: prompt.example, seed: config.seed },
      set: spec,
      contextSize: contextSize === 'auto' ? tokenizer.contextSize : contextSize,
      source: `${IMPORTED}${spec.format ?? 'spark'}`,
    };
    const deps = { tokenizer, actions: sparkActions(found.actions, run.parts.actions()) };
    for (const { qid, code, message } of found.leftOut) tally.skip(store, { qid, code, message });
    for (const [at, rollout] of found.rollouts.entries()) {
      throwIfAborted(signal);
      if (store.has(importedId(rollout, spec))) continue;
      try {
        const trajectory = writeImported(rollout, deps, settings);
        store.append(trajectory);
        tally.add(trajectory);
      } catch (error) {
        const { code, message } = toSparkError(error);
        if (code !== 'context_overflow') throw error;
        tally.skip(store, { qid: rollout.qid, code, message: `${importedId(rollout, spec)}: ${message}` });
      }
      log.progress(`import ${name} ${at + 1}/${found.rollouts.length}`);
      // Tokenising holds the thread, and Ctrl-C has to come through.
      if (at % 64 === 63) await new Promise(setImmediate);
    }
  } finally {
    store.close();
    await tokenizer.dispose();
  }
  const result = {
    file: path.relative(folder.root, file),
    set: name,
    ...{ rows, repeatedRows: found.repeatedRows },
    ...tally.result(),
  };
  log.info(`import ${name}: ${result.trajectories} trajectories from ${rows} rows`);
  if (result.trajectories === 0) throw nothingCame(result);
  return { result, files: [file], complete: true };
}

async function readAll(
  { files, format }: ImportSpec,
  signal: AbortSignal,
): Promise<{ readonly rows: number; readonly found: SparkRollouts }> {
  if (format === 'hf-chat') {
    const { rows, ...found } = readChats(files);
    return { rows, found };
  }
  const rows = [];
  for (const file of parquetFiles(files)) {
    throwIfAborted(signal);
    for (const row of await readSparkRows(file)) rows.push(row);
  }
  return { rows: rows.length, found: sparkRollouts(rows) };
}

/** Counts what a set holds and what was left out. */
class Tally {
  readonly #counts = {
    ...{ trajectories: 0, steps: 0, stepsWithoutReward: 0 },
    ...{ right: 0, wrong: 0, unanswered: 0, forSft: 0 },
  };
  readonly #leftOut: Record<string, number> = {};
  readonly #actions: Record<string, number> = {};
  #first: ImportSummary['firstLeftOut'] = null;

  add({ steps, correct, answer }: Trajectory): void {
    const counts = this.#counts;
    counts.trajectories += 1;
    counts.steps += steps.length;
    if (answer === null) counts.unanswered += 1;
    else counts[correct ? 'right' : 'wrong'] += 1;
    if (correct && steps.every(({ processOk }) => processOk === true)) counts.forSft += 1;
    for (const { action, pair, processOk } of steps) {
      this.#actions[action] = (this.#actions[action] ?? 0) + 1;
      if ((pair?.chosen ?? null) === null || (pair?.best ?? null) === null || processOk === null)
        counts.stepsWithoutReward += 1;
    }
  }

  skip(store: TrajectoryStore, { qid, code, message }: { qid: string; code: string; message: string }): void {
    this.#leftOut[code] = (this.#leftOut[code] ?? 0) + 1;
    this.#first ??= { code, message };
    store.appendSkip({ questionId: importedQuestionId(qid), code, message });
  }

  result() {
    return { ...this.#counts, leftOut: this.#leftOut, firstLeftOut: this.#first, actions: this.#actions };
  }
}

/** What was written, and what was left out and why, in words. */
export function importText(summary: ImportSummary): string {
  const { set, trajectories, steps, rows, repeatedRows, stepsWithoutReward } = summary;
  const { right, wrong, unanswered, forSft, leftOut, firstLeftOut } = summary;
  const codes = Object.entries(leftOut).map(([code, count]) => `${count} ${code}`);
  return [
    `${set}: ${trajectories} trajectories with ${steps} steps from ${rows} rows` +
      (repeatedRows === 0 ? '' : `, of which ${repeatedRows} were there twice`),
    `answers: ${right} right, ${wrong} wrong, ${unanswered} not to be read; ${forSft} are right with every step coherent (SFT)`,
    ...(stepsWithoutReward === 0
      ? []
      : [`${stepsWithoutReward} steps have no reward (a score or process_ok is missing): PPO learns from the others`]),
    ...(firstLeftOut === null
      ? []
      : [`left out: ${codes.join(', ')}; the first, ${firstLeftOut.code}: ${firstLeftOut.message}`]),
  ].join('\n');
}

function nothingCame(summary: ImportSummary): SparkError {
  return new SparkError('no_data', `nothing could be imported. ${importText(summary)}`);
}
