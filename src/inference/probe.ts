/**
 * llama.cpp checks many things by assertions, and a failed assertion ends the process. So a model file that is new to
 * this machine is first opened in a child process. If the child survives, the hash of the file is remembered.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inCacheFolder } from '../cacheFolder.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { withoutSecrets } from '../secrets/sources.js';

export interface Probe {
  readonly modelPath: string;
  readonly sha256: string;
  /** Version of node-llama-cpp: another version asserts other things. */
  readonly library: string;
  readonly bytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `invalid_file` with llama.cpp's last words when the file would end this process. */
export async function probeOnce(probe: Probe): Promise<void> {
  const mark = inCacheFolder('opened', `${probe.sha256.replace(/^sha256:/, '')}-${probe.library}`);
  if (await exists(mark)) return;
  if (await survives(probe)) await remember(mark);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function remember(mark: string): Promise<void> {
  try {
    await mkdir(path.dirname(mark), { recursive: true });
    await writeFile(mark, '');
  } catch {
    // Without a writable cache folder the file is tried again each time.
  }
}

/** True when the file opens. False when the library refuses it in an orderly way, as it then will in this process too. */
async function survives({ modelPath, bytes, signal }: Probe): Promise<boolean> {
  throwIfAborted(signal);
  const child = startProbe();
  const stop = (): void => void child.process.kill('SIGKILL');
  signal?.addEventListener('abort', stop);
  try {
    // Loading maps the file and reads all weights once; a disk gives 20 MB/s or more.
    const answer = await child.open(path.resolve(modelPath), 120_000 + bytes / 20_000);
    throwIfAborted(signal);
    if (answer.ended === undefined) return answer.refusal === null;
    // The library itself did not load; loading it in this process will report why.
    if (!answer.ready) return false;
    if (answer.ended === 'SIGKILL') {
      throw new SparkError(
        'out_of_memory',
        `the system ended the process that tried ${modelPath}, which may need more memory than there is; ` +
          'free memory or use a smaller model',
      );
    }
    throw refused(modelPath, `${answer.ended}: ${answer.refusal}`);
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

function refused(modelPath: string, reason: string): SparkError {
  return new SparkError(
    'invalid_file',
    `expected a GGUF model that llama.cpp can load, but ${modelPath} ended a process that tried it (${reason}); ` +
      'the file may be damaged or newer than this llama.cpp: download it again, or update node-llama-cpp',
  );
}

export interface ProbeAnswer {
  /** Null when the file opens; else why the library refuses it, or its last words when the process ended. */
  readonly refusal: string | null;
  /** Set when the process ended: the signal, the exit code, or that it did not answer in time. */
  readonly ended?: string;
  /** The library was loaded. */
  readonly ready: boolean;
}

export interface ProbeProcess {
  readonly process: ChildProcess;
  /** Kills the process when it has not answered `patienceMs` after the library was loaded. */
  open(file: string, patienceMs: number): Promise<ProbeAnswer>;
}

/** The same relative path from src/inference and dist/inference: the package ships this one file of src/. */
const PROBE = fileURLToPath(new URL('../../src/inference/probeChild.mjs', import.meta.url));

/** Starts a child that opens one file after another until one of them ends it. */
export function startProbe(): ProbeProcess {
  if (!existsSync(PROBE)) {
    throw new SparkError(
      'internal',
      `expected ${PROBE}, which tries new model files, got none; install the package again`,
    );
  }
  const child = fork(PROBE, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    // Otherwise ggml starts a debugger on an abort, for a backtrace that nobody reads.
    env: { ...withoutSecrets(process.env), GGML_NO_BACKTRACE: '1' },
  });
  let words = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-4000);
  });
  let settle: (answer: ProbeAnswer) => void = () => undefined;
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
    settle({ refusal: lastWords(words), ended: gone, ready: loaded });
    markReady();
  };
  child.on('error', (error) => end(error.message));
  // `close`, not `exit`: only then has all its stderr arrived.
  child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));
  const open = async (file: string, patienceMs: number): Promise<ProbeAnswer> => {
    await ready;
    if (gone !== null) return { refusal: lastWords(words), ended: gone, ready: loaded };
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

/** The line of stderr about a failed assertion or an uncaught exception; else the last line. */
export function lastWords(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /assert|abort|what\(\)|fatal/i.test(line)) ?? lines.at(-1) ?? 'no words').trim();
}
