/** Running commands with a sign of life, and saying what went wrong. Everything goes to stderr: stdout is for results. */
import { spawn, spawnSync } from 'node:child_process';

const started = Date.now();
const watched = () => process.stderr.isTTY === true && !silent;
/** Between two signs of life where nobody sees a line change. */
const HEARTBEAT_MS = 15_000;
const TAIL_LINES = 40;
let silent = false;

/** A failure that the user can do something about. */
export class SetupError extends Error {
  /** @param {string} code @param {string} message what was expected, what came instead, what to do */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** For a caller that wants no words: failures still say everything. */
export function sayNothing() {
  silent = true;
}

export function elapsed() {
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}

/** @param {string} message */
export function say(message) {
  if (silent) return;
  process.stderr.write(`setup ${elapsed().padStart(8)}  ${message}\n`);
}

/**
 * Runs a command to its end. Its last line of output shows as progress; all of its last lines show when it fails. A
 * `signal` that fires ends the command with everything it has started, and its reason is thrown.
 * @param {string} what what it does, for people
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, code: string, advice: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal | undefined, onLine?: (line: string) => void }} options
 *   `code`, `advice`: of its failure
 * @returns {Promise<void>}
 */
export async function run(what, command, args, options) {
  const { signal } = options;
  signal?.throwIfAborted();
  const tty = watched();
  say(`${what} …`);
  const begun = Date.now();
  /** @type {string[]} */
  const tail = [];
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: the builders that cmake has started end with it.
    detached: signal !== undefined,
  });
  const stop = () => endGroup(child);
  signal?.addEventListener('abort', stop);
  const seconds = () => ((Date.now() - begun) / 1000).toFixed(0);
  const heartbeat = setInterval(() => say(`${what} … ${seconds()} s  ${tail.at(-1) ?? ''}`), HEARTBEAT_MS);
  if (tty) clearInterval(heartbeat);
  for (const stream of [child.stdout, child.stderr]) {
    onLines(stream, (line) => {
      options.onLine?.(line);
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      if (tty)
        process.stderr.write(`\r\u001b[K${`  ${seconds()} s  ${line}`.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    });
  }
  /** @type {number | string} */
  const end = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'unknown'));
  });
  clearInterval(heartbeat);
  signal?.removeEventListener('abort', stop);
  if (tty) process.stderr.write('\r\u001b[K');
  signal?.throwIfAborted();
  if (end === 0) return say(`${what}: done in ${seconds()} s`);
  const output = tail.length === 0 ? '  (no output)' : tail.map((line) => `  ${line}`).join('\n');
  throw new SetupError(
    options.code,
    `${what} failed (${end}). The command was\n  ${[command, ...args].join(' ')}\nand its last lines were\n${output}\n${options.advice}`,
  );
}

/** @param {import('node:child_process').ChildProcess} leader */
function endGroup(leader) {
  if (leader.pid === undefined) return;
  try {
    process.kill(-leader.pid, 'SIGTERM');
  } catch {
    // Ended by itself in the meantime.
  }
}

/** @param {import('node:stream').Readable} stream @param {(line: string) => void} use */
function onLines(stream, use) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk) => {
    const lines = (rest + chunk).split(/\r?\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') use(line);
  });
  stream.on('end', () => {
    if (rest.trim() !== '') use(rest);
  });
}

/**
 * Output of a short command, or null when it is not there or fails.
 * @param {string} command @param {string[]} args @param {string} [input]
 */
export function output(command, args, input = '') {
  const done = spawnSync(command, args, { input, encoding: 'utf8', timeout: 60_000 });
  return done.status === 0 ? done.stdout : null;
}
