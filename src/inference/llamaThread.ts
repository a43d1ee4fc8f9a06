/**
 * The thread between this process and that of llamaChild.ts, whose parent it is. Tokenising is not awaited: the thread that
 * asks stands still until the answer is there, and could not hear it. This one does, and wakes it.
 */
import { fork } from 'node:child_process';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Ending, FromChild, FromThread, ToChild } from './llamaMessages.js';

export interface ThreadData {
  /** The child's file */
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  /** Brings the calls that somebody stands still for, and takes their answers. */
  readonly port: MessagePort;
  /** One int32, which changes when an answer lies in `port`. */
  readonly answers: SharedArrayBuffer;
}

const { file, env, port, answers } = workerData as ThreadData;
const counter = new Int32Array(answers);
/** Calls that somebody stands still for */
const awaited = new Set<number>();
let ending: Ending | null = null;
let stderr = '';

const child = fork(file, {
  // Its own session: Ctrl-C must reach only the program, which then says what is to be aborted.
  detached: true,
  stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  serialization: 'advanced',
  execArgv: [],
  env,
});
child.stderr!.setEncoding('utf8').on('data', (text: string) => {
  stderr = (stderr + text).slice(-4000);
});
child.on('message', (answer: FromChild) => {
  if (awaited.delete(answer.id)) wake({ answer });
  else tell({ answer });
});
child.on('error', (error) => end(error.message));
// `close`, not `exit`: only then has all its stderr arrived.
child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));

parentPort!.on('message', (message: ToChild | 'kill') => {
  if (message === 'kill') child.kill('SIGKILL');
  else send(message);
});
port.on('message', (message: ToChild & { readonly id: number }) => {
  if (ending !== null) return wake({ ending });
  awaited.add(message.id);
  send(message);
});
tell({ pid: child.pid });

function send(message: ToChild): void {
  // A message that does not arrive means that the process has ended, which `close` reports.
  if (child.connected) child.send(message, () => undefined);
}

function tell(message: FromThread): void {
  parentPort!.postMessage(message);
}

function wake(message: FromThread): void {
  port.postMessage(message);
  Atomics.add(counter, 0, 1);
  Atomics.notify(counter, 0);
}

function end(how: string): void {
  if (ending !== null) return;
  ending = { how, stderr };
  for (const _ of awaited) wake({ ending });
  tell({ ending });
}
