/**
 * Keeps what tools answered that ask others (the web, a server), so that the same input is asked once, and a run can be made again
 * without them. One line an answer, by the hash of what decides it: the tool, its settings without keys, the input. A failure that
 * may pass is no answer: it is kept for the one step that had it, and whoever asks the same later asks anew.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { readJsonl } from '../jsonl/read.js';
import { JsonlAppender } from '../jsonl/write.js';
import { checkKeys, type KeysOf } from '../options.js';
import { oneLine } from './observation.js';
import type { ToolResult } from './tool.js';

/** `on`: asks for what was never recorded, and records it. `replay`: asks nobody. */
export const RECORD_MODES = ['off', 'on', 'replay'] as const;
export type RecordMode = (typeof RECORD_MODES)[number];

const line = z.object({
  key: z.string().regex(/^[0-9a-f]{64}$/),
  tool: z.string(),
  input: z.string(),
  /** What went wrong; null: it is the answer. */
  error: z.enum(['tool_input', 'tool_failed', 'tool_timeout']).nullable(),
  observation: z.string(),
  /** The step that was told so, of a failure and of an answer that came after one; absent: it holds for all. */
  step: z.string().optional(),
  /** When it was answered. */
  time: z.string(),
});

type Recording = z.infer<typeof line>;

/** What a file holds. */
interface Known {
  /** By key. */
  readonly answers: Map<string, Recording>;
  /** What steps were told last that were told of a failure, by key and step. */
  readonly failures: Map<string, Recording>;
}

/** What decides an answer. */
export interface RecordedCall {
  /** The action's name, for who reads the file. */
  readonly tool: string;
  /** Of one level, without keys. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly input: string;
  /** Which step asks (`ToolContext`); absent: a failure is not kept. */
  readonly step?: string | undefined;
}

export interface RecorderOptions {
  readonly file: string;
  readonly mode: 'on' | 'replay';
  /** Whether answers are kept; false where another process may be writing. */
  readonly writes: boolean;
}

const OPTIONS = { file: true, mode: true, writes: true } as const satisfies KeysOf<RecorderOptions>;

export class Recorder {
  readonly #options: RecorderOptions;
  #known: Promise<Known> | null = null;
  #appender: JsonlAppender | null = null;
  #closed = false;

  /** Opens nothing; the first call does. */
  constructor(options: RecorderOptions) {
    checkKeys(options, OPTIONS, 'Recorder: options');
    this.#options = options;
  }

  /**
   * What was recorded, else what `ask` answers. Throws `tool_unavailable` for what a replay never heard, and for a record that
   * cannot be read or written.
   */
  async answer(asked: RecordedCall, ask: () => Promise<ToolResult>): Promise<ToolResult> {
    const key = keyOf(asked);
    const known = await this.#recordings();
    if (this.#options.mode === 'replay') return this.#replayed(asked, key, known);
    const before = known.answers.get(key);
    const given = before === undefined ? await ask() : resultOf(before);
    // Another call may have asked the same meanwhile: what was kept first is what a replay answers to both.
    const first = known.answers.get(key);
    const result = first === undefined ? given : resultOf(first);
    const { tool, input, step } = asked;
    const failedBefore = known.failures.has(ofStep(key, step));
    if (first !== undefined && !failedBefore) return result;
    const error = result.ok ? null : result.code;
    // Nobody could be told of it again.
    if (isFailure(error) && step === undefined) return result;
    const whose = isFailure(error) || failedBefore ? { step } : {};
    const kept = { key, tool, input, error, observation: result.observation, ...whose, time: new Date().toISOString() };
    this.#keep(kept);
    take(known, kept);
    return result;
  }

  #replayed({ tool, input, step }: RecordedCall, key: string, { answers, failures }: Known): ToolResult {
    const told = failures.get(ofStep(key, step)) ?? answers.get(key);
    if (told !== undefined) return resultOf(told);
    throw new SparkError(
      'tool_unavailable',
      `tools.record: replay, but ${this.#options.file} has no answer of ${tool} with these settings to: ${oneLine(input, 120)}. ` +
        'Set tools.record=on: it asks for what is missing alone',
    );
  }

  async warm(): Promise<void> {
    await this.#recordings();
  }

  async dispose(): Promise<void> {
    this.#closed = true;
    this.#appender?.close();
    this.#appender = null;
  }

  #recordings(): Promise<Known> {
    this.#known ??= this.#load().catch((error: Error) => {
      // What failed may be mended, and is then tried again.
      this.#known = null;
      throw unusable(error);
    });
    return this.#known;
  }

  async #load(): Promise<Known> {
    const { file } = this.#options;
    const known: Known = { answers: new Map(), failures: new Map() };
    if (!existsSync(file)) return known;
    // A last line that a kill cut off is left out, and asked for again.
    for await (const one of readJsonl(file, line)) take(known, one);
    return known;
  }

  #keep(kept: Recording): void {
    const { file, writes } = this.#options;
    // A call that was left behind at the end of the run.
    if (!writes || this.#closed) return;
    try {
      // Opening cuts off what a kill left of a line.
      this.#appender ??= new JsonlAppender(file, false);
      this.#appender.append(kept);
    } catch (error) {
      throw unusable(error as Error);
    }
  }
}

/** Of answers the first counts, as it may have been given to many; of what one step was told the last: its rollout was made anew. */
function take({ answers, failures }: Known, one: Recording): void {
  const { key, step, error } = one;
  if (isFailure(error)) {
    failures.set(ofStep(key, step), one);
    return;
  }
  if (!answers.has(key)) answers.set(key, one);
  failures.delete(ofStep(key, step));
}

/** Whether the same call may be answered the next time. */
function isFailure(error: Recording['error']): boolean {
  return error === 'tool_failed' || error === 'tool_timeout';
}

function ofStep(key: string, step: string | undefined): string {
  return `${key} ${step ?? ''}`;
}

function keyOf({ settings, input }: RecordedCall): string {
  const sorted = Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted, input]))
    .digest('hex');
}

function resultOf({ error, observation }: Recording): ToolResult {
  return error === null ? { ok: true, observation } : { ok: false, code: error, observation };
}

/** Ends the run: without its record a rollout would be made of other answers than the next one. */
function unusable(error: Error): SparkError {
  return new SparkError('tool_unavailable', `tools.record: ${error.message}`, { cause: error });
}
