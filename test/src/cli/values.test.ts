/** What options may be given, through yargs as `defineCommand` uses it. */
import { expect, it } from 'vitest';
import yargs, { type Options } from 'yargs';
import { asGiven, valuesOf } from '../../../src/cli/values.js';

const OPTIONS: Record<string, Options> = {
  run: { type: 'string', default: 'quickstart' },
  set: { type: 'string', array: true },
  limit: { type: 'number' },
  'max-cost': { type: 'number', default: 5 },
  judge: { choices: ['oracle', 'api'] },
  json: { type: 'boolean', default: false },
};

function parse(...args: string[]) {
  const parser = yargs(args).exitProcess(false);
  for (const [name, option] of Object.entries(OPTIONS)) parser.option(name, asGiven(option));
  return valuesOf(OPTIONS, { file: { type: 'string' } }, { file: undefined, ...parser.parseSync() });
}

it('takes one value each, numbers as numbers, and texts that look like numbers as texts', () => {
  const given = parse('--limit', '-1.5', '--max-cost=1e1', '--run', '7', '--set', 'a=1', '--set', 'b=2', '--json');
  expect(given).toMatchObject({ limit: -1.5, 'max-cost': 10, run: '7', set: ['a=1', 'b=2'], json: true });
  expect(parse()).toMatchObject({ 'max-cost': 5, run: 'quickstart', limit: undefined, judge: undefined });
});

it.each([
  [['--run', 'a', '--run', 'b'], '--run: expected a text, once, got 2: "a", "b"'],
  [['--run', ''], '--run: expected a text, got ""'],
  [['--run='], '--run: expected a text, got ""'],
  [['--set', 'a=1', '--set', ' '], '--set: expected a text, got " "'],
  [['--limit', 'abc'], '--limit: expected a number, got "abc"'],
  [['--limit', ''], '--limit: expected a number, got ""'],
  [['--limit', '1e999'], '--limit: expected a number, got "1e999"'],
  [['--maxCost', '1', '--max-cost', '2'], '--max-cost: expected a number, once, got 2: "1", "2"'],
  [['--judge', 'api', '--judge', 'api'], '--judge: expected one of oracle, api, once, got 2: "api", "api"'],
] as const)('%j is named with what was expected', (args, message) => {
  expect(() => parse(...args)).toThrow(expect.objectContaining({ code: 'invalid_argument', message }));
});

it('an empty argument, alone or among others, is none', () => {
  for (const file of ['', ['a', '']]) {
    expect(() => valuesOf({}, { file: {} }, { file })).toThrow('file: expected a text, got ""');
  }
});
