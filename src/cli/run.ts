/** What every command shares: signals, result output, failure output, exit codes. */
import { once, setMaxListeners } from 'node:events';
import { type SparkError, toSparkError } from '../errors.js';
import { createLog, type Log, silentLog } from '../log.js';
import { redactedJson } from '../secrets/redact.js';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_INTERRUPTED = 130;

const USAGE_CODES: ReadonlySet<string> = new Set(['invalid_argument', 'invalid_config']);

export interface CommandContext {
  readonly log: Log;
  /** Fires at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** A command's outcome: what --json prints, and how a person reads it. */
export interface CommandResult {
  readonly json?: unknown;
  readonly text?: string;
  /** In place of both: what is too long to be held, piece by piece, in the form that was asked for. */
  readonly stream?: AsyncIterable<string>;
  /** For checks that ran and found something wrong. */
  readonly failed?: boolean;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Runs a command's body and turns whatever happens into output and an exit code. */
export async function runCommand(
  output: OutputOptions,
  body: (context: CommandContext) => Promise<CommandResult>,
  { resumes }: { readonly resumes: boolean },
): Promise<void> {
  const controller = new AbortController();
  // Every rollout under way adds a listener; without this Node would warn of a leak.
  setMaxListeners(0, controller.signal);
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    process.stderr.write(`\nstopping${resumes ? ': saving what is finished' : ''} (again to stop at once)\n`);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // Node ends when nothing keeps its event loop alive, and some of what a body awaits does not; this timer does.
  const alive = setInterval(() => {}, 60_000);
  try {
    const log = output.quiet ? silentLog : createLog();
    const result = await body({ log, signal: controller.signal });
    await print(result, output.json);
    if (result.failed) process.exitCode = EXIT_FAILED;
  } catch (error) {
    reportFailure(toSparkError(error), output, resumes);
  } finally {
    clearInterval(alive);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

async function print({ json, text = '', stream }: CommandResult, asJson: boolean): Promise<void> {
  if (stream === undefined) {
    process.stdout.write(asJson ? `${redactedJson(json)}\n` : text === '' ? '' : `${text}\n`);
    return;
  }
  for await (const piece of stream) {
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
  }
}

/** Reports what no command has caught, which is a mistake of ours, as other failures are reported. */
export function reportCrash(error: unknown): never {
  reportFailure(toSparkError(error), { json: false, quiet: false });
  process.exit(EXIT_FAILED);
}

/** Reports the error and ends the process. */
export function endWith(error: SparkError, output: OutputOptions): never {
  reportFailure(error, output);
  process.exit();
}

function reportFailure(error: SparkError, output: OutputOptions, resumes = true): void {
  if (output.json) process.stdout.write(`${redactedJson({ error: { code: error.code, message: error.message } })}\n`);
  process.stderr.write(`error [${error.code}]: ${error.message}\n`);
  if (error.code === 'internal' && error.stack) process.stderr.write(`${error.stack}\n`);
  if (error.code === 'interrupted') {
    const next = resumes ? ' to go on from here' : ': nothing of this time is kept, it begins anew';
    process.stderr.write(`run the same command again${next}\n`);
    // What is finished is on disk by now. Exit, so that no client's timer or tool's process keeps the command from
    // ending.
    process.exit(EXIT_INTERRUPTED);
  }
  process.exitCode = USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAILED;
}
