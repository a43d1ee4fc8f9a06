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
import { EXIT_FAILED, EXIT_USAGE } from './run.js';
import { guardStreams } from './streams.js';

guardStreams(EXIT_FAILED);

await yargs(hideBin(process.argv))
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
  .fail((message, error, parser) => {
    // Commands report their own failures (run.ts); what arrives here is a command line that could not be understood.
    if (error) throw error;
    parser.showHelp('error');
    process.stderr.write(`\n${message}\n`);
    process.exit(EXIT_USAGE);
  })
  .parseAsync();
