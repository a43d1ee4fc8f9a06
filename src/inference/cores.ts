/** How many processors this process may keep busy. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';

/**
 * The processors of its affinity, at most those that its container's quota pays for: a thread beyond it makes all of
 * them wait for the next period. Node's own count has no quota before libuv 1.49.
 */
export function usableCores(quota = cpuQuota()): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota)));
}

/**
 * Processors that the control groups of this process allow, Infinity without a limit. `root` and `self` are given by
 * tests.
 */
export function cpuQuota(root = '/sys/fs/cgroup', self = '/proc/self/cgroup'): number {
  const [, folder] = /^0::(\/.*)$/m.exec(textOf(self)) ?? [];
  const [, old] = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(\/.*)$/m.exec(textOf(self)) ?? [];
  let least = Number.POSITIVE_INFINITY;
  // Inside a container the groups above its own are not there to be read; what is there is its own, at the root.
  for (const group of ancestors(folder ?? '/')) {
    const [quota, period] = textOf(path.join(root, group, 'cpu.max'))
      .trim()
      .split(/\s+/);
    least = Math.min(least, ratio(quota, period));
  }
  for (const group of ancestors(old ?? '/')) {
    const at = (name: string) => textOf(path.join(root, 'cpu', group, name)).trim();
    least = Math.min(least, ratio(at('cpu.cfs_quota_us'), at('cpu.cfs_period_us')));
  }
  return least;
}

/** The group and those above it, up to the root. */
function ancestors(group: string): string[] {
  const names = group.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from({ length: names.length + 1 }, (_, count) => path.posix.join('/', ...names.slice(0, count)));
}

/** Infinity for no quota: `max` in version 2, -1 in version 1, no file without a limit. */
function ratio(quota: string | undefined, period: string | undefined): number {
  const processors = Number(quota) / Number(period);
  return processors > 0 ? processors : Number.POSITIVE_INFINITY;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
