/** What options and arguments were given: one value each, none empty, a number where one is wanted. */
import type { Options, PositionalOptions } from 'yargs';
import { SparkError } from '../errors.js';

type Args = Readonly<Record<string, unknown>>;

/** The declaration as yargs gets it. Numbers are read as text, or `--limit abc` would be NaN and `--limit ""` 0. */
export function asGiven(option: Options): Options {
  if (option.type === 'boolean') return option;
  return { ...option, requiresArg: true, ...(option.type === 'number' ? { string: true } : {}) };
}

/** The values by name; numbers are numbers. Throws `invalid_argument` naming the option as it is typed. */
export function valuesOf(
  options: Readonly<Record<string, Options>>,
  positionals: Readonly<Record<string, PositionalOptions>>,
  args: Args,
): Args {
  const values = { ...args };
  for (const [name, option] of Object.entries(options)) values[name] = checked(`--${name}`, option, args[name]);
  for (const name of Object.keys(positionals)) refuseEmpty(name, 'a text', args[name]);
  return values;
}

function checked(flag: string, { type, array, choices }: Options, given: unknown): unknown {
  const wanted = type === 'number' ? 'a number' : choices === undefined ? 'a text' : `one of ${choices.join(', ')}`;
  if (Array.isArray(given) && array !== true) {
    throw wrong(flag, `${wanted}, once`, `${given.length}: ${given.map(quoted).join(', ')}`);
  }
  refuseEmpty(flag, wanted, given);
  if (type !== 'number' || typeof given !== 'string') return given;
  const value = Number(given);
  if (!Number.isFinite(value)) throw wrong(flag, wanted, quoted(given));
  return value;
}

function refuseEmpty(name: string, wanted: string, given: unknown): void {
  const empty = (Array.isArray(given) ? given : [given]).find((one) => typeof one === 'string' && one.trim() === '');
  if (empty !== undefined) throw wrong(name, wanted, quoted(empty));
}

function wrong(name: string, wanted: string, got: string): SparkError {
  return new SparkError('invalid_argument', `${name}: expected ${wanted}, got ${got}`);
}

function quoted(value: unknown): string {
  return JSON.stringify(value);
}
