/**
 * Facts: what a stage's result depends on, by name; files and folders as hashes of their content, settings as values.
 * Also compares the facts of a stored result with those of now.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
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

/** Every difference in words, such as `tau 6, now 7`; empty when nothing has changed. */
export function changes(before: Facts, now: Facts): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].flatMap((name) => differences(name, before[name], now[name]));
}

function differences(name: string, before: unknown, now: unknown): string[] {
  if (isPlain(before) && isPlain(now)) {
    const names = new Set([...Object.keys(before), ...Object.keys(now)]);
    return [...names].flatMap((inner) => differences(`${name}.${inner}`, before[inner], now[inner]));
  }
  const [was, is] = [JSON.stringify(before), JSON.stringify(now)];
  return was === is ? [] : [`${name} ${short(was)}, now ${short(is)}`];
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function short(json: string | undefined): string {
  if (json === undefined) return 'not set';
  return json.length > 40 ? `${json.slice(0, 12)}…` : json;
}
