/** What a result is worth nothing without: the machine, the commit, the load it ran under. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';

export function describeMachine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/** The processor's name and its cores, as a file name: never the host's name. */
export function machineSlug(): string {
  const { cpu, cores } = describeMachine();
  const words = cpu
    .replace(/\((R|TM)\)/gi, '')
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  return `${(words ?? ['unknown']).join('-')}-${cores}-cores`;
}

export function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}

/** Mean runnable processes of the last minute: above a few tenths before a run, something else is at work. */
export const load = (): number => loadavg()[0] ?? 0;
