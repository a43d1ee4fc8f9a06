/** Where a result comes from: the command, the code, the machine, the time. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { isCheckout, packagePath, packageVersion } from '../package.js';
import { sourceCommit } from '../run/run.js';

export interface Provenance {
  /** The command line, or null for a call of a program. */
  readonly command: string | null;
  readonly version: string;
  /** Of the checkout the program ran from; null for an installed package. */
  readonly commit: string | null;
  /** Whether its files were other than that commit's; null for an installed package. */
  readonly changed: boolean | null;
  readonly node: string;
  readonly machine: {
    readonly platform: string;
    readonly processor: string;
    /** Logical cores that this process may use. */
    readonly cores: number;
    /** 10^9 bytes */
    readonly memoryGb: number;
  };
  /** ISO date */
  readonly written: string;
}

export function provenance(command: string | null): Provenance {
  return {
    command,
    version: packageVersion(),
    commit: sourceCommit(),
    changed: hasChanges(),
    node: process.version,
    machine: {
      platform: `${os.platform()} ${os.arch()}`,
      processor: os.cpus()[0]?.model.trim() ?? 'unknown',
      cores: os.availableParallelism(),
      memoryGb: Math.round(os.totalmem() / 1e8) / 10,
    },
    written: new Date().toISOString(),
  };
}

function hasChanges(): boolean | null {
  if (!isCheckout()) return null;
  try {
    const options = { cwd: packagePath('.'), stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[] };
    return execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], options).length > 0;
  } catch {
    return null;
  }
}
