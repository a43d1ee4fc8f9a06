/**
 * Whatever this process prints goes through `redact`, whether we print it, yargs, or Node in a crash. Done here once,
 * before anything else is loaded: were it left to each print, one day one would forget it.
 */
import { noteArguments, noteEnvironment, redact } from '../secrets/redact.js';
import { reportCrash } from './run.js';

noteEnvironment(process.env);
noteArguments(process.argv.slice(2));
guard(process.stdout);
guard(process.stderr);
// Node writes an uncaught error straight to the terminal, past `guard`; so we report it ourselves.
process.on('uncaughtException', reportCrash);

function guard(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]) =>
    write(typeof chunk === 'string' ? redact(chunk) : chunk, ...rest);
}
