/** A file over which llama.cpp ends the process ends a child process and not ours. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Probe, probeOnce } from '../../../src/inference/probe.js';

const root = mkdtempSync(path.join(tmpdir(), 'spark-probe-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const FIXTURE = 'test/fixtures/parity.gguf';
const probeOf = (modelPath: string): Probe => ({ modelPath, sha256: 'sha256:00ff', library: '1.2.3', bytes: 1 });

function damaged(at: number, value: bigint): string {
  const bytes = readFileSync(FIXTURE);
  bytes.writeBigUInt64LE(value, at);
  const file = path.join(root, `damaged-${at}.gguf`);
  writeFileSync(file, bytes);
  return file;
}

describe('opening a file in a child first', () => {
  let cache = '';
  beforeEach(() => {
    cache = mkdtempSync(path.join(root, 'cache-'));
    vi.stubEnv('XDG_CACHE_HOME', cache);
  });
  const marks = (): string[] => {
    const folder = path.join(cache, 'spark-rl', 'opened');
    return existsSync(folder) ? readdirSync(folder) : [];
  };

  it('is remembered by content and version when it went well, and not done again', async () => {
    await probeOnce(probeOf(FIXTURE));
    expect(marks()).toEqual(['00ff-1.2.3']);
    // This file would end a child; with the same hash it is not tried again.
    await probeOnce(probeOf(damaged(478, 0x1_0000_0000n)));
  });

  it('says what ended the child, and forgets it', async () => {
    const file = damaged(478, 0x1_0000_0000n);
    await expect(probeOnce(probeOf(file))).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(
        /damaged-478\.gguf ended a process that tried it \(SIGABRT: .*(assert|abort|what)/i,
      ),
    });
    expect(marks()).toEqual([]);
  });

  it('leaves a refusal in words to the process that opens the file', async () => {
    await probeOnce(probeOf(damaged(8, 4n))); // four tensors
    expect(marks()).toEqual([]);
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const running = probeOnce({ ...probeOf(FIXTURE), signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'interrupted' });
    expect(marks()).toEqual([]);
  });
});
