/** `spark-rl report`: writes a run's page; the run itself is only read. */
import path from 'node:path';
import { isNodeError, SparkError } from '../../errors.js';
import type { Log } from '../../log.js';
import { readReport } from '../../report/read.js';
import { renderLadderTable } from '../../report/text.js';
import { runRoot } from '../../run/folder.js';
import { Run } from '../../run/run.js';
import { writeWhole } from '../../sealed.js';
import { defineCommand } from '../command.js';

export default defineCommand({
  options: {
    run: { type: 'string', demandOption: true, describe: 'run folder: a name under runs/, or a path' },
    out: { type: 'string', describe: 'file to write instead of report.html in the run folder' },
  },
  examples: [['$0 report --run /archive/my --out my.html', 'of a run that may not be written to']],
  async run(args, { log, signal }) {
    const run = Run.read(runRoot(args.run), { log, signal });
    const { html, stages } = await readReport(run);
    const report = await write(html, args.out, run.folder.reportFile, log);
    return { json: { report, stages: stages.length }, text: report ?? renderLadderTable(stages) };
  },
});

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
