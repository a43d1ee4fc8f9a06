/** `trajectories show`, `stats` and `export`: what is there is read, one trajectory at a time, and never written to. */

import { SparkError, throwIfAborted } from '../../errors.js';
import { SetTally } from '../../evaluate/setStats.js';
import { loadQuestions } from '../../questions/load.js';
import { stepReward } from '../../reward.js';
import { runRoot } from '../../run/folder.js';
import { MINI, miniQuestions } from '../../run/questions.js';
import { redactedJson } from '../../secrets/redact.js';
import { AskedQuestions } from '../../stages/askedQuestions.js';
import { type ExportSummary, exportText, exportTrajectories } from '../../stages/exportTrajectories.js';
import type { FormatName } from '../../stages/trajectoryFormats.js';
import { type OpenedSources, openSources, type TrajectorySource } from '../../stages/trajectorySources.js';
import { matching, type TrajectoryFilter } from '../../trajectory/filter.js';
import { type TrajectoryView, viewOf } from '../../trajectory/view.js';
import type { CommandContext, CommandResult } from '../run.js';
import { type NamedStats, statsText } from './statsText.js';
import { paintFor, transcript } from './transcript.js';

/** The options that the three share. */
export interface Look {
  readonly run: string | undefined;
  readonly sets: readonly string[] | undefined;
  readonly stages: readonly string[] | undefined;
  readonly files: readonly string[];
  readonly filter: TrajectoryFilter;
  readonly questions: string | undefined;
  readonly json: boolean;
}

async function opened({ run, sets, stages, files }: Look, context: CommandContext): Promise<OpenedSources> {
  if (run === undefined && files.length === 0) {
    throw new SparkError(
      'invalid_argument',
      'expected a run or a file of trajectories, got neither: --run NAME, or a path',
    );
  }
  return openSources({ run: run === undefined ? undefined : runRoot(run), sets, stages, files }, context);
}

async function questionsOf({ questions }: Look, { run }: OpenedSources, { log }: CommandContext) {
  const given =
    questions === undefined ? undefined : questions === MINI ? miniQuestions() : await loadQuestions(questions);
  return new AskedQuestions({ run, given, log });
}

export interface ShowOptions {
  /** From 1, among those that match; absent: from the first on. */
  readonly nth: number | undefined;
  /** So many; 0: all. */
  readonly limit: number;
  /** ρ; absent: the run's, else 0.5 */
  readonly rho: number | undefined;
}

export async function show(look: Look, options: ShowOptions, context: CommandContext): Promise<CommandResult> {
  for (const [flag, value, least] of [
    ['--nth', options.nth ?? 1, 1],
    ['--limit', options.limit, 0],
  ] as const) {
    if (Number.isInteger(value) && value >= least) continue;
    throw new SparkError('invalid_argument', `${flag}: expected a whole number from ${least} on, got ${value}`);
  }
  const sources = await opened(look, context);
  const questions = await questionsOf(look, sources, context);
  const views = chosen(sources, questions, look.filter, options, context);
  return { stream: look.json ? asJson(views) : asText(views, context) };
}

type Shown = { readonly set: string; readonly view: TrajectoryView } | 'more';

/** Those that match, `more` where the limit left some out. Throws `no_data` where none does. */
async function* chosen(
  { run, sources }: OpenedSources,
  questions: AskedQuestions,
  filter: TrajectoryFilter,
  { nth, limit, rho = run?.config.reward.rho ?? 0.5 }: ShowOptions,
  { signal }: CommandContext,
): AsyncGenerator<Shown> {
  const reward = run?.parts.reward(rho) ?? ((step: Parameters<typeof stepReward>[0]) => stepReward(step, rho));
  const wanted = matching(filter);
  const first = nth ?? 1;
  const most = nth === undefined ? (limit === 0 ? Number.POSITIVE_INFINITY : limit) : 1;
  let matched = 0;
  try {
    for (const source of sources) {
      for await (const trajectory of source.read()) {
        throwIfAborted(signal);
        if (!wanted(trajectory)) continue;
        matched += 1;
        if (matched < first) continue;
        if (matched >= first + most) {
          if (nth === undefined) yield 'more';
          return;
        }
        yield { set: source.name, view: viewOf(trajectory, await questions.of(source, trajectory), reward) };
      }
    }
    if (matched < first) throw noneMatches(sources, matched, first);
  } finally {
    await questions.dispose();
    run?.close();
  }
}

function noneMatches(sources: readonly TrajectorySource[], matched: number, first: number): SparkError {
  const where = sources.map(({ name }) => name).join(', ');
  return new SparkError(
    'no_data',
    matched === 0
      ? `no trajectory of ${where} matches; spark-rl trajectories stats shows what there is`
      : `expected ${first} trajectories of ${where} or more that match, got ${matched}`,
  );
}

async function* asText(views: AsyncIterable<Shown>, { log }: CommandContext): AsyncGenerator<string> {
  const paint = paintFor(process.stdout);
  let isFirst = true;
  for await (const shown of views) {
    if (shown === 'more') log.info('there are more; --limit 0 shows all, --nth N the N-th');
    else yield (isFirst ? '' : '\n\n') + transcript(shown.view, shown.set, paint);
    isFirst = false;
  }
}

async function* asJson(views: AsyncIterable<Shown>): AsyncGenerator<string> {
  let before = '{"trajectories":[';
  let more = false;
  for await (const shown of views) {
    if (shown === 'more') more = true;
    else {
      yield `${before}\n${redactedJson({ set: shown.set, ...shown.view })}`;
      before = ',';
    }
  }
  yield `\n],"more":${more}}\n`;
}

export async function stats(look: Look, context: CommandContext): Promise<CommandResult> {
  const { run, sources } = await opened(look, context);
  const { log, signal } = context;
  const wanted = matching(look.filter);
  const sets: NamedStats[] = [];
  try {
    for (const source of sources) {
      const tally = new SetTally(source);
      let read = 0;
      for await (const trajectory of source.read()) {
        throwIfAborted(signal);
        if (wanted(trajectory)) tally.add(trajectory);
        read += 1;
        if (read % 100 === 0) log.progress(`stats ${source.name} ${read}`);
      }
      sets.push({ name: source.name, file: source.file, ...tally.stats() });
    }
  } finally {
    run?.close();
  }
  if (sets.every(({ trajectories }) => trajectories === 0)) throw noneMatches(sources, 0, 1);
  return { json: { sets }, text: statsText(sets) };
}

export interface ExportOptions {
  readonly format: FormatName;
  readonly out: string | undefined;
  readonly overwrite: boolean;
}

export async function exportOne(
  look: Look,
  { format, out, overwrite }: ExportOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (out === undefined) {
    throw new SparkError('invalid_argument', 'trajectories export expects --out FILE, where to write');
  }
  const sources = await opened(look, context);
  const [source, ...others] = sources.sources;
  if (source === undefined || others.length > 0) {
    const names = sources.sources.map(({ name }) => name).join(', ');
    throw new SparkError('invalid_argument', `expected one set to export, got ${names}; name it with --set or --stage`);
  }
  const questions = await questionsOf(look, sources, context);
  try {
    const { run } = sources;
    const actions = run === null || run.parts.lost ? [] : run.parts.actions();
    const summary: ExportSummary = await exportTrajectories(
      { source, format, out, overwrite, filter: look.filter, actions, questions },
      context,
    );
    return { json: summary, text: exportText(summary) };
  } finally {
    await questions.dispose();
    sources.run?.close();
  }
}
