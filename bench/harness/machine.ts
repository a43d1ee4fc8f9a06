/** What has to be known about a result: the machine, the commit, and the load it was measured under. */
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

/** A file name made of the processor's name and its cores; not of the host's name, which is private. */
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

/** Mean number of runnable processes in the last minute; more than a few tenths means that the machine is busy. */
export const load = (): number => loadavg()[0] ?? 0;
