/** `spark-rl report`: writes a run's page, or serves it while the run goes on; the run itself is only read. */
import path from 'node:path';
import { isNodeError, SparkError } from '../../errors.js';
import { type Log, silentLog } from '../../log.js';
import { type NamedRun, readReports } from '../../report/many.js';
import { readReport } from '../../report/read.js';
import { servePage } from '../../report/serve.js';
import { renderLadderTable } from '../../report/text.js';
import { runRoot } from '../../run/folder.js';
import { Run } from '../../run/run.js';
import { SweepFolder } from '../../run/sweepFolder.js';
import { writeWhole } from '../../sealed.js';
import { defineCommand } from '../command.js';
import type { CommandContext } from '../run.js';

export default defineCommand({
  options: {
    run: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'run folder: a name under runs/, or a path; several runs, or a sweep, come on one page',
    },
    out: {
      type: 'string',
      describe: 'file to write instead of report.html in the run folder; needed for several runs',
    },
    watch: {
      type: 'boolean',
      default: false,
      describe: 'serve the page on this machine, up to date, until Ctrl-C; writes nothing',
    },
    port: { type: 'number', describe: 'for --watch; default a free one' },
  },
  examples: [
    ['$0 report --run /archive/my --out my.html', 'of a run that may not be written to'],
    ['$0 report --run a b --out both.html', 'two runs side by side, with paired differences'],
    ['$0 report --run my --watch', 'a page to keep open beside a training'],
  ],
  async run(args, { log, signal }) {
    refuseUnused(args);
    if (args.watch) return watch(args.run, args.port ?? 0, { log, signal });
    return withRuns(args.run, { log, signal }, async (runs) => {
      if (runs.length > 1) return many(runs, args.out);
      const [{ run }] = runs;
      const { html, stages } = await readReport(run);
      const report = await write(html, args.out, run.folder.reportFile, log);
      return { json: { report, stages: stages.length }, text: report ?? renderLadderTable(stages) };
    });
  },
});

function refuseUnused({
  watch,
  out,
  port,
}: {
  watch: boolean;
  out?: string | undefined;
  port?: number | undefined;
}): void {
  if (watch && out !== undefined)
    throw new SparkError('invalid_argument', '--out: --watch writes no file; leave one out');
  if (!watch && port !== undefined)
    throw new SparkError('invalid_argument', '--port is for --watch; add it, or leave it out');
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536)) {
    throw new SparkError('invalid_argument', `--port: expected a whole number from 0 to 65535, got ${port}`);
  }
}

/** The browser asks again after so long. */
const WATCH_SECONDS = 15;

async function watch(names: readonly string[], port: number, context: CommandContext) {
  const { log, signal } = context;
  // Read anew each time: a sweep gets new runs, a run new stages. What is half done is no warning here.
  const render = () =>
    withRuns(names, { log: silentLog, signal }, async (runs) => {
      return (runs.length > 1 ? await readReports(runs) : await readReport(runs[0].run)).html;
    });
  const { url, closed } = await servePage(render, { port, everySeconds: WATCH_SECONDS, signal });
  log.info(`${url} shows it, new every ${WATCH_SECONDS} s; Ctrl-C ends this`);
  await closed;
  return { json: { url }, text: '' };
}

/** Does the work with the runs that are named, and closes them: a run's own parts may hold something open. */
async function withRuns<T>(
  names: readonly string[],
  context: CommandContext,
  work: (runs: readonly [NamedRun, ...NamedRun[]]) => Promise<T>,
): Promise<T> {
  const runs: NamedRun[] = [];
  try {
    for (const { name, root } of rootsOf(names)) runs.push({ name, run: await Run.readWithParts(root, context) });
    const [first, ...others] = runs;
    if (first === undefined) throw new SparkError('no_data', `${names.join(', ')}: expected a run or more, got none`);
    return await work([first, ...others]);
  } finally {
    for (const { run } of runs) run.close();
  }
}

/** The runs that are named, a sweep as its runs. */
function rootsOf(given: readonly string[]): { readonly name: string; readonly root: string }[] {
  return given.flatMap((name) => {
    const root = runRoot(name);
    if (!SweepFolder.isSweep(root)) return [{ name, root }];
    const sweep = SweepFolder.at(root);
    return sweep.seeds().map((seed) => ({ name: `${name}/seed-${seed}`, root: sweep.runFolder(seed) }));
  });
}

async function many(runs: readonly NamedRun[], out: string | undefined) {
  if (out === undefined) {
    throw new SparkError(
      'invalid_argument',
      `expected --out FILE for a page of ${runs.length} runs, which belongs to none of them, got none`,
    );
  }
  const { html, ...report } = await readReports(runs);
  const file = path.resolve(out);
  await writeWhole(file, html);
  return { json: { report: file, ...report }, text: file };
}

/** The file written; null, after a warning, when the run folder is read-only: then the table is shown instead. */
async function write(html: string, out: string | undefined, usual: string, log: Log): Promise<string | null> {
  const file = out === undefined ? usual : path.resolve(out);
  try {
    await writeWhole(file, html);
    return file;
  } catch (error) {
    if (out !== undefined || !isReadOnly(error)) throw error;
    log.warn(`${(error as SparkError).message}; --out FILE writes the report to another place`);
    return null;
  }
}

function isReadOnly(error: unknown): boolean {
  const cause = error instanceof SparkError ? error.cause : undefined;
  return isNodeError(cause) && ['EACCES', 'EPERM', 'EROFS'].includes(cause.code ?? '');
}
