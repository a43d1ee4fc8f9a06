/** Runs the built command line as a user does. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const main = path.resolve('dist/cli/main.js');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON document on stdout. */
  json(): never;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Sends this signal once stderr or the run's files satisfy `when`. */
  readonly interrupt?: { readonly signal: NodeJS.Signals; readonly when: () => boolean };
  /** Largest size of a file in KiB (`ulimit -f`). */
  readonly fileLimit?: number;
  /** Runs as this user; only root can. */
  readonly uid?: number;
}

export function runCli(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const env = { ...process.env, OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined, ...options.env };
  const limit = options.fileLimit === undefined ? '' : `ulimit -f ${options.fileLimit}; `;
  const command = limit === '' ? [process.execPath] : ['bash', '-c', `${limit}exec "$0" "$@"`, process.execPath];
  const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  const child = spawn(command[0]!, [...command.slice(1), main, ...args], {
    env,
    ...user,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const { interrupt } = options;
  const poll = setInterval(() => {
    if (interrupt?.when() !== true) return;
    clearInterval(poll);
    child.kill(interrupt.signal);
  }, 20);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearInterval(poll);
      resolve({ code, stdout, stderr, json: () => JSON.parse(stdout) as never });
    });
  });
}

export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'spark-rl-'));
}

export function readLines<T>(file: string): T[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T);
}
