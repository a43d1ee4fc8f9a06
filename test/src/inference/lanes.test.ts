import { describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { belowHalf, Lane, Lanes, never, shareSequences } from '../../../src/inference/lanes.js';

describe('shareSequences', () => {
  it.each([
    { sequences: 16, threads: 4, perLane: 1, expected: [4, 4, 4, 4] },
    { sequences: 7, threads: 3, perLane: 1, expected: [2, 2, 3] },
    { sequences: 16, threads: 4, perLane: 3, expected: [16] },
    { sequences: 16, threads: 2, perLane: 4, expected: [16] },
    { sequences: 5, threads: 8, perLane: 1, expected: [2, 3] },
    { sequences: 1, threads: 8, perLane: 1, expected: [1] },
  ])('$sequences sequences, $threads threads, $perLane a lane', ({ sequences, threads, perLane, expected }) => {
    expect(shareSequences(sequences, threads, perLane)).toEqual(expected);
  });
});

/** A context that says who it lets go. */
class Context {
  parked = 0;
  evicted = 0;
  constructor(readonly name: string) {}

  evict(): void {
    this.parked -= 1;
    this.evicted += 1;
  }
}
const lane = (name: string, size: number) => new Lane(new Context(name), size);

describe('Lanes', () => {
  const two = () => new Lanes([lane('a', 2), lane('b', 2)]);

  it('fills the emptiest lane first', async () => {
    const lanes = two();
    const taken = [await lanes.take(), await lanes.take(), await lanes.take(), await lanes.take()];
    expect(taken.map(({ context }) => context.name)).toEqual(['a', 'b', 'a', 'b']);
    lanes.give(taken[1]!);
    expect((await lanes.take()).context.name).toBe('b');
  });

  it('lets who comes late wait for the place that is given back', async () => {
    const lanes = two();
    const taken = [await lanes.take(), await lanes.take(), await lanes.take(), await lanes.take()];
    let late: string | null = null;
    const waiting = lanes.take().then(({ context }) => {
      late = context.name;
    });
    await new Promise(setImmediate);
    expect(late).toBeNull();
    lanes.give(taken[3]!);
    await waiting;
    expect(late).toBe('b');
    expect(lanes.all.map(({ free }) => free)).toEqual([0, 0]);
  });

  it('keeps the place of one who gave up waiting', async () => {
    const lanes = new Lanes([lane('a', 1)]);
    const taken = await lanes.take();
    const controller = new AbortController();
    const waiting = lanes.take(controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
    lanes.give(taken);
    expect((await lanes.take()).context.name).toBe('a');
  });

  it('refuses all who wait when it is closed', async () => {
    const lanes = new Lanes([lane('a', 1)]);
    await lanes.take();
    const waiting = lanes.take();
    lanes.close(new SparkError('disposed', 'gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'disposed' });
    await expect(lanes.take()).rejects.toMatchObject({ code: 'disposed' });
  });

  it('leaves who rests its place while half of them decode, and then gives it to who waits', async () => {
    const lanes = new Lanes([lane('a', 4)], belowHalf);
    const [only] = lanes.all;
    const { context } = only!;
    for (let i = 0; i < 4; i++) await lanes.take();
    const entered: number[] = [];
    for (const at of [1, 2]) void lanes.take().then(() => entered.push(at));
    /** A turn ends, and its sequence stays. */
    const rest = async () => {
      context.parked += 1;
      lanes.give(only!);
      await new Promise(setImmediate);
    };
    await rest();
    await rest();
    expect([entered, context.evicted]).toEqual([[], 0]);
    await rest();
    expect([entered, context.evicted, only!.turns]).toEqual([[1], 1, 2]);
    // Who is kept goes on at once, though another waits.
    context.parked -= 1;
    lanes.resume(only!);
    expect(only!.turns).toBe(3);
    // Two rest, one goes.
    lanes.give(only!);
    await new Promise(setImmediate);
    expect([entered, context.evicted, only!.free]).toEqual([[1, 2], 1, 0]);
  });

  it('never takes a place from who rests where that would change what it computes', async () => {
    const lanes = new Lanes([lane('a', 1)], never);
    const taken = await lanes.take();
    taken.context.parked = 1;
    lanes.give(taken);
    const waiting = lanes.take();
    await new Promise(setImmediate);
    expect(taken.context.evicted).toBe(0);
    taken.context.parked = 0;
    lanes.wake();
    expect((await waiting).context.name).toBe('a');
  });

  it('is idle when the rounds of every lane are', async () => {
    const lanes = two();
    let done = false;
    void lanes.all[1]!.rounds.run(async () => {
      await new Promise(setImmediate);
      done = true;
    });
    await lanes.idle();
    expect(done).toBe(true);
  });
});
