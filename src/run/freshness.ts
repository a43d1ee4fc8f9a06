/**
 * Facts: what a stage's result depends on, by name; files and folders as hashes of their content, settings as values.
 * Also compares the facts of a stored result with those of now.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { isRecord } from '../config/record.js';
import { fileSha256 } from '../inference/fileHash.js';

/** Plain JSON. The names are shown to people when a fact has changed. */
export type Facts = Readonly<Record<string, unknown>>;

/** sha256 of a file, or of all files in a folder with their names. */
export async function hashOfPath(target: string, signal?: AbortSignal): Promise<string> {
  if (!statSync(target, { throwIfNoEntry: false })?.isDirectory()) return fileSha256(target, signal);
  const hash = createHash('sha256');
  for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = path.join(target, name);
    if (statSync(file).isFile()) hash.update(`${name}\0${await fileSha256(file, signal)}\n`);
  }
  return hash.digest('hex');
}

/** sha256 of plain JSON, for a value too long to be a fact itself. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** A fact that is not what it was; undefined where it is not set. */
export interface Change {
  /** `tau`, or `tools.timeoutMs` for a fact within a fact */
  readonly name: string;
  readonly before: unknown;
  readonly now: unknown;
}

/** Every difference; empty when nothing has changed. */
export function changes(before: Facts, now: Facts): Change[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].flatMap((name) => differences({ name, before: before[name], now: now[name] }));
}

function differences(change: Change): Change[] {
  const { name, before, now } = change;
  if (isRecord(before) && isRecord(now)) {
    return changes(before, now).map((inner) => ({ ...inner, name: `${name}.${inner.name}` }));
  }
  return JSON.stringify(before) === JSON.stringify(now) ? [] : [change];
}

/** For a message: `tau 6, now 7`. The first few of many. */
export function inWords(changed: readonly Change[]): string {
  const words = changed.slice(0, 5).map(({ name, before, now }) => `${name} ${short(before)}, now ${short(now)}`);
  return [...words, ...(changed.length > 5 ? ['…'] : [])].join('; ');
}

function short(value: unknown): string {
  if (value === undefined) return 'not set';
  const json = JSON.stringify(value);
  return json.length > 40 ? `${json.slice(0, 12)}…` : json;
}
