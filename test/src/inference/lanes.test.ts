import { describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { Lane, Lanes, shareSequences } from '../../../src/inference/lanes.js';

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

describe('Lanes', () => {
  const two = () => new Lanes([new Lane('a', 2), new Lane('b', 2)]);

  it('fills the emptiest lane first', async () => {
    const lanes = two();
    const taken = [await lanes.take(), await lanes.take(), await lanes.take(), await lanes.take()];
    expect(taken.map(({ context }) => context)).toEqual(['a', 'b', 'a', 'b']);
    lanes.give(taken[1]!);
    expect((await lanes.take()).context).toBe('b');
  });

  it('lets who comes late wait for the place that is given back', async () => {
    const lanes = two();
    const taken = [await lanes.take(), await lanes.take(), await lanes.take(), await lanes.take()];
    let late: string | null = null;
    const waiting = lanes.take().then(({ context }) => {
      late = context;
    });
    await new Promise(setImmediate);
    expect(late).toBeNull();
    lanes.give(taken[3]!);
    await waiting;
    expect(late).toBe('b');
    expect(lanes.all.map(({ free }) => free)).toEqual([0, 0]);
  });

  it('keeps the place of one who gave up waiting', async () => {
    const lanes = new Lanes([new Lane('a', 1)]);
    const taken = await lanes.take();
    const controller = new AbortController();
    const waiting = lanes.take(controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
    lanes.give(taken);
    expect((await lanes.take()).context).toBe('a');
  });

  it('refuses all who wait when it is closed', async () => {
    const lanes = new Lanes([new Lane('a', 1)]);
    await lanes.take();
    const waiting = lanes.take();
    lanes.close(new SparkError('disposed', 'gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'disposed' });
    await expect(lanes.take()).rejects.toMatchObject({ code: 'disposed' });
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
