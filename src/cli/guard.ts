/**
 * Whatever this process prints, by our hand, by yargs' or by Node's when it crashes, goes through `redact`. Done once and
 * before anything else is loaded, because a print that had to remember it would be forgotten one day.
 */
import { noteArguments, noteEnvironment, redact } from '../secrets/redact.js';
import { reportCrash } from './run.js';

noteEnvironment(process.env);
noteArguments(process.argv.slice(2));
guard(process.stdout);
guard(process.stderr);
// Node would write what nobody caught past every stream, as it is.
process.on('uncaughtException', reportCrash);

function guard(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]) =>
    write(typeof chunk === 'string' ? redact(chunk) : chunk, ...rest);
}
