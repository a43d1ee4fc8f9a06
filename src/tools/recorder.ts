/**
 * Keeps what tools answered that ask others (the web, a server), so that the same input is asked once, and a run can be made again
 * without them. One line a answer, by the hash of what decides it: the tool, its settings without keys, the input.
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
  /** What went wrong with the input; null: it is the answer. */
  error: z.literal('tool_input').nullable(),
  observation: z.string(),
  /** When it was answered. */
  time: z.string(),
});

type Recording = z.infer<typeof line>;

/** What decides an answer. */
export interface RecordedCall {
  /** The action's name, for who reads the file. */
  readonly tool: string;
  /** Of one level, without keys. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly input: string;
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
  #known: Promise<Map<string, Recording>> | null = null;
  #appender: JsonlAppender | null = null;
  #closed = false;

  /** Opens nothing; the first call does. */
  constructor(options: RecorderOptions) {
    checkKeys(options, OPTIONS, 'Recorder: options');
    this.#options = options;
  }

  /**
   * What was recorded, else what `ask` answers. A failure that may pass is no answer, and not kept. Throws `tool_unavailable` for
   * what a replay never heard, and for a record that cannot be read or written.
   */
  async answer(asked: RecordedCall, ask: () => Promise<ToolResult>): Promise<ToolResult> {
    const { mode, file } = this.#options;
    const key = keyOf(asked);
    const known = await this.#recordings();
    const before = known.get(key);
    if (before !== undefined) return resultOf(before);
    if (mode === 'replay') {
      throw new SparkError(
        'tool_unavailable',
        `tools.record: replay, but ${file} has no answer of ${asked.tool} with these settings to: ${oneLine(asked.input, 120)}. ` +
          'Set tools.record=on: it asks for what is missing alone',
      );
    }
    const result = await ask();
    if (!result.ok && result.code !== 'tool_input') return result;
    // Another call may have asked the same meanwhile: what was kept first is what a replay answers to both.
    const first = known.get(key);
    if (first !== undefined) return resultOf(first);
    const { tool, input } = asked;
    const { observation } = result;
    const error = result.ok ? null : ('tool_input' as const);
    const kept = { key, tool, input, error, observation, time: new Date().toISOString() };
    this.#keep(kept);
    known.set(key, kept);
    return result;
  }

  async warm(): Promise<void> {
    await this.#recordings();
  }

  async dispose(): Promise<void> {
    this.#closed = true;
    this.#appender?.close();
    this.#appender = null;
  }

  #recordings(): Promise<Map<string, Recording>> {
    this.#known ??= this.#load().catch((error: Error) => {
      // What failed may be mended, and is then tried again.
      this.#known = null;
      throw unusable(error);
    });
    return this.#known;
  }

  async #load(): Promise<Map<string, Recording>> {
    const { file } = this.#options;
    const known = new Map<string, Recording>();
    if (!existsSync(file)) return known;
    // A last line that a kill cut off is left out, and asked for again.
    for await (const one of readJsonl(file, line)) if (!known.has(one.key)) known.set(one.key, one);
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
