/** Real inference on the small Llama 3.1 file with random weights: real tokens, and a model that never closes a tag. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderChat } from '../../../src/inference/chatTemplate.js';
import { generatorHash, type LlamaCppGenerator, openLlamaCpp, openTokenizer } from '../../../src/inference/llamaCpp.js';
import { loadQuestions } from '../../../src/questions/load.js';
import { rolloutWithoutTools } from '../../../src/rollout/plain.js';
import { headTokens, renderHead } from '../../../src/rollout/prompt.js';
import { isTrajectory, rolloutQuestion } from '../../../src/rollout/rollout.js';
import { promptSettings } from '../../../src/rollout/settings.js';
import { ToolRegistry } from '../../../src/tools/registry.js';
import { trajectorySchema } from '../../../src/trajectory/schema.js';
import { question, SETTINGS, tableJudge } from '../rollout/parts.js';
import { queryAdapter } from './adapterFile.js';

const SHARED = path.resolve(process.env.SPARK_SHARED ?? '../shared');
const MODEL = path.join(SHARED, 'assets/llama31-tiny-random-f16.gguf');
const here = existsSync(MODEL);
if (!here) console.warn(`skipped: no model at ${MODEL}; set SPARK_SHARED to the folder that has it`);

const GREEDY = { temperature: 0, seed: 1 };

describe.skipIf(!here)('llama.cpp', () => {
  let generator: LlamaCppGenerator;
  beforeAll(async () => {
    generator = await openLlamaCpp({ modelPath: MODEL, sequences: 4, contextSize: 900, kvCacheType: 'F32' });
  });
  afterAll(() => generator?.dispose());

  const start = async (text: string) => {
    const sequence = await generator.open();
    sequence.append([...generator.tokenize(generator.bosText, true), ...generator.tokenize(text, false)]);
    return sequence;
  };

  it('says what it is by content', async () => {
    expect(generator.id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await generatorHash(MODEL)).toBe(generator.id);
    expect(generator).toMatchObject({
      sequences: 4,
      contextSize: 900,
      bosText: '<|begin_of_text|>',
      wantsInstructions: true,
    });
  });

  it('parses control tokens out of our text only', () => {
    expect(generator.tokenize('<|eot_id|>', true)).toHaveLength(1);
    expect(generator.tokenize('<|eot_id|>', false).length).toBeGreaterThan(1);
    for (const text of ['  two spaces', 'naïve 😀 ∫', '\n\n', '<thought>x</thought>']) {
      expect(generator.detokenize(generator.tokenize(text, false))).toBe(text);
    }
  });

  it('renders the chat template with a date that stands still, and user text without control tokens', () => {
    const { chat } = promptSettings(generator, [], SETTINGS);
    expect(chat!('', 'Hello')).toBe(
      renderChat(generator.chatTemplate!, generator.bosText, generator.eosText)('', 'Hello'),
    );
    const trick = { ...question(), question: 'a <|eot_id|> b' };
    const settings = promptSettings(generator, [{ name: 'think', description: 'thinks', inputHint: '' }], SETTINGS);
    const tokens = headTokens(renderHead(trick, settings), generator);
    const ends = generator.tokenize('<|eot_id|>', true)[0]!;
    // Two from the template, after the messages of system and user; none from the question.
    expect(tokens.filter((token) => token === ends)).toHaveLength(2);
    expect(tokens.filter((token) => token === generator.tokenize(generator.bosText, true)[0])).toHaveLength(1);
  });

  it('writes greedily what its own scores say is likeliest, whole or piece by piece', async () => {
    const whole = await start('The answer');
    const { tokens } = await whole.generate({ ...GREEDY, stop: [], maxTokens: 4 });
    const pieces = await start('The answer');
    for (let i = 0; i < 2; i++) await pieces.generate({ ...GREEDY, stop: [], maxTokens: 2 });
    expect(pieces.tokens).toEqual(whole.tokens);
    const scores = await generator.logprobs(whole.tokens);
    expect(scores[0]).toBe(0);
    for (let at = whole.tokens.length - tokens.length; at < whole.tokens.length; at += 2) {
      const other = await generator.logprobs([...whole.tokens.slice(0, at), (whole.tokens[at]! + 77) % 128_000]);
      expect(scores[at]!).toBeGreaterThan(other.at(-1)!);
    }
    for (const sequence of [whole, pieces]) sequence.dispose();
  });

  it('gives the same log-probs for the tokens of a mask as for all, whose other tokens are evaluated as prompts are', async () => {
    const tokens = generator.tokenize('The answer to the question is that there is none', true);
    const mask = Uint8Array.from(tokens, (_, at) => (at % 4 === 3 ? 1 : 0));
    const all = await generator.logprobs(tokens);
    const some = await generator.logprobs(tokens, undefined, { mask });
    expect(mask.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(1);
    some.forEach((logprob, at) => {
      if (mask[at] === 0) expect(logprob).toBe(0);
      else expect(Math.abs(logprob - all[at]!)).toBeLessThan(0.01); // batches of another size round differently
    });
  });

  it('gives quick log-probs that differ from those in double precision only by an fp32 sum', async () => {
    const tokens = generator.tokenize('The answer to the question is that there is none', true);
    const exact = await generator.logprobs(tokens);
    const quick = await generator.logprobs(tokens, undefined, { quick: true });
    expect(quick).toHaveLength(exact.length);
    expect(Math.max(...exact.map((logprob, at) => Math.abs(logprob - quick[at]!)))).toBeLessThan(1e-3);
    expect(Math.max(...exact.slice(1)) - Math.min(...exact)).toBeGreaterThan(0.1);
  });

  it('chooses by its log-probs, and the choice is part of the text that follows', async () => {
    const options = ['calculator</action>', 'calculus</action>', 'think</action>'].map((text) =>
      generator.tokenize(text, true),
    );
    const sequence = await start('<action>');
    const before = sequence.tokens.length;
    const index = await sequence.choose(options, GREEDY);
    expect(sequence.tokens.slice(before)).toEqual(options[index]);
    const firsts = [...new Set(options.map((option) => option[0]!))];
    const logprobs = await Promise.all(
      firsts.map(async (token) => (await generator.logprobs([...sequence.tokens.slice(0, before), token])).at(-1)!),
    );
    expect(options[index]![0]).toBe(firsts[logprobs.indexOf(Math.max(...logprobs))]);
    sequence.dispose();
  });

  it('draws the same text for the same seed, alone or beside others', async () => {
    const write = async (seed: number) => {
      const sequence = await start('Seeds');
      const { tokens } = await sequence.generate({ temperature: 0.7, seed, stop: [], maxTokens: 6 });
      sequence.dispose();
      return tokens;
    };
    const alone = await write(5);
    const [again, other] = await Promise.all([write(5), write(6)]);
    expect(again).toEqual(alone);
    expect(other).not.toEqual(alone);
  });

  it('rolls out a model that never closes a tag: forced answer, every token accounted for', async () => {
    const judge = tableJudge(({ thought }) => ({ scores: thought === null ? {} : { think: 7 }, processOk: true }));
    const deps = { generator, judge, tools: new ToolRegistry() };
    const limits = { maxSteps: 2, maxThoughtTokens: 5, maxInputTokens: 4, maxAnswerTokens: 4, temperature: 0.7 };
    let forced = 0;
    const real = await loadQuestions(path.join(SHARED, 'data/mmlu-pro/dev-700.jsonl'));
    const short = real.filter((row) => row.question.length < 200 && row.options.join().length < 300);
    for (const asked of short.filter((_, index) => index % 40 === 0)) {
      const settings = { ...SETTINGS, ...limits };
      const result = await rolloutQuestion(asked, deps, settings);
      if (!isTrajectory(result)) throw new Error(result.message);
      expect(trajectorySchema.parse(result)).toMatchObject({ generator: generator.id });
      expect(generator.detokenize(result.tokens)).toContain(`Question:\n${asked.question}\nOptions:`);
      for (const step of result.steps)
        expect(step).toMatchObject({ truncated: true, action: 'think', processOk: true });
      // After one step the model may answer or go on; after the second it has to answer.
      expect(result.end).toBe(result.steps.length === 2 ? 'forced' : 'answered');
      forced += result.steps.length === 2 ? 1 : 0;
      if (asked === short[0]) expect(await rolloutQuestion(asked, deps, settings)).toEqual(result);
    }
    expect(forced).toBeGreaterThan(0);
  });

  it('answers without tools under the official prompt', async () => {
    const plain = { validation: [], temperature: 0, maxChainTokens: 5, seed: 1, attempt: 0 };
    const result = await rolloutWithoutTools(question(), { generator }, plain);
    if (!isTrajectory(result)) throw new Error(result.message);
    expect(trajectorySchema.parse(result)).toMatchObject({
      steps: [],
      judge: null,
      selection: 'policy',
      end: 'answered',
    });
    expect(generator.detokenize(result.tokens)).toMatch(
      /^<\|begin_of_text\|>The following are multiple choice questions .*Let's think step by step\./s,
    );
    expect(await rolloutWithoutTools(question(), { generator }, { ...plain, maxChainTokens: 890 })).toMatchObject({
      code: 'context_overflow',
    });
  });

  it('stops in the middle of a text when aborted, and works on', async () => {
    const sequence = await start('Long');
    const controller = new AbortController();
    const written = sequence.generate({ ...GREEDY, stop: [], maxTokens: 700, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(written).rejects.toMatchObject({ code: 'interrupted' });
    sequence.dispose();
    const next = await start('Again');
    expect((await next.generate({ ...GREEDY, stop: [], maxTokens: 2 })).tokens).toHaveLength(2);
    next.dispose();
  });

  it('refuses to overflow', async () => {
    const sequence = await start('x');
    expect(() => sequence.append(Array(900).fill(5))).toThrow(expect.objectContaining({ code: 'context_overflow' }));
    sequence.append(Array(900 - sequence.tokens.length - 3).fill(5));
    const full = sequence.generate({ ...GREEDY, stop: [], maxTokens: 10 });
    await expect(full).rejects.toMatchObject({ code: 'context_overflow' });
    expect(sequence.tokens).toHaveLength(900);
    sequence.dispose();
  });

  it('has a tokenizer of its vocabulary alone that gives the same tokens and texts', async () => {
    const tokenizer = await openTokenizer(MODEL);
    for (const [text, special] of [
      ['encyclopedia</action>', true],
      [' What is 12 times 7?', false],
      ['<|eot_id|>é', true],
    ] as const) {
      const tokens = generator.tokenize(text, special);
      expect(tokenizer.tokenize(text, special)).toEqual(tokens);
      expect(tokenizer.detokenize(tokens)).toBe(generator.detokenize(tokens));
    }
    await tokenizer.dispose();
  });

  it('can be disposed in any order, with a generation under way', async () => {
    const other = await openLlamaCpp({ modelPath: MODEL, sequences: 1, contextSize: 64 });
    const sequence = await other.open();
    sequence.append([1, 2, 3]);
    const waiting = other.open();
    const written = sequence.generate({ ...GREEDY, stop: [], maxTokens: 60 });
    const gone = Promise.all([other.dispose(), other.dispose()]);
    await expect(waiting).rejects.toMatchObject({ code: 'disposed' });
    await expect(written).rejects.toMatchObject({ code: 'disposed' });
    await gone;
    sequence.dispose();
    expect(() => other.tokenize('x', false)).toThrow(expect.objectContaining({ code: 'disposed' }));
    await expect(other.open()).rejects.toMatchObject({ code: 'disposed' });
  });
});

it('has a beginning-of-sequence text only of a model that wants one', async () => {
  const key = 'tokenizer.ggml.add_bos_token';
  const bytes = readFileSync('test/fixtures/parity.gguf');
  const flag = bytes.indexOf(key) + key.length + 4; // after the type, a bool
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-bos-'));
  const texts = [1, 0].map(async (wanted) => {
    bytes[flag] = wanted;
    const file = path.join(folder, `${wanted}.gguf`);
    writeFileSync(file, bytes);
    const tokenizer = await openTokenizer(file);
    await tokenizer.dispose();
    return tokenizer.bosText;
  });
  expect(await Promise.all(texts)).toEqual([expect.stringMatching(/./), '']);
  rmSync(folder, { recursive: true });
});

describe.skipIf(!here)('a LoRA adapter', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'spark-lora-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const open = (name: string, content: Buffer) => {
    const adapterPath = path.join(folder, name);
    writeFileSync(adapterPath, content);
    return openLlamaCpp({ modelPath: MODEL, adapterPath, contextSize: 64, kvCacheType: 'F32' });
  };
  const logprobsOf = async (opened: Promise<LlamaCppGenerator>) => {
    const generator = await opened;
    const logprobs = await generator.logprobs([128000, 791, 4320, 374, 356]);
    await generator.dispose();
    return { id: generator.id, logprobs: [...logprobs] };
  };

  it('changes the log-probs by what it adds, and the name', async () => {
    const base = await logprobsOf(openLlamaCpp({ modelPath: MODEL, contextSize: 64, kvCacheType: 'F32' }));
    const zero = await logprobsOf(open('zero.gguf', queryAdapter(64, 0)));
    const some = await logprobsOf(open('some.gguf', queryAdapter(64, 0.5)));
    expect(zero.logprobs).toEqual(base.logprobs);
    // Of the last token: the first token attends only to itself, so an adapter of the query changes nothing there.
    expect(Math.abs(some.logprobs.at(-1)! - base.logprobs.at(-1)!)).toBeGreaterThan(1e-3);
    expect(zero.id).toMatch(new RegExp(`^${base.id}\\+lora:[0-9a-f]{64}$`));
    expect(some.id).not.toBe(zero.id);
  });

  it('has its own evaluated prompts: those of the base model and of another adapter are not taken for them', async () => {
    const prompt = [128000, ...Array.from({ length: 48 }, (_, at) => 700 + 13 * at)];
    const after = async (opened: Promise<LlamaCppGenerator>) => {
      const generator = await opened;
      const written = async () => {
        const sequence = await generator.open();
        sequence.append(prompt);
        const { tokens } = await sequence.generate({ ...GREEDY, stop: [], maxTokens: 8 });
        sequence.dispose();
        return tokens;
      };
      return { generator, first: await written(), again: await written() };
    };
    const base = await after(openLlamaCpp({ modelPath: MODEL, contextSize: 64, kvCacheType: 'F32' }));
    const tuned = await after(open('tuned.gguf', queryAdapter(64, 2)));
    for (const { generator, first, again } of [base, tuned]) {
      expect(again).toEqual(first);
      expect(generator.prefixes).toEqual({ evaluated: prompt.length + 1, reused: prompt.length - 1, again: 0 });
      await generator.dispose();
    }
    expect(tuned.first).not.toEqual(base.first);
  });

  it('is refused beside a model of another shape', async () => {
    await expect(open('wide.gguf', queryAdapter(128, 1))).rejects.toMatchObject({ code: 'adapter_mismatch' });
    await expect(open('wide2.gguf', queryAdapter(128, 1))).rejects.toThrow(/expected width 64/);
    await expect(open('cut.gguf', queryAdapter(64, 1).subarray(0, 200))).rejects.toMatchObject({
      code: 'invalid_file',
    });
  });
});

describe.skipIf(!here)('a GGUF file that is none', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'spark-gguf-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const refused = async (content: Uint8Array | string, message: RegExp) => {
    const file = path.join(folder, 'x.gguf');
    writeFileSync(file, content);
    const opened = openLlamaCpp({ modelPath: file, contextSize: 64 });
    await expect(opened).rejects.toMatchObject({ code: 'invalid_file' });
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow(file);
  };

  it('is refused with what is wrong, and the process lives on', async () => {
    const bytes = readFileSync(MODEL);
    await refused('', /begin with GGUF/);
    await refused('<html>not found</html> and so on', /begin with GGUF/);
    for (const cut of [25, 1000, 2_000_000, bytes.length - 1_000_000])
      await refused(bytes.subarray(0, cut), /inside its header|more than the file holds|truncated/);
    await refused(bytes.subarray(0, -1), /truncated/); // without its last byte
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(bytes);
      copy[at] = value;
      return copy;
    };
    // A tensor whose name the architecture does not have, which llama.cpp itself refuses.
    await refused(changed(bytes.indexOf('blk.1.ffn_norm.weight') + 13, 0x6e), /refuses/);
    await refused(changed(4, 9), /version/);
    await refused(changed(15, 80), /more than the file holds|cannot be/);
    // Two tokens with the same text, over which llama.cpp would assert; so for the three cases below.
    const token = bytes.indexOf('\x01\0\0\0\0\0\0\0"\x01\0\0\0\0\0\0\0#');
    await refused(changed(token + 8, 0x23), /occur twice/);
    // A head count that does not fit the tensors.
    const heads = bytes.indexOf('llama.attention.head_count') + 'llama.attention.head_count'.length + 4;
    await refused(changed(heads, 200), /metadata makes blk.0/);
    // A size whose key is missing.
    await refused(changed(bytes.indexOf('llama.feed_forward_length') + 8, 0x5e), /llama.feed_forward_length .* none/);
    // A tensor of size 0.
    const tensor = bytes.indexOf('token_embd.weight') + 'token_embd.weight'.length + 4;
    await refused(changed(tensor, 0), /at least 1/);
  });

  it('is looked for where it was said to be', async () => {
    await expect(openLlamaCpp({ modelPath: path.join(folder, 'none.gguf') })).rejects.toMatchObject({
      code: 'io_error',
    });
    await expect(openLlamaCpp({ modelPath: folder })).rejects.toMatchObject({ code: 'invalid_file' });
    const asAdapter = openLlamaCpp({ modelPath: MODEL, adapterPath: MODEL, contextSize: 64 });
    await expect(asAdapter).rejects.toMatchObject({ code: 'adapter_mismatch' });
    await expect(openLlamaCpp({ modelPath: MODEL, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'interrupted',
    });
  });
});
