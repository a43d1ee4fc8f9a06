/**
 * The trajectories of a run: `trajectories.jsonl`, one a line, only ever appended to, and beside it
 * `trajectories.skips.jsonl` with the questions that gave none and why. A line is written when a rollout is finished,
 * so whatever ends the process costs only what was still under way.
 */
import { existsSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { type Log, silentLog } from '../log.js';
import { redact } from '../secrets/redact.js';
import { JsonlAppender, readJsonl } from './jsonl.js';
import { skipSchema, trajectorySchema } from './schema.js';
import type { Skip, Trajectory } from './trajectory.js';

export interface StoreOptions {
  readonly log?: Log;
  /**
   * Wait for the disk at every line. Default false: lines survive the end of the process in any way, but the last
   * seconds may be lost when the machine itself goes down.
   */
  readonly fsync?: boolean;
}

/** Every trajectory of the file, each checked and none twice; `invalid_file` names the line. */
export async function readTrajectories(file: string, log: Log = silentLog): Promise<Trajectory[]> {
  const all = await collect(readJsonl(file, trajectorySchema, tornIn(file, log)));
  const lines = new Map<string, number>();
  all.forEach(({ id }, index) => {
    const before = lines.get(id);
    if (before !== undefined) throw doubleLine(file, id, before, index + 1);
    lines.set(id, index + 1);
  });
  return all;
}

export async function readSkips(file: string, log: Log = silentLog): Promise<Skip[]> {
  return collect(readJsonl(skipsFile(file), skipSchema, tornIn(skipsFile(file), log)));
}

function tornIn(file: string, log: Log): () => void {
  return () => log.warn(`${file}: the last line was never finished and is left out`);
}

/** Two processes wrote, or two files were joined. Learned from twice, it would weigh twice. */
function doubleLine(file: string, id: string, first: number, second: number): SparkError {
  return new SparkError(
    'invalid_file',
    `${file}: expected every trajectory once, got ${id} in line ${first} and again in line ${second}; remove one of both lines`,
  );
}

/** `trajectories.jsonl` → `trajectories.skips.jsonl` */
export function skipsFile(file: string): string {
  return file.replace(/(\.jsonl)?$/, '.skips.jsonl');
}

export class TrajectoryStore {
  readonly #trajectories: JsonlAppender;
  readonly #skips: JsonlAppender;
  readonly #ids = new Set<string>();
  /** What was there at opening. */
  readonly stored: readonly Trajectory[];

  private constructor(trajectories: JsonlAppender, skips: JsonlAppender, stored: readonly Trajectory[]) {
    this.#trajectories = trajectories;
    this.#skips = skips;
    this.stored = stored;
    for (const { id } of stored) this.#ids.add(id);
  }

  /** Opens or makes the file. A last line that a crash tore is cut off, with a warning. */
  static async open(file: string, options: StoreOptions = {}): Promise<TrajectoryStore> {
    const { log = silentLog, fsync = false } = options;
    const stored = existsSync(file) ? await readTrajectories(file) : [];
    const appenders = [new JsonlAppender(file, fsync), new JsonlAppender(skipsFile(file), fsync)] as const;
    for (const { droppedBytes, file: name } of appenders) {
      if (droppedBytes > 0)
        log.warn(`${name}: the last line was never finished (${droppedBytes} bytes); it is made again`);
    }
    return new TrajectoryStore(...appenders, stored);
  }

  /** An id that is there need not be generated again. */
  has(id: string): boolean {
    return this.#ids.has(id);
  }

  append(trajectory: Trajectory): void {
    if (this.#ids.has(trajectory.id)) {
      throw new SparkError('invalid_argument', `expected a new trajectory, but ${trajectory.id} is stored already`);
    }
    this.#trajectories.append(trajectory);
    this.#ids.add(trajectory.id);
  }

  appendSkip(skip: Skip): void {
    this.#skips.append({ ...skip, message: redact(skip.message) });
  }

  close(): void {
    this.#trajectories.close();
    this.#skips.close();
  }
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}
