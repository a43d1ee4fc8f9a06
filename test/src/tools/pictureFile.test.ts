import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepPicture, readPicture } from '../../../src/tools/pictureFile.js';

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) % 251);
let folder: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'spark-picture-'));
  file = path.join(folder, 'cache', 'one.snapshot');
  await keepPicture(file, bytes);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a kept picture', () => {
  it('comes back as it was, and others may read it but not change it', async () => {
    expect(Uint8Array.from((await readPicture(file))!)).toEqual(bytes);
    expect(statSync(file).mode & 0o777).toBe(0o644 & ~process.umask());
    expect(readdirSync(path.dirname(file))).toEqual(['one.snapshot']);
  });

  it.each([
    ['is not there', () => rmSync(file)],
    ['is empty', () => truncateSync(file, 0)],
    ['is cut', () => truncateSync(file, 4000)],
    ['has a flipped bit', () => flip(file, 3000)],
    ['has a flipped bit in its seal', () => flip(file, 3)],
    ['may be written to by others', () => chmodSync(file, 0o602)],
    ['may be written to by its group', () => chmodSync(file, 0o620)],
  ])('that %s is not believed', async (_what, harm) => {
    harm();
    expect(await readPicture(file)).toBeNull();
  });

  it('that cannot be written leaves nothing', async () => {
    await expect(keepPicture(path.join(file, 'below', 'a file'), bytes)).rejects.toThrow();
    expect(readdirSync(path.dirname(file))).toEqual(['one.snapshot']);
  });

  it('makes the oldest ones go, and nothing else', async () => {
    const cache = path.dirname(file);
    writeFileSync(path.join(cache, 'other.file'), 'mine');
    for (const [age, name] of ['two', 'three', 'four'].entries()) {
      await keepPicture(path.join(cache, `${name}.snapshot`), bytes);
      utimesSync(path.join(cache, `${name}.snapshot`), 1e6 + age, 1e6 + age);
    }
    await keepPicture(file, bytes);
    expect(readdirSync(cache).sort()).toEqual(['four.snapshot', 'one.snapshot', 'other.file', 'three.snapshot']);
  });
});

function flip(at: string, index: number): void {
  const whole = readFileSync(at);
  whole[index] = whole[index]! ^ 4;
  writeFileSync(at, whole);
}
