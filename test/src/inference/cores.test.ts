import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cpuQuota, usableCores } from '../../../src/inference/cores.js';

const root = mkdtempSync(path.join(tmpdir(), 'spark-cgroup-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
/** A tree of control groups, and what /proc/self/cgroup says. */
function quotaOf(self: string, files: Readonly<Record<string, string>>): number {
  count += 1;
  const groups = path.join(root, `${count}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(groups, name)), { recursive: true });
    writeFileSync(path.join(groups, name), text);
  }
  writeFileSync(path.join(root, `self-${count}`), self);
  return cpuQuota(groups, path.join(root, `self-${count}`));
}

describe('the processors of a container', () => {
  it.each([
    ['no limit', '0::/\n', { 'cpu.max': 'max 100000\n' }, Number.POSITIVE_INFINITY],
    ['its own, at the root', '0::/\n', { 'cpu.max': '150000 100000\n' }, 1.5],
    ['the least of those above', '0::/a/b\n', { 'a/cpu.max': '50000 100000', 'a/b/cpu.max': '300000 100000' }, 0.5],
    [
      'version 1',
      '3:cpu,cpuacct:/x\n2:cpuset:/y\n',
      { 'cpu/x/cpu.cfs_quota_us': '400000', 'cpu/x/cpu.cfs_period_us': '100000' },
      4,
    ],
    [
      'version 1 without a limit',
      '3:cpuacct,cpu:/\n',
      { 'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000' },
      Number.POSITIVE_INFINITY,
    ],
    ['no groups at all', '', {}, Number.POSITIVE_INFINITY],
  ])('%s', (_, self, files, expected) => {
    expect(quotaOf(self, files as Record<string, string>)).toBe(expected);
  });

  it('are at least one, and never more than the affinity has', () => {
    const cores = availableParallelism();
    expect([0.5, 1, 1e9, Number.POSITIVE_INFINITY].map(usableCores)).toEqual([1, 1, cores, cores]);
    expect(usableCores(1.5)).toBe(Math.min(2, cores));
    expect(usableCores()).toBe(usableCores(cpuQuota()));
  });
});
