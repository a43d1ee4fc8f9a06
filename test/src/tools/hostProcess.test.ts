import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ToolHost } from '../../../src/tools/host.js';
import { residentBytes } from '../../../src/tools/hostProcess.js';
import type { HostReply, HostRequest } from '../../../src/tools/hostProtocol.js';
import type { HostChannel } from '../../../src/tools/hostSpawn.js';

describe('residentBytes', () => {
  it('is in bytes, whatever the size of a page', () => {
    expect(residentBytes('Name:\tnode\nVmPeak:\t 999 kB\nVmRSS:\t   65536 kB\nRssAnon:\t 1 kB\n')).toBe(2 ** 26);
  });

  it('is NaN for a process that has ended, so that it passes no limit', () => {
    expect(residentBytes('Name:\tnode\nState:\tZ (zombie)\n')).toBeNaN();
  });

  it.skipIf(process.platform !== 'linux')('reads what the kernel says of this process', () => {
    const resident = residentBytes(readFileSync('/proc/self/status', 'utf8'));
    expect(resident / process.memoryUsage.rss()).toBeGreaterThan(0.5);
    expect(resident / process.memoryUsage.rss()).toBeLessThan(2);
  });
});

it('a child whose answer comes in one piece with its being ready takes no call beyond its last', async () => {
  const asked: number[] = [];
  let overfull!: () => void;
  // Without it such a call would be lost, and this test wait for ever.
  const tooMany = new Promise<'a child was asked too often'>((resolve) => {
    overfull = () => resolve('a child was asked too often');
  });
  const open = (): HostChannel => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { detached: true, stdio: 'ignore' });
    const own = asked.push(0) - 1;
    let take!: (message: HostReply) => void;
    return {
      child,
      send: ({ id }: HostRequest) => {
        asked[own]! += 1;
        if (asked[own]! > 1) overfull();
        process.nextTick(() => take({ id, ok: true, observation: `child ${own}` }));
        process.nextTick(() => take({ ready: true }));
      },
      receive: (given) => {
        take = given;
        process.nextTick(() => take({ ready: true }));
      },
      reason: () => 'ended',
    };
  };
  const limits = { startTimeoutMs: 60_000, maxRssMb: 1024 };
  const host = new ToolHost({ kind: 'python', size: 2, retireAfter: 1, prepare: async () => open, ...limits });
  const context = { timeoutMs: 60_000, maxObservationChars: 100 };
  const calls = Promise.all(Array.from({ length: 6 }, (_, at) => host.run('python', String(at), context)));
  const answers = await Promise.race([calls, tooMany]);
  await host.dispose();
  expect(answers).toEqual(Array(6).fill({ ok: true, observation: expect.stringMatching(/^child \d$/) }));
  expect(Math.max(...asked)).toBe(1);
});
