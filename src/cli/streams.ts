/** What the system says to a process that cannot write becomes an error like any other, with a code and words. */
import { isNodeError, writeError } from '../errors.js';

/** Once, before anything is written. */
export function guardStreams(exitCode: number): void {
  // Past `ulimit -f` the system kills without a word, unless someone listens: then the write itself fails, which is reported.
  process.on('SIGXFSZ', () => {});
  process.stdout.on('error', (error) => {
    // Nobody reads on (`| head`): there is nothing to tell, and nobody to tell it to.
    if (!(isNodeError(error) && error.code === 'EPIPE')) {
      const { code, message } = writeError(error, 'the result to stdout');
      process.stderr.write(`error [${code}]: ${message}\n`);
    }
    process.exit(exitCode);
  });
  // A terminal that is gone. What a command does goes on without it.
  process.stderr.on('error', () => {});
}
