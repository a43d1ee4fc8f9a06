/**
 * Stores trajectories in a file, one a line, and the questions that gave none, with the reason, in `….skips.jsonl`
 * beside it. A line is appended when a rollout is finished, so that when the process ends only unfinished rollouts are
 * lost.
 */
import { existsSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { readJsonl } from '../jsonl/read.js';
import { JsonlAppender } from '../jsonl/write.js';
import { type Log, silentLog } from '../log.js';
import { checkKeys, type KeysOf } from '../options.js';
import { redact } from '../secrets/redact.js';
import { trajectorySchema } from './schema.js';
import { eachOnce } from './seenIds.js';
import type { Skip, Trajectory } from './trajectory.js';

export interface StoreOptions {
  readonly log?: Log;
  /** Called with every trajectory that the file already has. */
  readonly onStored?: (trajectory: Trajectory) => void;
  /**
   * Wait for the disk after every line. Default false: lines survive however the process ends, but those of the last
   * seconds may be lost when the machine goes down.
   */
  readonly fsync?: boolean;
}

const OPTIONS = { log: true, onStored: true, fsync: true } as const satisfies KeysOf<StoreOptions>;

/**
 * The trajectories of the file one by one, with only one in memory at a time. Throws `invalid_file`, naming the line,
 * for one that is not valid or is there twice.
 */
export async function* readTrajectories(file: string, log: Log = silentLog): AsyncGenerator<Trajectory> {
  const onTorn = () => log.warn(`${file}: the last line was never finished and is left out`);
  yield* eachOnce(
    (pass) => readJsonl(file, trajectorySchema, pass === 'first' ? onTorn : undefined),
    (id, first, second) => doubleLine(file, id, first, second),
  );
}

/** The error for a trajectory that is there twice, which would count twice in a loss. */
function doubleLine(file: string, id: string, first: number, second: number): SparkError {
  return new SparkError(
    'invalid_file',
    `${file}: expected every trajectory once, got ${id} in line ${first} and again in line ${second}; remove one of the two lines`,
  );
}

/** `max-score.jsonl` → `max-score.skips.jsonl` */
export function skipsFile(file: string): string {
  return file.replace(/(\.jsonl)?$/, '.skips.jsonl');
}

export class TrajectoryStore {
  readonly #trajectories: JsonlAppender;
  readonly #skips: JsonlAppender;
  readonly #ids: Set<string>;

  private constructor(trajectories: JsonlAppender, skips: JsonlAppender, ids: Set<string>) {
    this.#trajectories = trajectories;
    this.#skips = skips;
    this.#ids = ids;
  }

  /** Opens or creates the file. A last line that a crash cut short is removed, with a warning. */
  static async open(file: string, options: StoreOptions = {}): Promise<TrajectoryStore> {
    checkKeys(options, OPTIONS, 'TrajectoryStore.open: options');
    const { log = silentLog, fsync = false, onStored } = options;
    const ids = new Set<string>();
    if (existsSync(file)) {
      for await (const trajectory of readTrajectories(file)) {
        ids.add(trajectory.id);
        onStored?.(trajectory);
      }
    }
    const appenders = [new JsonlAppender(file, fsync), new JsonlAppender(skipsFile(file), fsync)] as const;
    for (const { droppedBytes, file: name } of appenders) {
      if (droppedBytes > 0)
        log.warn(`${name}: the last line was never finished (${droppedBytes} bytes); it is made again`);
    }
    return new TrajectoryStore(...appenders, ids);
  }

  get size(): number {
    return this.#ids.size;
  }

  /** Whether a trajectory with this id is stored. */
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
