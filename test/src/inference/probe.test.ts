/** A file over which llama.cpp ends the process ends a child process and not ours. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Probe, probeOnce } from '../../../src/inference/probe.js';
import { isAlive } from '../../processes.js';

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

  it('ends its child also when it is killed itself', async () => {
    const pipe = path.join(root, 'nobody-writes.gguf');
    execFileSync('mkfifo', [pipe]);
    const program = `
      import { startProbe } from ${JSON.stringify(path.resolve('dist/inference/probe.js'))};
      const { process: child, open } = startProbe();
      void open(${JSON.stringify(pipe)}, 1e8);
      child.once('message', () => console.log(child.pid));
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program]);
    const child = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    // By then it waits for somebody to write into the pipe.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    parent.kill('SIGKILL');
    await vi.waitUntil(() => !isAlive(child), { timeout: 20_000 });
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const running = probeOnce({ ...probeOf(FIXTURE), signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'interrupted' });
    expect(marks()).toEqual([]);
  });
});
