import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineTool } from '../../../src/tools/defineTool.js';
import { ToolRegistry } from '../../../src/tools/registry.js';

const context = { timeoutMs: 60_000, maxObservationChars: 400 };
const cut = defineTool({
  name: 'cut',
  description: 'Cuts a text.',
  input: z.object({ text: z.string(), length: z.number().int().positive().default(3) }),
  run: ({ text, length }) => text.slice(0, length),
});
const sum = defineTool({
  name: 'sum',
  description: 'Adds.',
  input: z.strictObject({ a: z.number(), b: z.number() }),
  run: async ({ a, b }) => (a + b > 99 ? { ok: false, code: 'tool_failed', observation: 'too much' } : `${a + b}`),
});
const registry = new ToolRegistry().register(cut).register(sum);

describe('defineTool', () => {
  it('says what the input looks like', () => {
    expect(cut.inputHint).toBe('text, or JSON {"text": string, "length"?: integer}');
    expect(sum.inputHint).toBe('JSON {"a": number, "b": number}');
    expect(defineTool({ ...definition(), inputHint: 'two numbers' }).inputHint).toBe('two numbers');
  });

  it.each([
    ['cut', 'abcdef', { ok: true, observation: 'abc' }],
    ['cut', '{"text": "abcdef", "length": 2}', { ok: true, observation: 'ab' }],
    ['sum', '{"a": 1, "b": 2}', { ok: true, observation: '3' }],
    ['sum', '{"a": 90, "b": 20}', { ok: false, code: 'tool_failed', observation: 'too much' }],
    ['sum', '1 + 2', { ok: false, code: 'tool_input', observation: `expected a JSON object; write ${sum.inputHint}` }],
    [
      'sum',
      '{"a": 1, "b": 2, "c": 3}',
      { ok: false, code: 'tool_input', observation: `unknown c; write ${sum.inputHint}` },
    ],
  ])('%s reads %s', async (name, input, result) => {
    expect(await registry.run(name, input, context)).toEqual(result);
  });

  it('names what of the input is wrong, and does not call the tool', async () => {
    expect(await registry.run('cut', '{"text": 5, "length": -1}', context)).toMatchObject({
      ...{ ok: false, code: 'tool_input' },
      observation: expect.stringMatching(/^text: .*string.*; length: .*; write text, or JSON/),
    });
  });

  it.each([
    ['a mistyped key', { inputs: z.object({}) }, /got inputs/],
    ['no schema', { input: undefined }, /expected input to be a z\.object.*got undefined/],
    ['a schema of JSON', { input: { type: 'object' } }, /expected input to be a z\.object/],
    ['a schema of a text', { input: z.string() }, /expected input to be a z\.object/],
    ['no function', { run: 'x' }, /expected a function run\(input, context\), got 'x'/],
    ['what cannot dispose', { dispose: 5 }, /expected a function dispose\(\), or none, got 5/],
  ])('refuses %s', (_, more, message) => {
    expect(() => defineTool({ ...definition(), ...more } as never)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message) }),
    );
  });
});

function definition() {
  return { name: 'x', description: 'd', input: z.object({}), run: () => 'x' };
}

describe('disposal of a registry', () => {
  it('ends each tool once, all of them, and tells of one that cannot be ended', async () => {
    const ended: string[] = [];
    const tool = (name: string, fails = false) =>
      defineTool({
        ...{ ...definition(), name },
        dispose() {
          ended.push(name);
          if (fails) throw new Error('the socket is stuck');
        },
      });
    const held = new ToolRegistry().register(tool('a')).register(tool('b', true)).register(tool('c'));
    await expect(held.dispose()).rejects.toMatchObject({
      code: 'tool_failed',
      message: 'a tool cannot be disposed of: the socket is stuck; mend its dispose()',
    });
    await held.dispose();
    expect(ended).toEqual(['a', 'b', 'c']);
    expect(() => held.register({ ...tool('d'), dispose: 'x' as never })).toThrow(/function dispose\(\)/);
  });
});
