/**
 * What a killed process left of files that the engine was writing: it names them `<file>.tmp-<pid>-<number>` until they are whole.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { isRunning } from '../processIdentity.js';

const DRAFT = /\.tmp-(\d+)-\d+$/;

/**
 * Removes them below `folder`. Whoever calls has the run's lock, so that no other process writes there, on this machine or
 * another; a pid that runs may be the same one in another's count, and its files stay.
 */
export function dropNativeDrafts(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const at = path.join(folder, entry.name);
      const pid = DRAFT.exec(entry.name)?.[1];
      if (pid !== undefined) {
        if (isLeft(Number(pid), at)) rmSync(at, { recursive: true, force: true });
      } else if (entry.isDirectory()) dropNativeDrafts(at);
    }
  } catch {
    // A folder that is not there has none; one that cannot be cleared is named by whoever writes into it.
  }
}

/** Also of an earlier process with our own pid, as a container gives it: the engine would stumble over its names. */
function isLeft(pid: number, file: string): boolean {
  if (pid === process.pid) return statSync(file).mtimeMs < performance.timeOrigin;
  return !isRunning(pid);
}
