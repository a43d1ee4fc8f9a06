/** A child process in which llama.cpp opens one file after another, because its assertions end the process. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Answer {
  /** Null when the file opens; else why the library refuses it, or its last words when the process ended. */
  readonly refusal: string | null;
  /** Set when the process ended: the signal, the exit code, or that it did not answer in time. */
  readonly ended?: string;
  /** The library was loaded. */
  readonly ready: boolean;
}

export interface Opener {
  readonly process: ChildProcess;
  /** Kills the process when it has not answered `patienceMs` after the library was loaded. */
  open(file: string, patienceMs: number): Promise<Answer>;
}

/** Starts a child that opens one file after another until one of them ends it. */
export function startOpener(): Opener {
  const child = fork(fileURLToPath(new URL('openerChild.mjs', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    // Otherwise ggml starts a debugger on an abort, for a backtrace that nobody reads.
    env: { ...process.env, GGML_NO_BACKTRACE: '1' },
  });
  let words = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-4000);
  });
  let settle: (answer: Answer) => void = () => undefined;
  let gone: string | null = null;
  let loaded = false;
  let markReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    markReady = resolve;
  });
  child.on('message', (message: 'ready' | { refusal: string | null }) => {
    if (message === 'ready') {
      loaded = true;
      markReady();
    } else settle({ refusal: message.refusal, ready: true });
  });
  const end = (how: string): void => {
    gone ??= how;
    settle({ refusal: words.trim().slice(-500), ended: gone, ready: loaded });
    markReady();
  };
  child.on('error', (error) => end(error.message));
  // `close`, not `exit`: only then has all its stderr arrived.
  child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));
  const open = async (file: string, patienceMs: number): Promise<Answer> => {
    await ready;
    if (gone !== null) return { refusal: words.trim().slice(-500), ended: gone, ready: loaded };
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        end(`no answer in ${Math.round(patienceMs / 1000)} seconds`);
        child.kill('SIGKILL');
      }, patienceMs);
      settle = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      words = '';
      child.send(file, (error) => {
        if (error !== null && child.exitCode === null && child.signalCode === null) end(error.message);
      });
    });
  };
  return { process: child, open };
}
