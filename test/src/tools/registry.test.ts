import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { CATEGORIES } from '../../../src/questions/question.js';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { CorpusIndex } from '../../../src/tools/child/corpusIndex.js';
import { loadCorpus } from '../../../src/tools/corpus.js';
import { clip, oneLine, printable } from '../../../src/tools/observation.js';
import { createBuiltinRegistry, ToolRegistry } from '../../../src/tools/registry.js';
import type { Tool } from '../../../src/tools/tool.js';

const context = { timeoutMs: 1000, maxObservationChars: 280 };

function tool(name: string, run: Tool['run']): Tool {
  return { name, description: 'd', inputHint: 'anything', run };
}
const echo: Tool['run'] = async (input) => ({ ok: true, observation: input });

describe('ToolRegistry', () => {
  it('lists the built-in tools in order, then think', async () => {
    const registry = createBuiltinRegistry();
    expect(registry.names).toEqual([...BUILTIN_TOOLS]);
    expect(registry.actions().map(({ name }) => name)).toEqual([...BUILTIN_TOOLS, 'think']);
    expect(registry.actions().every(({ description }) => description.length > 10)).toBe(true);
    await registry.dispose();
  });

  it('has an example for every built-in tool, which is what the tool really says', async () => {
    const registry = createBuiltinRegistry();
    for (const { name, example } of registry.actions()) {
      if (name === 'think') continue;
      const result = await registry.run(name, example!.input, { timeoutMs: 20_000, maxObservationChars: 400 });
      expect([name, result]).toEqual([name, { ok: true, observation: expect.any(String) }]);
      // Of a long one the beginning.
      expect(result.observation.startsWith(example!.observation)).toBe(true);
      if (result.observation.length < 30) expect(result.observation).toBe(example!.observation);
    }
    await registry.dispose();
  });

  it('takes a subset, and refuses a name that is not built in', () => {
    expect(createBuiltinRegistry({ tools: ['search', 'calculator'] }).names).toEqual(['calculator', 'search']);
    expect(() => createBuiltinRegistry({ tools: ['abacus'] })).toThrow(/got "abacus"/);
  });

  it.each(['think', 'Upper', 'a-b', '', '1st', 'a'.repeat(33), 'x y'])('refuses the name "%s"', (name) => {
    expect(() => new ToolRegistry().register(tool(name, echo))).toThrow(/expected a/);
  });

  it('refuses a name twice and runs what was registered', async () => {
    const registry = new ToolRegistry().register(tool('mine', echo));
    expect(() => registry.register(tool('mine', echo))).toThrow(/registered already/);
    expect(await registry.run('mine', 'hello', context)).toEqual({ ok: true, observation: 'hello' });
  });

  it('never throws: unknown tool, empty and huge input, a tool that throws', async () => {
    const registry = new ToolRegistry()
      .register(tool('mine', echo))
      .register(tool('broken', () => Promise.reject(new Error('two\nlines'))));
    expect(await registry.run('yours', 'x', context)).toMatchObject({
      code: 'tool_input',
      observation: expect.stringMatching(/mine, broken/),
    });
    expect(await registry.run('mine', ' \n', context)).toMatchObject({
      code: 'tool_input',
      observation: expect.stringMatching(/anything/),
    });
    expect(await registry.run('mine', 'x'.repeat(20_001), context)).toMatchObject({ code: 'tool_input' });
    expect(await registry.run('broken', 'x', context)).toEqual({
      ...{ ok: false, code: 'tool_failed' },
      observation: 'broken failed: two lines',
    });
  });

  it.each([
    ['nothing', undefined, /expected an object .*, got undefined/],
    ['a function', () => {}, /expected an object/],
    ['no name', { ...tool('x', echo), name: undefined }, /got undefined/],
    ['no description', { ...tool('x', echo), description: undefined }, /tool x: .*description.*, got undefined/],
    ['an empty description', { ...tool('x', echo), description: ' ' }, /description/],
    ['an example that is none', { ...tool('x', echo), example: { wanted: 'w', input: ' ' } }, /tool x: .*example/],
    ['no inputHint', { ...tool('x', echo), inputHint: 7 }, /tool x: .*inputHint.*, got 7/],
    ['no run', { ...tool('x', echo), run: undefined }, /tool x: .*run.*, got undefined/],
  ])('refuses a tool that is or has %s', (_, given, message) => {
    expect(() => new ToolRegistry().register(given as never)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ['nothing', undefined],
    ['a number', 7],
    ['a text', 'hello'],
    ['a number as the observation', { ok: true, observation: 7 }],
    ['no observation', { ok: true }],
    ['no ok', { observation: 'x' }],
    ['a failure without a code', { ok: false, observation: 'x' }],
  ])('throws when a tool answers with %s, which is its own mistake and not the model’s', async (_, answer) => {
    const registry = new ToolRegistry().register(tool('mine', async () => answer as never));
    await expect(registry.run('mine', 'x', context)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^tool mine: expected \{ ok: true, observation: text \}.*, got .*; mend the tool/),
    });
  });

  it('leaves a tool behind at the deadline, and tells it; a call that is aborted ends at once', async () => {
    let told: AbortSignal | undefined;
    const registry = new ToolRegistry().register(
      tool('hangs', (_input, { signal }) => {
        told = signal;
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped as I was told')));
        });
      }),
    );
    registry.register(tool('deaf', () => new Promise(() => {})));
    for (const name of ['hangs', 'deaf']) {
      const late = await registry.run(name, 'x', { ...context, timeoutMs: 20 });
      expect(late).toEqual({ ok: false, code: 'tool_timeout', observation: 'timed out after 0.02 s' });
    }
    expect(told?.aborted).toBe(true);
    const controller = new AbortController();
    const aborted = registry.run('deaf', 'x', { ...context, timeoutMs: 1e6, signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('throws when a tool cannot work at all, which is nothing to learn from', async () => {
    const gone = new SparkError('tool_unavailable', 'the licence server is down');
    const registry = new ToolRegistry().register(tool('mine', () => Promise.reject(gone)));
    await expect(registry.run('mine', 'x', context)).rejects.toBe(gone);
  });

  it('throws when aborted', async () => {
    const controller = new AbortController();
    const registry = new ToolRegistry().register(
      tool('slow', () => {
        controller.abort();
        return Promise.reject(new Error('stopped'));
      }),
    );
    const run = registry.run('slow', 'x', { ...context, signal: controller.signal });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
    const again = registry.run('slow', 'x', { ...context, signal: controller.signal });
    await expect(again).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('cuts observations and takes control characters out of them', async () => {
    const registry = new ToolRegistry().register(tool('mine', echo));
    const { observation } = await registry.run('mine', `\u001b[31m\ud800${'x'.repeat(500)}`, context);
    expect(observation).toHaveLength(280);
    expect(observation.startsWith('\ufffd[31m\ufffdx')).toBe(true);
    expect(observation.endsWith('…')).toBe(true);
  });
});

describe('observation text', () => {
  it('never splits a surrogate pair', () => {
    expect(clip('ab😀cd', 4)).toBe('ab…');
    expect(clip('abcd', 4)).toBe('abcd');
    expect(clip('ab 😀cd', 5)).toBe('ab…');
  });
  it('folds an error to one line, keeps tabs and newlines elsewhere', () => {
    expect(oneLine(' a\n  b\t c ')).toBe('a b c');
    expect(printable('a\tb\r\nc\u0007')).toBe('a\tb\nc\ufffd');
  });
});

describe('the corpus', () => {
  const articles = loadCorpus();
  const registry = createBuiltinRegistry({ tools: ['encyclopedia', 'search'] });
  afterAll(() => registry.dispose());

  it('has at least eleven articles of 150 to 280 characters in each of the 14 categories', () => {
    expect(new Set(articles.map(({ category }) => category))).toEqual(new Set(CATEGORIES));
    for (const category of CATEGORIES) {
      expect(articles.filter((article) => article.category === category).length).toBeGreaterThanOrEqual(11);
    }
    for (const { title, text } of articles) {
      expect(text.length, title).toBeGreaterThanOrEqual(150);
      expect(text.length, title).toBeLessThanOrEqual(280);
    }
  });

  it('has ten or more different values of each relation in a category, to serve as options', () => {
    const values = new Map<string, Set<string>>();
    for (const { category, facts } of articles) {
      for (const { relation, value } of facts) {
        const key = `${category}: ${relation}`;
        values.set(key, (values.get(key) ?? new Set()).add(value));
      }
    }
    for (const [key, set] of values) expect(set.size, key).toBeGreaterThanOrEqual(10);
  });

  it('answers every fact by title in the encyclopedia, and by title and relation in the search', async () => {
    for (const { title, facts } of articles) {
      const article = await registry.run('encyclopedia', title, context);
      for (const { relation, value } of facts) {
        const passages = await registry.run('search', `${title} ${relation}`, context);
        expect(article.observation, `${title}: ${relation}`).toContain(value);
        expect(passages.observation, `search for ${title} ${relation}`).toContain(value);
      }
    }
  });

  it('finds a title in another spelling, and names the closest one', async () => {
    const exact = await registry.run('encyclopedia', 'Magna Carta', context);
    expect(exact.observation).toMatch(/^Magna Carta was sealed .* 1215/);
    expect(await registry.run('encyclopedia', ' "magna CARTA." ', context)).toEqual(exact);
    const near = await registry.run('encyclopedia', 'Hepatitus', context);
    expect(near.observation).toMatch(/^Closest article, Hepatitis: Hepatitis is a disease of the liver/);
    expect(await registry.run('encyclopedia', 'zzzqq', context)).toMatchObject({ ok: false, code: 'tool_input' });
  });

  it('ranks three passages with titles', async () => {
    const { observation } = await registry.run('search', 'who invented the telephone', context);
    expect(observation).toMatch(/^1\. Telephone: .*Alexander Graham Bell.*\n2\. .*\n3\. /s);
    expect(observation.length).toBeLessThanOrEqual(280);
    expect(await registry.run('search', 'zzzqq', context)).toMatchObject({ ok: false, code: 'tool_input' });
  });

  it('names the line of a malformed article, and a title that is there twice', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'corpus-'));
    const good = JSON.stringify({ title: 'A', category: 'math', text: 'a' });
    await writeFile(join(folder, 'x.jsonl'), `${good}\n{"title": 3}\n`);
    expect(() => loadCorpus(folder)).toThrow(/x\.jsonl, row 2/);
    await writeFile(join(folder, 'x.jsonl'), `${good}\n\n${good}\n`);
    expect(() => loadCorpus(folder)).toThrow(/x\.jsonl, row 2 \(line 3\).*row 1/);
    await rm(folder, { recursive: true });
    expect(() => loadCorpus(folder)).toThrow(/cannot be read/);
  });
});

describe('a long query', () => {
  it('has the deadline of every tool, because it does not stand on the event loop', async () => {
    const registry = createBuiltinRegistry({ tools: ['encyclopedia', 'search'] });
    await registry.warm();
    // No word of the query is in the corpus, so each is compared with all words of the corpus.
    const query = Array.from({ length: 1800 }, (_, i) => `magnacq${i.toString(36).padStart(1, 'z')}`).join(' ');
    expect(query.length).toBeLessThan(20_000);
    for (const tool of ['encyclopedia', 'search']) {
      const late = await registry.run(tool, query, { ...context, timeoutMs: 5 });
      expect(late).toEqual({ ok: false, code: 'tool_timeout', observation: 'timed out after 0.005 s' });
      const next = await registry.run(tool, 'Magna Carta', { ...context, timeoutMs: 20_000 });
      expect(next.observation).toContain('1215');
    }
    const one = await registry.run('search', 'a'.repeat(19_999), { ...context, timeoutMs: 20_000 });
    expect(one).toMatchObject({ ok: false, code: 'tool_input' });
    await registry.dispose();
  });

  it('says what is wrong with a corpus of the user, at warm() and at a call', async () => {
    const registry = createBuiltinRegistry({ tools: ['search'], corpus: '/nowhere' });
    const unavailable = {
      code: 'tool_unavailable',
      message: expect.stringMatching(/corpus tools.*cannot be read/),
    };
    await expect(registry.warm()).rejects.toMatchObject(unavailable);
    // Thrown, not observed: no model should learn from a broken installation.
    await expect(registry.run('search', 'x', context)).rejects.toMatchObject(unavailable);
    await registry.dispose();
  });
});

describe('search backends', () => {
  const index = new CorpusIndex([]);
  it('an empty index finds nothing', () => {
    expect(index.search('anything', 3)).toEqual([]);
    expect(index.closest('anything')).toBeUndefined();
  });

  it('uses the engine that was configured, and reports one that fails or hangs', async () => {
    const withEngine = (search: () => Promise<{ title: string; text: string }[]>) =>
      createBuiltinRegistry({ tools: ['search'], searchBackend: { id: 'web', search } });
    const found = withEngine(async () => [{ title: 'T', text: 'line one\nline two' }]);
    expect(await found.run('search', 'q', context)).toEqual({ ok: true, observation: '1. T: line one line two' });
    const down = withEngine(() => Promise.reject(new Error('503')));
    expect(await down.run('search', 'q', context)).toMatchObject({
      code: 'tool_failed',
      observation: expect.stringMatching(/503/),
    });
    const hangs = withEngine(() => new Promise(() => {}));
    const late = await hangs.run('search', 'q', { ...context, timeoutMs: 20 });
    expect(late).toMatchObject({ ok: false, code: 'tool_timeout' });
    const controller = new AbortController();
    const aborted = hangs.run('search', 'q', { ...context, signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'interrupted' });
  });
});
