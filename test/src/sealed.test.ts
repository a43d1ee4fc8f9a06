import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readSealed, writeSealed, writeWhole } from '../../src/sealed.js';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-sealed-'));
const file = path.join(folder, 'a.json');
const options = { remedy: 'remove it: it is made again' };
// JSON changes these: a key that is a whole number comes first when read, and -0, NaN and undefined are not kept.
const CONTENT = { b: 1.5e-9, 7: 'ä\u2028', a: [null, -0, Number.NaN], gone: undefined };

it('gives back what was sealed, whatever a formatter did to the spaces', async () => {
  await writeSealed(file, CONTENT);
  const kept = { b: 1.5e-9, 7: 'ä\u2028', a: [null, 0, null] };
  expect(readSealed(file, options)).toEqual(kept);
  writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file, 'utf8'))));
  expect(readSealed(file, options)).toEqual(kept);
  expect(readSealed(path.join(folder, 'none.json'), options)).toBeNull();
});

it('refuses every cut and every changed byte, and says what to do', async () => {
  await writeSealed(file, CONTENT);
  const whole = readFileSync(file);
  // Without the newline at its end the document is still whole.
  for (let length = 0; length < whole.length - 1; length++) {
    writeFileSync(file, whole.subarray(0, length));
    expect(() => readSealed(file, options)).toThrow(
      expect.objectContaining({ code: 'invalid_file', message: expect.stringMatching(/a\.json.*remove it/) }),
    );
  }
  for (const [from, to] of [
    ['1.5e-9', '1.6e-9'],
    ['"b"', '"c"'],
    ['null,', 'true,'],
  ] as const) {
    writeFileSync(file, whole.toString().replace(from, to));
    expect(() => readSealed(file, options)).toThrow(/expected sha256 .* got "/);
  }
});

it('takes a document without its hash only where a person may edit it', async () => {
  writeFileSync(file, '{"tau": 7}');
  expect(() => readSealed(file, options)).toThrow(/got none/);
  expect(readSealed(file, { ...options, editable: true })).toEqual({ tau: 7 });
  for (const other of ['[]', 'null', '3']) {
    writeFileSync(file, other);
    expect(() => readSealed(file, { ...options, editable: true })).toThrow(/expected a JSON object/);
  }
});

it('leaves nothing behind when it cannot write', async () => {
  const before = readdirSync(folder);
  await expect(writeWhole(path.join(file, 'below-a-file'), '')).rejects.toMatchObject({ code: 'io_error' });
  await expect(writeWhole(folder, 'a folder has this name')).rejects.toMatchObject({ code: 'io_error' });
  expect(readdirSync(folder)).toEqual(before);
  expect(readdirSync(path.dirname(folder)).filter((name) => name.startsWith(`${path.basename(folder)}.`))).toEqual([]);
});
