/**
 * One side of a comparison: a program that warms up, waits for its turns, and measures itself. `bench_train --turns`
 * and `bench/peers/run.py --turns` have the same protocol: they print `{"ready": true}`, then one line for each `run N`
 * on stdin, and at the end of stdin the results.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The results that a contender prints; fields that only one side has are optional. */
export interface Measured {
  readonly tokens: number;
  readonly repeats: number;
  readonly ms_median: number;
  readonly ms_min: number;
  readonly ms: readonly number[];
  readonly tokens_per_second: number;
  readonly tokens_per_second_best: number;
  readonly peak_bytes: number;
  readonly peak_how: string;
  /** Libraries and weights before the first repeat */
  readonly resident_before_bytes: number;
  /** One entry for each repeat, including warm-up, so that an index means the same step on every side. */
  readonly losses: readonly Readonly<Record<string, number>>[];
  readonly warm_seconds?: number;
  readonly stepwise_tokens?: number;
  readonly planned?: { readonly recompute: string; readonly total_bytes: number };
  readonly products?: {
    readonly sgemm_1024_flops: number;
    readonly bf16_1024_flops: number;
    readonly flops: number;
    readonly share_of_rate: number;
    readonly share_inside_onednn: number;
  };
}

export class Contender {
  readonly name: string;
  readonly command: readonly string[];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #limitMs: number;
  #said = '';

  constructor(name: string, command: readonly string[], limitSeconds = 1800) {
    this.name = name;
    this.command = command;
    this.#limitMs = limitSeconds * 1000;
    this.#child = spawn(command[0]!, command.slice(1));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4000);
    });
    // A child that has ended is noticed by the end of its output; the broken pipe need not be reported as well.
    this.#child.stdin.on('error', () => {});
    this.#child.on('error', (error) => {
      this.#said += error.message;
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.#next();
  }

  async run(repeats: number): Promise<void> {
    this.#child.stdin.write(`run ${repeats}\n`);
    await this.#next();
  }

  async end(): Promise<Measured> {
    this.#child.stdin.end();
    return (await this.#next()) as Measured;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  /** The next line as JSON; throws with the end of the child's stderr when there is none. */
  async #next(): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#failure(`said nothing for ${this.#limitMs / 1000} s`)), this.#limitMs);
    });
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late]);
      if (done === true) throw this.#failure('ended before its result');
      const parsed = parse(value);
      if (parsed === null) throw this.#failure(`expected a line of JSON, got ${value.slice(0, 200)}`);
      return parsed;
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(what: string): Error {
    const last = this.#said.trim().split('\n').slice(-3).join(' | ');
    return new Error(`${this.name} ${what}${last === '' ? '' : `: ${last}`}`);
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
