/** A failed write to stdout (full disk, size limit) is reported like any other error, with a code and a message. */
import { isNodeError, writeError } from '../errors.js';

/** To be called once, before anything is written. */
export function guardStreams(exitCode: number): void {
  // Past `ulimit -f` the system kills the process silently. With a listener the write fails instead, and is reported.
  process.on('SIGXFSZ', () => {});
  process.stdout.on('error', (error) => {
    // EPIPE: the reader has left (`| head`), so there is nobody to tell.
    if (!(isNodeError(error) && error.code === 'EPIPE')) {
      const { code, message } = writeError(error, 'the result to stdout');
      process.stderr.write(`error [${code}]: ${message}\n`);
    }
    process.exit(exitCode);
  });
  // The terminal is gone; the command goes on without it.
  process.stderr.on('error', () => {});
}
