#!/usr/bin/env node
/**
 * spark-rl: one yargs module per command. Results go to stdout (one JSON document with --json), everything else to
 * stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted and resumable.
 */
import './guard.js';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { packageVersion } from '../package.js';
import { commands } from './commands.js';
import { EXIT_FAILED, endWith } from './run.js';
import { guardStreams } from './streams.js';
import { usageError, WORDS } from './usage.js';

guardStreams(EXIT_FAILED);
const args = hideBin(process.argv);

await yargs(args)
  .updateStrings(WORDS)
  .scriptName('spark-rl')
  .usage('$0 <command>\n\nTeaches a language model to use rare tools: offline step-wise PPO (SPaRK, arXiv 2507.11371).')
  .command(commands)
  .demandCommand(1, 'Name a command; start with: spark-rl quickstart')
  .strict()
  .recommendCommands()
  .version(packageVersion())
  .help()
  .alias({ h: 'help' })
  .wrap(Math.min(120, process.stdout.columns ?? 100))
  // Commands report their own failures (run.ts); what arrives here is a command line that could not be understood.
  .fail((message, error) => {
    if (error) throw error;
    wrongUsage(message);
  })
  .parseAsync()
  .catch((error: unknown) => {
    if (error instanceof Error && error.name === 'YError') wrongUsage(error.message); // what yargs' parser throws
    throw error;
  });

function wrongUsage(message: string): never {
  endWith(usageError(message, args), { json: args.includes('--json'), quiet: false });
}
