import { describe, expect, it } from 'vitest';
import { noteSecret } from '../../../src/secrets/redact.js';
import { expandReferences } from '../../../src/secrets/references.js';
import { resultOf } from '../../../src/tools/mcp/content.js';
import { differenceOf, listingOf, namedActions } from '../../../src/tools/mcp/listing.js';
import { openMcp } from '../../../src/tools/mcp/mcp.js';
import { actionNames } from '../../../src/tools/mcp/names.js';
import { mcpServerSettings } from '../../../src/tools/mcp/settings.js';
import { argumentsOf, hintOf, shapeOf, visible } from '../../../src/tools/schemaInput.js';

const path = { type: 'string', description: 'Which file' };
const ONE = { properties: { path, head: { type: 'number' } }, required: ['path'] };
const SUM = {
  properties: { a: { type: 'number' }, b: { type: 'number' } },
  required: ['a', 'b'],
  additionalProperties: false,
};

describe('input by a schema', () => {
  it.each([
    [ONE, 'path (Which file), or JSON {"path": string, "head"?: number}'],
    [{ properties: { path }, required: ['path'] }, 'path (Which file)'],
    [SUM, 'JSON {"a": number, "b": number}'],
    [{}, '{}'],
    [undefined, '{}'],
    [{ properties: { x: { enum: ['s', 'm', 'l', 'xl', 'xxl'] } } }, 'JSON {"x"?: "s" | "m" | "l" | "xl" | …}'],
    [
      { properties: { edits: { type: 'array', items: { type: 'object', properties: { old: { type: 'string' } } } } } },
      'JSON {"edits"?: [{"old": string}]}',
    ],
    [{ properties: { x: { anyOf: [] } } }, 'JSON {"x"?: any}'],
  ])('is described by its schema: %j', (schema, hint) => expect(hintOf(schema)).toBe(hint));

  it.each([
    ['a text for the one required parameter', ONE, ' a.txt\n', { path: 'a.txt' }],
    ['an object as it is', ONE, '{"path": "a", "head": 2}', { path: 'a', head: 2 }],
    ['an object in a code fence', SUM, '```json\n{"a": 1, "b": 2}\n```', { a: 1, b: 2 }],
    ['a text in braces', ONE, '{a, b}', { path: '{a, b}' }],
    ['a list as the text it is', ONE, '[1]', { path: '[1]' }],
    ['an empty object', {}, '{}', {}],
  ])('takes %s', (_, schema, input, value) => expect(argumentsOf(input, shapeOf(schema))).toEqual({ ok: true, value }));

  it.each([
    ['text for two parameters', SUM, '2 + 3', 'expected a JSON object'],
    ['text for none', {}, 'now', 'expected a JSON object'],
    ['broken JSON', ONE, '{"path": "a"', /^not valid JSON/],
    ['Python’s quotes', SUM, "{'a': 1, 'b': 2}", /^not valid JSON/],
    ['a parameter missing', SUM, '{"a": 1}', 'missing b'],
    ['a parameter too many', SUM, '{"a": 1, "b": 2, "c": 3}', 'unknown c'],
    ['a list', SUM, '[1, 2]', 'expected a JSON object'],
    ['a parameter that every object inherits', { required: ['constructor'] }, '{}', 'missing constructor'],
  ])('refuses %s', (_, schema, input, why) =>
    expect(argumentsOf(input, shapeOf(schema))).toEqual({
      ok: false,
      why: typeof why === 'string' ? why : expect.stringMatching(why),
    }),
  );

  it('shows nothing of a server’s words that cannot be seen, and not much of them', () => {
    expect(visible('a\u0000b\u001b[31m\u202ec\ud800d\n e', 100)).toBe('a b [31mcd e');
    expect(visible('x'.repeat(1e6), 20)).toHaveLength(20);
    let nested: object = { type: 'string' };
    for (let i = 0; i < 50_000; i++) nested = { type: 'array', items: nested };
    expect(hintOf({ properties: { nested } })).toBe('JSON {"nested"?: [[[[…]]]]}');
    expect(
      hintOf({ properties: Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`p${i}`, {}])) }).length,
    ).toBeLessThanOrEqual(200);
  });
});

describe('the names of MCP tools', () => {
  it('are words, the same in any order, different, and at most 32 characters', () => {
    const tools = ['readFile', 'read_file', 'get-sum', '读取', 'x'.repeat(90)].map((tool) => ({ server: 'fs', tool }));
    const names = actionNames(tools);
    expect(names[2]).toBe('fs_get_sum');
    expect(names[3]).toBe('fs_tool');
    expect(names[0]).toMatch(/^fs_read_file_[0-9a-f]{6}$/);
    expect(names[1]).toMatch(/^fs_read_file_[0-9a-f]{6}$/);
    expect(new Set(names).size).toBe(5);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]{0,31}$/);
    expect(actionNames(tools.toReversed())).toEqual(names.toReversed());
  });

  it('and their schemas decide whether a server is the same', () => {
    const settings = mcpServerSettings.parse({ name: 'fs', command: 'x' });
    const tool = (name: string, description = 'd') => ({ name, description, inputSchema: { type: 'object' as const } });
    const before = listingOf(settings, 'fs 1', [tool('a'), tool('b')]);
    const now = (version: string, ...tools: ReturnType<typeof tool>[]) =>
      differenceOf(before, listingOf(settings, version, tools));
    expect(now('fs 1', tool('b'), tool('a'))).toBeNull();
    expect(now('fs 2', tool('a'), tool('b'))).toBe('it was fs 1 and is fs 2');
    expect(now('fs 1', tool('a'))).toBe('b changed or went');
    expect(now('fs 1', tool('a'), tool('b', 'other'))).toBe('b changed or went');
    expect(now('fs 1', tool('a'), tool('b'), tool('c'))).toBe('c came');
    const other = { type: 'object' as const, properties: { path } };
    expect(now('fs 1', tool('a'), { ...tool('b'), inputSchema: other })).toBe('b changed or went');
    noteSecret('marked-words-17320508');
    const [said] = listingOf(settings, 'fs 1', [tool('a', 'Asks with marked-words-17320508.')]).actions;
    expect(said!.description).toBe('Asks with ***.');
    expect(namedActions([before]).map(({ name }) => name)).toEqual(['fs_a', 'fs_b']);
  });
});

describe('what an MCP tool answers', () => {
  it('is text, and says what was left out', () => {
    const data = 'A'.repeat(8000);
    const answer = resultOf({
      content: [
        { type: 'text', text: 'seen' },
        { type: 'image', data, mimeType: 'image/png' },
        { type: 'resource', resource: { uri: 'a://b', text: 'read' } },
        { type: 'resource', resource: { uri: 'a://c', blob: data, mimeType: 'x/y' } },
        { type: 'resource_link', uri: 'a://d', name: 'more' },
      ],
    });
    expect(answer).toEqual({
      ok: true,
      observation:
        'seen\n[image image/png, 6 KB, left out]\nread\n[resource a://c x/y, 6 KB, left out]\n[link more a://d, not followed]',
    });
  });

  it('may be structured alone, empty, or an error', () => {
    expect(resultOf({ content: [], structuredContent: { t: 1 } })).toEqual({ ok: true, observation: '{"t":1}' });
    expect(resultOf({ content: [] })).toEqual({ ok: true, observation: '(no content)' });
    const said = { content: [{ type: 'text' as const, text: 'no such file' }], isError: true };
    expect(resultOf(said)).toEqual({ ok: false, code: 'tool_failed', observation: 'no such file' });
  });
});

describe('the settings of MCP servers', () => {
  it.each([
    ['neither program nor address', { name: 'a' }, /either command/],
    ['both', { name: 'a', command: 'x', url: 'http://x' }, /either command/],
    ['headers of a program', { name: 'a', command: 'x', headers: { A: 'b' } }, /headers belong to a url/],
    ['variables of an address', { name: 'a', url: 'http://x', env: { A: 'b' } }, /belong to a command/],
    ['a name that is none', { name: 'A b', command: 'x' }, /short name/],
    ['another protocol', { name: 'a', url: 'file:///x' }, /http or https/],
    ['an unknown key', { name: 'a', command: 'x', arg: [] }, /arg/],
    [
      'a key among the arguments',
      { name: 'a', command: 'x', args: ['--api-key', 'mark-12345678'] },
      /^(?!.*mark-12345678).*holds a secret/,
    ],
  ])('refuse %s', async (_, server, message) => {
    await expect(openMcp([server])).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(message),
    });
  });

  it('put variables in place of their names, and a dollar for two', () => {
    const env = { ONE: '1', TWO: '2' };
    const braced = (name: string) => `$\{${name}}`;
    expect(expandReferences(`$ONE-${braced('TWO')}-$$ONE-$`, env)).toEqual({
      text: '1-2-$ONE-$',
      values: ['1', '2'],
      missing: [],
    });
    expect(expandReferences(`$ONE ${braced('THREE')} $EMPTY`, { ...env, EMPTY: '' }).missing).toEqual([
      'THREE',
      'EMPTY',
    ]);
  });

  it('refuse a name twice', async () => {
    const one = { name: 'a', command: 'x' };
    await expect(openMcp([one, one])).rejects.toThrow(/"a" is taken/);
  });
});
