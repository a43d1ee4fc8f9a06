/**
 * Runs a command line in the test's own process, where a model's library is loaded once and not for every command: that
 * takes as long as most of these commands. What is said of processes (signals, exits, limits, secrets on the way out) is
 * tested with `runCli`.
 */
import { runProgram } from '../../../src/cli/program.js';
import type { Finished } from './runCli.js';

/** Thrown by `process.exit` while a command runs. */
class Exited extends Error {}

/** One at a time: it stands in for the whole process. */
export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Finished> {
  const { argv, exit, exitCode, env: outer, stdout, stderr } = process;
  const written = { stdout: '', stderr: '' };
  const writers = [stdout.write, stderr.write] as const;
  const into = (name: keyof typeof written) =>
    ((chunk: string | Uint8Array) => {
      written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    }) as typeof stdout.write;
  process.argv = [argv[0]!, 'spark-rl', ...args];
  process.env = { ...outer, OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined, ...env };
  for (const name of Object.keys(process.env)) if (process.env[name] === undefined) delete process.env[name];
  process.exitCode = undefined;
  process.exit = () => {
    throw new Exited();
  };
  [stdout.write, stderr.write] = [into('stdout'), into('stderr')];
  try {
    await runProgram(args).catch((error: unknown) => {
      if (!(error instanceof Exited)) throw error;
    });
    const code = Number(process.exitCode ?? 0);
    return { code, ...written, json: () => JSON.parse(written.stdout) as never };
  } finally {
    [stdout.write, stderr.write] = writers;
    Object.assign(process, { argv, exit, exitCode, env: outer });
  }
}
