/** The stage that rolls out one rollout set; trajectories that exist are kept, only missing questions are rolled out. */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { SparkError, shown } from '../errors.js';
import type { AuditSummary } from '../evaluate/audit.js';
import { type KeysOf, requireKeys } from '../options.js';
import type { Question } from '../questions/question.js';
import { watched } from '../rollout/judgeWatch.js';
import { isTrajectory } from '../rollout/rollout.js';
import { runRollouts } from '../rollout/run.js';
import { inWords } from '../run/freshness.js';
import type { MetricRow } from '../run/metricsFile.js';
import type { Run } from '../run/run.js';
import { nameOfSet, type RolloutSet, trajectoryId } from '../trajectory/rolloutSet.js';
import { skipsFile, TrajectoryStore } from '../trajectory/store.js';
import { SELECTION_RULES, type SelectionRule, type Skip, type Trajectory } from '../trajectory/trajectory.js';
import { GenerateProgress } from './generateProgress.js';
import { inferenceRow, inferenceText } from './inferenceWork.js';
import { refuseStrangers } from './judgeable.js';
import { priceOfRollouts } from './price.js';
import { leavesAnswers, regrade } from './regrade.js';
import { isOneQuestion, questionFacts, rolloutAdapter, rolloutFacts, rolloutSettings } from './rolloutFacts.js';
import type { Outcome, Stage } from './stage.js';
import { auditRow, auditText, fallbackText, StepTally } from './stepTally.js';

export interface GenerateSummary {
  /** Relative to the run folder */
  readonly file: string;
  /** Name of the rollout set. */
  readonly set: string;
  readonly questions: number;
  readonly written: number;
  /** How many of the questions had a trajectory before. */
  readonly already: number;
  /** All trajectories of the set; more than `written` and `already` when it was begun with more or other questions. */
  readonly trajectories: number;
  readonly skipped: number;
  /** Skips by code. */
  readonly skipCodes: Readonly<Record<string, number>>;
  readonly firstSkip: Pick<Skip, 'code' | 'message'> | null;
  /** Steps by action, over all trajectories of the set. */
  readonly actions: Readonly<Record<string, number>>;
  /** Steps of the set in which no action was viable, so that the best score was taken. */
  readonly fallbacks: number;
  /** What `rollout.audit` found, over the whole set; null when no state was scored again. */
  readonly audit: AuditSummary | null;
  readonly seconds: number;
}

/** A rollout set whose rule is a selection, with the τ that it is given even where its name has none. */
export interface ChosenSet extends RolloutSet {
  readonly selection: SelectionRule;
  readonly tau: number;
}

const SET = { selection: true, tau: true, questions: true, by: true } as const satisfies KeysOf<ChosenSet>;

/** `set`: the selection, τ and questions of the rollouts, and the trained stage whose adapter makes them. */
export function generateStage(set: ChosenSet): Stage<GenerateSummary> {
  requireKeys(set, SET, 'generateStage: set');
  if (!SELECTION_RULES.includes(set.selection)) {
    throw new SparkError(
      'invalid_argument',
      `generateStage: set.selection: expected one of ${SELECTION_RULES.join(', ')}, got ${shown(set.selection)}`,
    );
  }
  const part = set.questions ?? 'train';
  return {
    name: `generate ${nameOfSet(set)}`,
    async dependsOn(run) {
      return { ...(await rolloutFacts(run, set)), ...questionFacts(await run.questions.of(part)) };
    },
    async prepare(run, changed) {
      const questions = await run.questions.of(part);
      await refuseStrangers(run, questions);
      const file = run.folder.trajectoriesFile(nameOfSet(set));
      if (changed !== null && leavesAnswers(changed)) return regrade(run, file, 'block', { changed, questions });
      // Other questions are added to the set; after any other change it would be a mixture of different rollouts.
      const other = (changed ?? []).filter((change) => !isOneQuestion(change));
      if (other.length === 0) return;
      if (!existsSync(file) || statSync(file).size === 0) return;
      throw new SparkError(
        'run_exists',
        `${file} was made under other rules than these (${inWords(other)}): give another --run, or the same settings ` +
          'as before; or remove the file, when its trajectories are no longer wanted',
      );
    },
    execute: (run) => generate(run, set),
    price: (config, root) => priceOfRollouts(config, set, root),
  };
}

async function generate(run: Run, set: ChosenSet): Promise<Outcome<GenerateSummary>> {
  const { folder, log } = run;
  const name = nameOfSet(set);
  const file = folder.trajectoriesFile(name);
  const questions = await run.questions.of(set.questions ?? 'train');
  const tally = new StepTally(set);
  const store = await TrajectoryStore.open(file, { log, onStored: (trajectory) => tally.add(trajectory) });
  const todo = questions.filter((question) => !store.has(trajectoryId(question.question_id, set, 0)));
  const started = performance.now();
  let written = 0;
  let skipCodes: Readonly<Record<string, number>> = {};
  let firstSkip: GenerateSummary['firstSkip'] = null;
  try {
    if (todo.length > 0) {
      const progress = new GenerateProgress(todo.length);
      skipCodes = await rollOut(run, todo, { set, tally }, (result, counters) => {
        progress.add(isTrajectory(result) ? result : null);
        if (isTrajectory(result)) {
          store.append(result);
          tally.add(result);
          written += 1;
        } else {
          store.appendSkip(result);
          firstSkip ??= { code: result.code, message: result.message };
        }
        log.progress(progress.line(name, tally, counters));
      });
    }
  } finally {
    store.close();
  }
  const result = {
    file: path.relative(folder.root, file),
    set: name,
    questions: questions.length,
    written,
    already: questions.length - todo.length,
    trajectories: store.size,
    skipped: Object.values(skipCodes).reduce((sum, one) => sum + one, 0),
    skipCodes,
    firstSkip,
    actions: tally.actions,
    fallbacks: tally.fallbacks,
    audit: tally.audit(),
    seconds: (performance.now() - started) / 1000,
  };
  if (written + result.already === 0) throw nothingCame(result, file);
  if (Object.keys(result.actions).length === 0) log.warn(noSteps(result));
  log.info(`generate ${generateText(result)}`);
  // Never complete, so that the next call counts what is there and tries skipped questions again.
  return { result, files: [file], complete: false, units: written + result.skipped };
}

/** What was written, what was there, and why questions were skipped, in words. */
export function generateText(summary: GenerateSummary): string {
  const { set, questions, written, already, trajectories, skipped, seconds, fallbacks, actions, audit } = summary;
  const more = trajectories === written + already ? '' : `; the set holds ${trajectories}`;
  const steps = Object.values(actions).reduce((sum, count) => sum + count, 0);
  const fell = fallbacks === 0 ? '' : `; ${fallbackText(fallbacks, steps)}`;
  const noise = audit === null ? '' : `\n${auditText(audit)}`;
  const why = skipped === 0 ? '' : `\n${skipsText(summary)}`;
  return (
    `${set}: ${written} trajectories written, ${already} were there, ${skipped} skipped, of ${questions} questions ` +
    `in ${seconds.toFixed(1)} s${more}${fell}${noise}${why}`
  );
}

function skipsText({ skipped, skipCodes, firstSkip }: GenerateSummary): string {
  const codes = Object.entries(skipCodes).map(([code, count]) => `${count} ${code}`);
  return `${skipped} skipped: ${codes.join(', ')}; the first, ${firstSkip?.code}: ${firstSkip?.message}`;
}

function noSteps({ set, trajectories }: GenerateSummary): string {
  return (
    `generate ${set}: none of ${trajectories} trajectories has a step, so there is no choice of an action to learn from; ` +
    'set rollout.minSteps to 1 or more (--min-steps)'
  );
}

function nothingCame(summary: GenerateSummary, file: string): SparkError {
  return new SparkError(
    'no_data',
    `generate ${summary.set}: none of ${summary.questions} questions gave a trajectory. ${skipsText(summary)}. Each stands in ` +
      `${skipsFile(file)}; mend the cause and run the same command again`,
  );
}

/** `counters`: what the judge has counted so far. */
type Handle = (result: Trajectory | Skip, counters: MetricRow) => void;

async function rollOut(
  run: Run,
  todo: readonly Question[],
  { set, tally }: { readonly set: ChosenSet; readonly tally: StepTally },
  handle: Handle,
): Promise<Readonly<Record<string, number>>> {
  const { config, parts, folder, log, signal } = run;
  const { judge, counters, warnings, used } = await parts.judge();
  let skipCodes: Readonly<Record<string, number>> = {};
  const generator = await parts.generator(rolloutAdapter(run, set), 'learn');
  try {
    // The highest score is the highest, whatever τ is.
    const watch = { states: config.judge.watchStates, tau: set.selection === 'max-score' ? null : set.tau };
    const deps = { generator, judge: watched(judge, watch), tools: parts.tools(), grade: parts.grader(), signal };
    const { temperature, minSteps } = config.rollout;
    const { questions: _part, ...chosen } = set;
    const settings = rolloutSettings(config, { ...chosen, temperature, minSteps });
    skipCodes = (await runRollouts(todo, deps, settings, (result) => handle(result, counters()))).skipCodes;
    for (const warning of warnings()) log.warn(warning);
    const took = used();
    if (took !== null) log.info(`judge: ${took}`);
    const work = inferenceText(generator);
    if (work !== null) log.info(work);
    return skipCodes;
  } finally {
    // After an interruption, too: what the judge did was paid for.
    folder.metrics.append({
      event: 'generate',
      set: nameOfSet(set),
      fallback_rate: tally.fallbackRate(),
      ...auditRow(tally.audit()),
      ...skipCodes,
      ...counters(),
      ...inferenceRow(generator),
    });
    await generator.dispose();
  }
}
