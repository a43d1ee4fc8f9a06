import { describe, expect, it } from 'vitest';
import { drawIndex } from '../../../src/inference/sequence.js';
import { StopMatcher } from '../../../src/inference/stopMatcher.js';
import { buildTrie } from '../../../src/inference/tokenTrie.js';
import { seededRandom } from '../../../src/random.js';
import { continuations, ScriptedGenerator } from './scripted.js';

const GREEDY = { temperature: 0, seed: 1 };

describe('a growing sequence', () => {
  it('stops at a stop text, keeps its tokens and cuts it from the text', async () => {
    const generator = new ScriptedGenerator(continuations([['go:', 'abc</x>def']]));
    const sequence = await generator.open();
    sequence.append(generator.tokenize('go:'));
    const written = await sequence.generate({ ...GREEDY, stop: ['</x>'], maxTokens: 50 });
    expect(written).toEqual({ tokens: generator.tokenize('abc</x>'), text: 'abc', finish: 'stop' });
    expect(generator.detokenize(sequence.tokens)).toBe('go:abc</x>');
  });

  it('ends at the token limit and at the end of the turn, which is no token of the text', async () => {
    const generator = new ScriptedGenerator(continuations([['go:', 'abcdef']]));
    const sequence = await generator.open();
    sequence.append(generator.tokenize('go:'));
    expect(await sequence.generate({ ...GREEDY, stop: [], maxTokens: 2 })).toMatchObject({
      text: 'ab',
      finish: 'length',
    });
    expect(await sequence.generate({ ...GREEDY, stop: [], maxTokens: 9 })).toMatchObject({
      text: 'cdef',
      finish: 'end',
    });
    expect(generator.detokenize(sequence.tokens)).toBe('go:abcdef');
  });

  it('evaluates every token once, however the text is put together', async () => {
    const generator = new ScriptedGenerator(
      continuations([
        ['1:', 'aaa;'],
        ['2:', 'bbb;'],
        ['3:', 'cc'],
      ]),
    );
    const sequence = await generator.open();
    for (const piece of ['1:', '2:', '3:']) {
      sequence.append(generator.tokenize(piece));
      await sequence.generate({ ...GREEDY, stop: [';'], maxTokens: 20 });
    }
    expect(generator.detokenize(sequence.tokens)).toBe('1:aaa;2:bbb;3:cc');
    // The end of turn after `cc` was found by evaluating its last token.
    expect(generator.evaluated).toBe(sequence.tokens.length);
    expect(generator.undone).toBe(0);
    // Nothing new was appended, so the last token has to be evaluated again to get the next one.
    await sequence.generate({ ...GREEDY, stop: [], maxTokens: 1 });
    expect(generator.undone).toBe(1);
  });

  it('refuses to pass its context, before it does', async () => {
    const generator = new ScriptedGenerator(() => 'x', { contextSize: 10 });
    const sequence = await generator.open();
    expect(() => sequence.append(Array(11).fill(65))).toThrow(expect.objectContaining({ code: 'context_overflow' }));
    expect(sequence.tokens).toHaveLength(0);
    sequence.append([65, 65, 65, 65]);
    const full = sequence.generate({ ...GREEDY, stop: [], maxTokens: 50 });
    await expect(full).rejects.toMatchObject({ code: 'context_overflow' });
    expect(sequence.tokens).toHaveLength(10);
    await expect(sequence.choose([[65, 66]], GREEDY)).rejects.toMatchObject({ code: 'context_overflow' });
  });

  it('gives up at once when aborted, and its place is free once the evaluation is over', async () => {
    const generator = new ScriptedGenerator(() => 'x', { delay: 300 });
    const sequence = await generator.open();
    sequence.append([65]);
    const controller = new AbortController();
    const written = sequence.generate({ ...GREEDY, stop: [], maxTokens: 50, signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await expect(written).rejects.toMatchObject({ code: 'interrupted' });
    // The evaluation still runs; the abort did not wait for it.
    expect(generator.running).toBe(1);
    sequence.dispose();
    await generator.open();
    expect(generator.running).toBe(0);
  });

  it('lets a waiting opener give up, and keeps the queue in order', async () => {
    const generator = new ScriptedGenerator(() => null);
    const first = await generator.open();
    const controller = new AbortController();
    const second = generator.open(controller.signal);
    const third = generator.open();
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'interrupted' });
    first.dispose();
    first.dispose();
    await expect(third).resolves.toBeDefined();
  });

  it('refuses misuse with a code', async () => {
    const generator = new ScriptedGenerator(() => 'x', { delay: 5 });
    const sequence = await generator.open();
    await expect(sequence.generate({ ...GREEDY, stop: [], maxTokens: 1 })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    sequence.append([65]);
    const written = sequence.generate({ ...GREEDY, stop: [], maxTokens: 3 });
    expect(() => sequence.append([65])).toThrow(expect.objectContaining({ code: 'model_busy' }));
    await expect(sequence.choose([[65]], GREEDY)).rejects.toMatchObject({ code: 'model_busy' });
    await written;
    sequence.dispose();
    expect(() => sequence.append([65])).toThrow(expect.objectContaining({ code: 'disposed' }));
  });
});

describe('choose', () => {
  const options = ['think;', 'thin;', 'search;'];

  it('follows the likeliest branch and appends it; a branch without a fork costs nothing', async () => {
    const generator = new ScriptedGenerator(continuations([['go:', 'thin;']]));
    const sequence = await generator.open();
    sequence.append(generator.tokenize('go:'));
    const index = await sequence.choose(
      options.map((text) => generator.tokenize(text)),
      GREEDY,
    );
    expect(options[index]).toBe('thin;');
    expect(generator.detokenize(sequence.tokens)).toBe('go:thin;');
    // The options fork twice (t or s, then k or ;), so everything before the second fork is evaluated, and nothing
    // after it.
    expect(generator.evaluated).toBe('go:thin'.length);
  });

  it('samples with the odds of the logits when it is not greedy, the same for the same seed', async () => {
    const logits = [Math.log(6), Math.log(3), Math.log(1)];
    const random = seededRandom(3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 20_000; i++) counts[drawIndex(logits, 1, random)]! += 1;
    expect(counts[0]! / 20_000).toBeCloseTo(0.6, 1.5);
    expect(counts[1]! / 20_000).toBeCloseTo(0.3, 1.5);
    // Half the temperature squares the odds: 36 : 9 : 1.
    const cold = [0, 0, 0];
    for (let i = 0; i < 20_000; i++) cold[drawIndex(logits, 0.5, random)]! += 1;
    expect(cold[0]! / 20_000).toBeCloseTo(36 / 46, 1.5);
    expect(drawIndex([1, 4, 4], 0, () => 0.99)).toBe(1);
    expect(drawIndex(logits, 1, seededRandom(7))).toBe(drawIndex(logits, 1, seededRandom(7)));
  });

  it('refuses options that cannot be told apart', () => {
    for (const bad of [[], [[]], [[1], [1]], [[1], [1, 2]], [[1, 2], [1]]]) {
      expect(() => buildTrie(bad)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    }
  });
});

describe('weigh and rewind', () => {
  it('weighs strings of several tokens by the odds at each fork, and leaves the sequence as it was', async () => {
    const generator = new ScriptedGenerator(continuations([['go:', '10;']]));
    const sequence = await generator.open();
    sequence.append(generator.tokenize('go:'));
    const options = ['1;', '10;', '2;'].map((text) => generator.tokenize(text));
    const likely = Math.exp(5) / (Math.exp(5) + 1);
    const weights = await sequence.weigh(options);
    expect([...weights]).toEqual([
      expect.closeTo(likely * (1 - likely), 12),
      expect.closeTo(likely * likely, 12),
      expect.closeTo(1 - likely, 12),
    ]);
    expect(generator.detokenize(sequence.tokens)).toBe('go:');
    // `go:`, and `1` for what comes after it.
    expect(generator.evaluated).toBe(4);
    expect(await sequence.weigh(options)).toEqual(weights);
  });

  it('tries another continuation after the same start, which is not evaluated again', async () => {
    const generator = new ScriptedGenerator(
      continuations([
        ['a:', 'x'],
        ['b:', 'y'],
      ]),
    );
    const sequence = await generator.open();
    const options = ['x', 'y'].map((text) => generator.tokenize(text));
    sequence.append(generator.tokenize('a long start '));
    const { length } = sequence.tokens;
    for (const [line, likelier] of [
      ['a:', 0],
      ['b:', 1],
      ['a:', 0],
    ] as const) {
      sequence.rewind(length);
      sequence.append(generator.tokenize(line));
      const weights = await sequence.weigh(options);
      expect(weights[likelier]).toBeGreaterThan(0.9);
    }
    expect(generator.evaluated).toBe(length + 3 * 2);
    sequence.rewind(length);
    sequence.append(generator.tokenize('b:'));
    // What is generated then comes after what stands there, too.
    expect((await sequence.generate({ ...GREEDY, stop: [], maxTokens: 5 })).text).toBe('y');
    expect(() => sequence.rewind(100)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('StopMatcher', () => {
  it('finds a stop text over any cut into tokens', () => {
    const texts = ['', 'ab</', 'tho', 'ught', '>\n', '</thought>'];
    const matcher = new StopMatcher(['</thought>'], (tokens) => tokens.map((token) => texts[token]).join(''));
    expect([1, 2, 3].map((token) => matcher.push(token))).toEqual([false, false, false]);
    expect(matcher.push(4)).toBe(true);
    expect(matcher.text()).toBe('ab');
  });

  it('does not see a stop text that is not there', () => {
    const matcher = new StopMatcher(['aab'], (tokens) => String.fromCharCode(...tokens));
    expect([...'aaaacab'].map((c) => matcher.push(c.charCodeAt(0))).some(Boolean)).toBe(false);
    expect(matcher.push(97)).toBe(false);
  });
});
