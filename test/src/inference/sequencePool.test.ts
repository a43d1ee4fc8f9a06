import { describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { type HeldSequence, LEAST_COPIED, SequencePool } from '../../../src/inference/sequencePool.js';

class Held implements HeldSequence<Held> {
  tokens: number[] = [];
  discarded = false;

  get length(): number {
    return this.tokens.length;
  }

  holds(tokens: readonly number[]): number {
    const differs = this.tokens.findIndex((token, at) => token !== tokens[at]);
    return differs < 0 ? this.tokens.length : differs;
  }

  async keep(count: number): Promise<void> {
    this.tokens.length = Math.min(count, this.tokens.length);
  }

  async copy(from: Held): Promise<boolean> {
    this.tokens = [...from.tokens];
    return true;
  }

  async discard(): Promise<void> {
    this.discarded = true;
  }
}

function poolOf(size: number, { reuse = true, copies = true } = {}) {
  const made: Held[] = [];
  const make = () => {
    if (made.filter(({ discarded }) => !discarded).length === size) throw new Error('No sequences left');
    made.push(new Held());
    return made.at(-1)!;
  };
  const alone = async <T>(work: () => Promise<T>): Promise<T> => {
    await new Promise(setImmediate);
    return work();
  };
  const pool = new SequencePool<Held>({ size, reuse, copies, make, alone });
  const add = async (held: Held, missing: readonly number[]) => {
    await new Promise(setImmediate);
    held.tokens.push(...missing);
    return missing.length;
  };
  /** Starts `tokens`, checks that the sequence holds just them, and says how many had to be evaluated. */
  const start = async (tokens: readonly number[]) => {
    const { sequence, result } = await pool.start(tokens, add);
    expect(sequence.tokens).toEqual(tokens);
    return { sequence, evaluated: result };
  };
  return { pool, made, start, add };
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, at) => from + at);
const HEAD = range(1, LEAST_COPIED + 8);
const prompt = (question: number): number[] => [...HEAD, ...range(1000 * question, 5)];

describe('a pool of sequences', () => {
  it('keeps what the next prompt has in common with the last, whatever was written after it', async () => {
    const { pool, start, made } = poolOf(4);
    const first = await start(prompt(1));
    first.sequence.tokens.push(7, 7, 7);
    await pool.give(first.sequence);
    expect(await start(prompt(2))).toEqual({ sequence: first.sequence, evaluated: 5 });
    expect(made).toHaveLength(1);
    expect(pool.counts).toEqual({ reused: HEAD.length, evaluated: prompt(1).length + 5, again: 0 });
  });

  it('evaluates the last token again even when all are there, for what comes after it', async () => {
    const { pool, start } = poolOf(1);
    await pool.give((await start(prompt(1))).sequence);
    expect((await start(prompt(1))).evaluated).toBe(1);
  });

  it('evaluates a common start once for prompts that come together, and copies it', async () => {
    const { pool, start, made } = poolOf(3);
    const started = await Promise.all([start(prompt(1)), start(prompt(2)), start(prompt(3))]);
    expect(started.map(({ evaluated }) => evaluated)).toEqual([prompt(1).length, 5, 5]);
    expect(new Set(started.map(({ sequence }) => sequence)).size).toBe(3);
    expect(made).toHaveLength(3);
    expect(pool.counts).toEqual({ reused: 2 * HEAD.length, evaluated: prompt(1).length + 10, again: 0 });
  });

  it('copies from a sequence in use to one that holds less, and leaves the other as it is', async () => {
    const { pool, start } = poolOf(2);
    const other = await start(range(5000, 40));
    const first = await start(prompt(1));
    await pool.give(other.sequence);
    const second = await start(prompt(2));
    expect(second).toEqual({ sequence: other.sequence, evaluated: 5 });
    expect(first.sequence.tokens).toEqual(prompt(1));
  });

  it('neither waits nor copies for a start too short to pay for it, or for none', async () => {
    const { start } = poolOf(3);
    const short = HEAD.slice(0, LEAST_COPIED - 1);
    const prompts = [[...short, 8001, 8002], [...short, 9001], range(4000, 50)];
    const started = await Promise.all(prompts.map(start));
    expect(started.map(({ evaluated }) => evaluated)).toEqual(prompts.map(({ length }) => length));
  });

  it('gives up first what was idle longest', async () => {
    const { pool, start } = poolOf(2);
    const [one, two] = [await start(prompt(1)), await start(range(7000, 50))];
    await pool.give(one.sequence);
    await pool.give(two.sequence);
    expect((await start(range(9000, 50))).sequence).toBe(one.sequence);
    expect((await start(range(7000, 60))).evaluated).toBe(10);
  });

  it('goes on after a failure of whom others waited for, whose sequence is not used again', async () => {
    const { pool, made, start } = poolOf(2);
    const failing = pool.start(prompt(1), async () => {
      await new Promise(setImmediate);
      throw new Error('no memory');
    });
    const waiting = start(prompt(2));
    await expect(failing).rejects.toThrow('no memory');
    expect((await waiting).evaluated).toBe(prompt(2).length);
    expect(made[0]!.discarded).toBe(true);
    await start(prompt(3));
    expect(made).toHaveLength(3);
  });

  it('takes nothing from a source that was cut while the copy waited', async () => {
    const { pool, add } = poolOf(2);
    const { sequence } = await pool.start(prompt(1), add);
    const second = pool.start(prompt(2), add);
    sequence.tokens.length = 3;
    expect((await second).sequence.tokens).toEqual(prompt(2));
    expect(pool.counts.reused).toBe(0);
  });

  it('has empty sequences too', async () => {
    const { pool, start } = poolOf(1);
    await pool.give((await start(prompt(1))).sequence);
    const held = await pool.empty();
    expect(held.tokens).toEqual([]);
    await pool.give(held);
    expect((await start(prompt(1))).evaluated).toBe(prompt(1).length);
  });

  it.each([
    { reuse: false, copies: true, later: prompt(3).length },
    { reuse: true, copies: false, later: 5 },
  ])('reuse $reuse, copies $copies', async ({ later, ...options }) => {
    const { pool, start } = poolOf(2, options);
    const started = await Promise.all([start(prompt(1)), start(prompt(2))]);
    expect(started.map(({ evaluated }) => evaluated)).toEqual([prompt(1).length, prompt(2).length]);
    await pool.give(started[0]!.sequence);
    expect((await start(prompt(3))).evaluated).toBe(later);
  });

  it('refuses everything once it is closed, those who wait included', async () => {
    const { pool, start } = poolOf(3);
    const first = start(prompt(1));
    const waiting = start(prompt(2));
    pool.close(new SparkError('disposed', 'gone'));
    await first;
    await expect(waiting).rejects.toMatchObject({ code: 'disposed' });
    await expect(pool.empty()).rejects.toMatchObject({ code: 'disposed' });
  });

  it('leaves a parked sequence to its owner, and copies from it', async () => {
    const { pool, start, made } = poolOf(2);
    const first = await start(prompt(1));
    const ticket = pool.park(first.sequence);
    expect(pool.parked).toBe(1);
    expect((await start(prompt(2))).evaluated).toBe(5);
    expect(made).toHaveLength(2);
    expect(first.sequence.tokens).toEqual(prompt(1));
    expect(pool.resume(ticket)).toBe(true);
    expect(pool.resume(ticket)).toBe(false);
  });

  it('evicts the shortest, whose owner finds what is left of it and counts what it evaluates again', async () => {
    const { pool, start, add } = poolOf(2);
    const long = pool.park((await start([...prompt(1), 1, 2, 3])).sequence);
    const short = pool.park((await start(prompt(2))).sequence);
    pool.evict();
    expect([pool.parked, pool.resume(short)]).toEqual([1, false]);
    const other = await start([8, 9]);
    expect(other.sequence).toBe(short.sequence);
    // The ticket is worth nothing, also when the sequence is parked by another.
    pool.park(other.sequence);
    expect(pool.resume(short)).toBe(false);
    await pool.leave(short);
    expect(pool.parked).toBe(2);
    pool.evict();
    const { result } = await pool.start(prompt(2), add, true);
    expect(result).toBe(5);
    expect(pool.counts.again).toBe(5);
    expect(pool.resume(long)).toBe(true);
    await pool.leave(long);
  });

  it('reuses nothing of an evicted sequence where states cannot be cut', async () => {
    const { pool, start } = poolOf(1, { reuse: false });
    pool.park((await start(prompt(1))).sequence);
    pool.evict();
    expect((await start(prompt(2))).evaluated).toBe(prompt(2).length);
  });
});
