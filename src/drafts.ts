/**
 * A file that is being written has another name until it is whole: its own, and in it the process that writes, so that a later
 * one can tell what a killed process has left from what is still being written.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fateOfTag, ownTag } from './processIdentity.js';

/** The engine adds to it what it calls its own drafts. */
const DRAFT = /\.(\d+-[0-9a-f-]+)\.[0-9a-f]{8}\.tmp(?:\.tmp-\d+-\d+)?$/;

/** A name beside `file` that nobody else has. */
export function draftOf(file: string): string {
  return `${file}.${ownTag()}.${randomBytes(4).toString('hex')}.tmp`;
}

/** Folders that this process has looked through. What others leave later, later processes find. */
const cleared = new Set<string>();

/** Removes the drafts of dead processes from the folder, once in a process; those of processes elsewhere stay. */
export function dropDeadDrafts(folder: string): void {
  const at = path.resolve(folder);
  if (cleared.has(at)) return;
  cleared.add(at);
  try {
    for (const name of readdirSync(at)) {
      const tag = DRAFT.exec(name)?.[1];
      if (tag !== undefined && fateOfTag(tag) === 'dead') rmSync(path.join(at, name), { force: true });
    }
  } catch {
    // A folder that cannot be read or cleared is named by whoever writes into it.
  }
}
