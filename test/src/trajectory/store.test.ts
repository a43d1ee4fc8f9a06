import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JsonlAppender } from '../../../src/jsonl/write.js';
import type { Log } from '../../../src/log.js';
import { readTrajectories, TrajectoryStore } from '../../../src/trajectory/store.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { exampleTrajectory, TWO_STEPS } from './example.js';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'spark-store-'));
  file = path.join(folder, 'deeper', 'trajectories.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** All trajectories of the file. */
async function readAll(): Promise<Trajectory[]> {
  const all: Trajectory[] = [];
  for await (const one of readTrajectories(file)) all.push(one);
  return all;
}

const trajectory = (id: string, more: Partial<Trajectory> = {}): Trajectory =>
  exampleTrajectory(TWO_STEPS, [{}, { processOk: null, observation: null, scores: null }], { id, ...more });
// U+2028 ends a line for some readers, but is allowed in JSON; a lone surrogate may come from a broken tool.
const HARD = trajectory('hard', {
  answerText: 'a\u2028b\u0085c\r\n"\\ \ud83d\ude00 \ud800',
  answer: null,
  judge: null,
});

async function stored(ids: readonly string[]): Promise<void> {
  const store = await TrajectoryStore.open(file);
  for (const id of ids) store.append(trajectory(id));
  store.close();
}

describe('TrajectoryStore', () => {
  it('gives back what was put in, and knows what is there when it is opened again', async () => {
    const store = await TrajectoryStore.open(file, { fsync: true });
    store.append(HARD);
    store.append(trajectory('b'));
    store.appendSkip({ questionId: 9, code: 'context_overflow', message: 'too long' });
    store.close();
    expect(await readAll()).toEqual([HARD, trajectory('b')]);
    const skips = readFileSync(file.replace('.jsonl', '.skips.jsonl'), 'utf8');
    expect(JSON.parse(skips)).toEqual({ questionId: 9, code: 'context_overflow', message: 'too long' });
    const again = await TrajectoryStore.open(file);
    expect([again.has('hard'), again.has('b'), again.has('c')]).toEqual([true, true, false]);
    expect(() => again.append(trajectory('b'))).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    again.append(trajectory('c'));
    again.close();
    expect((await readAll()).map(({ id }) => id)).toEqual(['hard', 'b', 'c']);
  });

  it('drops a line that was torn at any byte, says so, and goes on after the last whole one', async () => {
    await stored(['a', 'b']);
    const whole = readFileSync(file);
    const second = whole.indexOf('\n') + 1;
    for (const cut of [second + 1, second + 200, whole.length - 1]) {
      writeFileSync(file, whole.subarray(0, cut));
      expect((await readAll()).map(({ id }) => id)).toEqual(['a']);
      const warnings: string[] = [];
      const log: Log = { info() {}, progress() {}, warn: (message) => void warnings.push(message) };
      const store = await TrajectoryStore.open(file, { log });
      expect(warnings).toHaveLength(1);
      expect(store.has('b')).toBe(false);
      store.append(trajectory('c'));
      store.close();
      expect((await readAll()).map(({ id }) => id)).toEqual(['a', 'c']);
    }
  });

  it('finds the last whole line however long the torn one is', async () => {
    await stored(['a']);
    appendFileSync(file, `{"id":"${'x'.repeat(300_000)}`);
    const appender = new JsonlAppender(file, false);
    expect(appender.droppedBytes).toBe(300_007);
    appender.close();
    expect((await readAll()).map(({ id }) => id)).toEqual(['a']);
  });

  it('names the line that is not a trajectory, and what is wrong with it', async () => {
    await stored(['a', 'b']);
    const [first, second] = readFileSync(file, 'utf8').split('\n');
    const refused = async (line: string, reason: RegExp) => {
      writeFileSync(file, `${first}\n${line}\n${second}\n`);
      await expect(readAll()).rejects.toMatchObject({ code: 'invalid_file' });
      await expect(TrajectoryStore.open(file)).rejects.toThrow(/line 2/);
      await expect(readAll()).rejects.toThrow(reason);
    };
    // biome-ignore lint/suspicious/noExplicitAny: the point is to break the type
    const changed = (change: (t: any) => void) => {
      const value = JSON.parse(second!);
      change(value);
      return JSON.stringify(value);
    };
    await refused('{"id":', /JSON/);
    await refused(
      changed((t) => delete t.tokens),
      /tokens/,
    );
    await refused(
      changed((t) => {
        t.steps[0].scores.think = 11;
      }),
      /scores/,
    );
    await refused(
      changed((t) => {
        t.tokens.push(5);
      }),
      /cover 3\d tokens/,
    );
    await refused(
      changed((t) => {
        t.segments[2].start += 1;
      }),
      /segment/,
    );
    await refused(
      changed((t) => {
        t.segments.at(-1).step = 2;
      }),
      /step 2/,
    );
    await refused(
      changed((t) => {
        t.steps[1].stateEnd -= 1;
      }),
      /state's end/,
    );
  });

  it('refuses a trajectory that is there twice, and names both lines', async () => {
    await stored(['a', 'b']);
    const [first, second] = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, `${first}\n${second}\n${first}\n`);
    const double = {
      code: 'invalid_file',
      message: expect.stringMatching(/a in line 1 and again in line 3; remove one/),
    };
    await expect(TrajectoryStore.open(file)).rejects.toMatchObject(double);
    await expect(readAll()).rejects.toMatchObject(double);
  });

  it('says when there is no file, and when it cannot be written', async () => {
    await expect(readAll()).rejects.toMatchObject({ code: 'io_error' });
    writeFileSync(path.join(folder, 'deeper'), 'a file where a folder should be');
    await expect(TrajectoryStore.open(file)).rejects.toMatchObject({ code: 'io_error' });
    const store = await TrajectoryStore.open(path.join(folder, 'closed.jsonl'));
    store.close();
    store.close();
    expect(() => store.append(HARD)).toThrow(expect.objectContaining({ code: 'disposed' }));
  });

  it.skipIf(process.platform !== 'linux')('calls a full disk by its name', () => {
    // Every write to this device fails as on a full disk. It cannot be truncated either, which must not hide that
    // error.
    const full = new JsonlAppender('/dev/full', false);
    expect(() => full.append({})).toThrow(expect.objectContaining({ code: 'disk_full' }));
  });
});
