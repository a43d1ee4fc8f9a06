/** The stage that rolls out one rollout set; trajectories that exist are kept, only missing questions are rolled out. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SparkError } from '../errors.js';
import { checkKeys } from '../options.js';
import type { Question } from '../questions/question.js';
import { isTrajectory } from '../rollout/rollout.js';
import { runRollouts } from '../rollout/run.js';
import { ActionUsage } from '../rollout/usage.js';
import { inWords } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { nameOfSet, type RolloutSet, trajectoryId } from '../trajectory/rolloutSet.js';
import { TrajectoryStore } from '../trajectory/store.js';
import type { SelectionRule, Trajectory } from '../trajectory/trajectory.js';
import { isOneQuestion, questionFacts, rolloutFacts, rolloutSettings } from './rolloutFacts.js';
import type { Outcome, Stage } from './stage.js';

export interface GenerateSummary {
  /** Relative to the run folder */
  readonly file: string;
  /** Name of the rollout set. */
  readonly set: string;
  readonly questions: number;
  readonly written: number;
  readonly already: number;
  readonly skipped: number;
  /** Skips by code. */
  readonly skipCodes: Readonly<Record<string, number>>;
  /** Steps by action, over all trajectories of the set. */
  readonly actions: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** `set`: the selection and τ of the rollouts. */
export function generateStage(set: {
  readonly selection: SelectionRule;
  readonly tau: number;
}): Stage<GenerateSummary> {
  checkKeys(set, { selection: true, tau: true }, 'generateStage: set');
  return {
    name: `generate ${nameOfSet(set)}`,
    async dependsOn(run) {
      const questions = questionFacts(await run.questions.train());
      return { ...(await rolloutFacts(run, set)), questions };
    },
    async prepare(run, changed) {
      // Other questions are added to the set; after any other change it would be a mixture of different rollouts.
      const other = (changed ?? []).filter((change) => !isOneQuestion(change));
      if (other.length === 0) return;
      const file = run.folder.trajectoriesFile(nameOfSet(set));
      if (!existsSync(file)) return;
      throw new SparkError(
        'run_exists',
        `${file} was made under other rules than these (${inWords(other)}): give another --run, or the same settings ` +
          'as before; or remove the file, when its trajectories are no longer wanted',
      );
    },
    execute: (run) => generate(run, set),
  };
}

type ChosenSet = RolloutSet & { readonly tau: number };

async function generate(run: Run, set: ChosenSet): Promise<Outcome<GenerateSummary>> {
  const { folder, log } = run;
  const name = nameOfSet(set);
  const file = folder.trajectoriesFile(name);
  const questions = await run.questions.train();
  const counts = new ActionUsage();
  const count = ({ steps }: Trajectory) => {
    for (const { action } of steps) counts.add(action);
  };
  const store = await TrajectoryStore.open(file, { log, onStored: count });
  const already = store.size;
  const usage = counts.copy();
  const todo = questions.filter((question) => !store.has(trajectoryId(question.question_id, set, 0)));
  const started = performance.now();
  let written = 0;
  let skipCodes: Readonly<Record<string, number>> = {};
  try {
    if (todo.length > 0) {
      skipCodes = await rollOut(run, todo, { set, usage }, (result) => {
        if (isTrajectory(result)) {
          store.append(result);
          count(result);
          written += 1;
        } else {
          store.appendSkip(result);
        }
        log.progress(`generate ${name} ${written}/${todo.length}`);
      });
    }
  } finally {
    store.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const skipped = Object.values(skipCodes).reduce((sum, one) => sum + one, 0);
  log.info(
    `generate ${name}: ${written} trajectories, ${already} were there, ${skipped} skipped, ${seconds.toFixed(1)} s`,
  );
  const actions = counts.all();
  const result = {
    file: path.relative(folder.root, file),
    set: name,
    questions: questions.length,
    written,
    already,
    skipped,
    skipCodes,
    actions,
    seconds,
  };
  // Never complete, so that the next call counts what is there and tries skipped questions again.
  return { result, files: [file], complete: false };
}

type Handle = Parameters<typeof runRollouts>[3];

async function rollOut(
  run: Run,
  todo: readonly Question[],
  { set, usage }: { readonly set: ChosenSet; readonly usage: ActionUsage },
  handle: Handle,
): Promise<Readonly<Record<string, number>>> {
  const { config, parts, folder, log, signal } = run;
  const { judge, counters, warnings } = parts.judge();
  let skipCodes: Readonly<Record<string, number>> = {};
  const generator = await parts.generator(null);
  try {
    const deps = { generator, judge, tools: parts.tools(), usage, signal };
    const settings = rolloutSettings(config, { ...set, temperature: config.rollout.temperature });
    skipCodes = (await runRollouts(todo, deps, settings, handle)).skipCodes;
    for (const warning of warnings()) log.warn(warning);
    return skipCodes;
  } finally {
    // After an interruption, too: what the judge did was paid for.
    folder.metrics.append({ event: 'generate', set: nameOfSet(set), ...skipCodes, ...counters() });
    await generator.dispose();
  }
}
