/**
 * Whatever this process prints, by our hand or by yargs', goes through `redact`. Wrapped once at the start, because a
 * print that had to remember it would be forgotten one day.
 */
import { noteArguments, noteEnvironment, redact } from '../secrets/redact.js';

export function guardOutput(): void {
  noteEnvironment(process.env);
  noteArguments(process.argv.slice(2));
  guard(process.stdout);
  guard(process.stderr);
}

function guard(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]) =>
    write(typeof chunk === 'string' ? redact(chunk) : chunk, ...rest);
}
