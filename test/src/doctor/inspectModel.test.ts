/** What `models` says of files: what they hold, what is supported, in how much memory. */
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { fitOf, inspectModel } from '../../../src/doctor/inspectModel.js';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';

const { signal } = new AbortController();
const config = resolveConfig({ inference: { sequences: 2, contextSize: 512 } });
const tiny = config.model.path;

it('says what a model holds and what works with it', async () => {
  expect(await inspectModel(tiny, config, signal)).toMatchObject({
    ...{ name: 'spark-tiny', architecture: 'llama', types: { F16: 29, F32: 9 }, contextLength: 1024 },
    ...{ chatTemplate: 'none', trains: { ok: true }, serves: { ok: true } },
  });
});

it('plans training and inference without making room for them', async () => {
  const { training, inference, why } = await fitOf(tiny, config, signal);
  expect([training!.fits, inference!.fits, why]).toEqual([true, true, null]);
  const twice = await fitOf(tiny, resolveConfig({ inference: { sequences: 4, contextSize: 512 } }), signal);
  const thrice = await fitOf(tiny, resolveConfig({ inference: { sequences: 6, contextSize: 512 } }), signal);
  const cache = twice.inference!.total - inference!.total;
  expect(cache).toBeGreaterThan(0);
  expect(thrice.inference!.total - twice.inference!.total).toBe(cache);
  const little = await fitOf(tiny, resolveConfig({ model: { memoryLimitGb: 0.02 } }), signal);
  expect([little.training!.fits, little.training!.limit]).toEqual([false, 2e7]);
});

it('is a command: inspect, list, and what they refuse', async () => {
  const folder = temporaryFolder();
  copyFileSync(tiny, path.join(folder, 'a.gguf'));
  writeFileSync(path.join(folder, 'b.gguf'), 'This is no model, and long enough to be read as one.');
  const list = await runHere(['models', 'list', folder, '--json']);
  expect(list.json()).toMatchObject([
    { file: path.join(folder, 'a.gguf'), training: { fits: true }, why: null },
    { file: path.join(folder, 'b.gguf'), training: null, why: expect.stringMatching(/^\[unsupported_file\]/) },
  ]);
  const inspect = await runHere(['models', 'inspect', path.join(folder, 'b.gguf')]);
  expect([inspect.code, inspect.stderr]).toEqual([1, expect.stringMatching(/^error \[invalid_file\]/)]);
  const pull = await runHere(['models', 'pull', 'http://127.0.0.1:9/m.gguf', '--sha256', 'abc']);
  expect([pull.code, pull.stderr]).toEqual([2, expect.stringMatching(/--sha256: expected 64 hexadecimal digits/)]);
});
