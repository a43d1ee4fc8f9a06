/** The command line: one yargs module per command. */
import yargs from 'yargs';
import { packageVersion } from '../package.js';
import { commands } from './commands.js';
import { endWith } from './run.js';
import { usageError, WORDS } from './usage.js';

/** Runs the command that `args` (without node and script) name; how it ended is in `process.exitCode`. */
export async function runProgram(args: readonly string[]): Promise<void> {
  /** yargs reports what it cannot understand before it knows of our options. */
  const wrongUsage = (message: string): never =>
    endWith(usageError(message, args), { json: args.includes('--json'), quiet: false });
  await yargs([...args])
    .updateStrings(WORDS)
    .scriptName('spark-rl')
    .usage(
      '$0 <command>\n\nTeaches a language model to use rare tools: offline step-wise PPO (SPaRK, arXiv 2507.11371).',
    )
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
}
