import { SparkError } from '../../errors.js';
import { writeReport } from '../../experiment/ladder.js';
import { RunFolder } from '../../experiment/runFolder.js';
import { Session } from '../../experiment/session.js';
import { defineCommand } from '../command.js';
import { configFromArgs } from '../options.js';

export const reportCommand = defineCommand({
  command: 'report',
  describe: 'Write report.html of a run from what it has evaluated and trained so far',
  options: { run: { type: 'string', demandOption: true, describe: 'run folder: a name under runs/, or a path' } },
  async run(args, { log, signal }) {
    if (RunFolder.peek(args.run) === null) {
      throw new SparkError('no_data', `no run at ${args.run}: expected a folder with a config.json`);
    }
    const ladder = await writeReport(await Session.open(await configFromArgs(args), log, signal));
    return { json: { report: ladder.report, stages: ladder.stages.length }, text: ladder.report };
  },
});
