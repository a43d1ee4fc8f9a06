/**
 * Lays one patch over another. A list replaces the list before it. A record over a list, as `--set tools.mcp.0.command=…` gives
 * it, changes entries that are there, by their index from 0.
 */
import { SparkError, shown } from '../errors.js';
import { isRecord } from './record.js';
import { type ConfigPatch, configSchema } from './schema.js';

/** Throws `invalid_config` for an entry of a list that is not there, and for the name `__proto__`. */
export function merge(base: ConfigPatch, patch: ConfigPatch, at: readonly string[] = []): ConfigPatch {
  const out: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') throw noSetting([...at, key].join('.'));
    if (value !== undefined) out[key] = laid(out[key], value, [...at, key]);
  }
  return out;
}

/** As a key of an object that is written to, it would be no setting and go unnoticed. */
function noSetting(name: string): SparkError {
  return new SparkError(
    'invalid_config',
    `the configuration is not valid:\n  ${name}: there is no such setting; remove it`,
  );
}

function laid(before: unknown, value: unknown, at: readonly string[]): unknown {
  if (!isRecord(value)) return value;
  const base = before === undefined && holdsIndices(value) ? usual(at) : before;
  if (Array.isArray(base)) return withEntries(base, value, at);
  return merge(isRecord(base) ? base : {}, value, at);
}

function withEntries(list: readonly unknown[], entries: ConfigPatch, at: readonly string[]): unknown[] {
  const out = [...list];
  for (const [key, value] of Object.entries(entries)) {
    if (!isIndex(key) || Number(key) >= list.length) throw noEntry(list, key, at.join('.'));
    if (value !== undefined) out[Number(key)] = laid(list[Number(key)], value, [...at, key]);
  }
  return out;
}

function noEntry(list: readonly unknown[], key: string, name: string): SparkError {
  const there =
    list.length === 0
      ? 'a list with an entry, got an empty one'
      : `an entry from 0 to ${list.length - 1}, got ${shown(key)}`;
  return new SparkError(
    'invalid_config',
    `the configuration is not valid:\n  ${name}.${key}: expected ${there}; to add one give the whole list: --set '${name}=[…]'`,
  );
}

/** Words for an entry given of a list that nothing else says, in place of zod's. */
export function entryOfNoList(message: string, value: unknown): string | null {
  if (!message.includes('expected array') || !isRecord(value) || !holdsIndices(value)) return null;
  return `expected a list, got entry ${Object.keys(value)[0]} of one that is not there; give the whole list`;
}

/** A name is a key of an object everywhere else, so that a number alone tells that a list is meant. */
const holdsIndices = (value: Readonly<Record<string, unknown>>) =>
  Object.keys(value).length > 0 && Object.keys(value).every(isIndex);

const isIndex = (key: string) => /^\d+$/.test(key);

/** The default of a setting, of which one entry is changed. */
function usual(at: readonly string[]): unknown {
  return at.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), configSchema.parse({}));
}
