/** A generator over a server, against the sequence of a model here that writes the same. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import type { SparkError } from '../../../src/errors.js';
import type { Generator } from '../../../src/inference/generator.js';
import { openTokenizer } from '../../../src/inference/llamaCpp.js';
import { createServerGenerator, type ServerOptions } from '../../../src/inference/server.js';
import { ServerClient } from '../../../src/inference/serverClient.js';
import { silentLog } from '../../../src/log.js';
import { endsTheRun } from '../../../src/rollout/ask.js';
import { rolloutQuestion } from '../../../src/rollout/rollout.js';
import { runRollouts } from '../../../src/rollout/run.js';
import { Parts } from '../../../src/run/parts.js';
import { Run } from '../../../src/run/run.js';
import { BASE_TOOLS, evaluateStage } from '../../../src/stages/evaluate.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { createBuiltinRegistry } from '../../../src/tools/registry.js';
import { readTrajectories } from '../../../src/trajectory/store.js';
import { temporaryFolder } from '../cli/runCli.js';
import { question, SETTINGS } from '../rollout/parts.js';
import {
  CharacterVocabulary,
  type CompletionServer,
  type Fault,
  type ServerScript,
  startCompletionServer,
} from './completionServer.js';
import { continuations, ScriptedGenerator } from './scripted.js';

const folder = temporaryFolder();
const KINDS = ['vllm', 'llama', 'plain'] as const;
const WITH_IDS = ['vllm', 'llama'] as const;
const GREEDY = { temperature: 0, seed: 1 };

/** Thinks, answers. */
const MODEL = continuations([
  ['</observation>\n', '<answer>The answer is (C).</answer>'],
  ['<action>think</action><input>', 'It is 888, so C.</input><answer>The answer is (C).</answer>'],
  ['</thought><action>', 'think</action>'],
  ['900\n', '<thought>Multiply.</thought>'],
]);

const servers: CompletionServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(options: ServerScript): Promise<CompletionServer> {
  const server = await startCompletionServer(options);
  servers.push(server);
  return server;
}

async function open(
  server: CompletionServer,
  more: Partial<ServerOptions> = {},
  vocabulary = new CharacterVocabulary(),
) {
  const options = {
    ...{ baseUrl: server.baseUrl, model: 'm', modelPath: 'none', contextSize: 100_000, env: {}, timeoutMs: 5000 },
    ...{ maxRetries: 4, ...more },
  };
  const { apiKey, env } = options;
  const { baseUrl, model, timeoutMs, maxRetries } = options;
  const client = { baseUrl, model, timeoutMs, maxRetries, env };
  return createServerGenerator(
    vocabulary,
    new ServerClient(apiKey === undefined ? client : { ...client, apiKey }),
    options,
  );
}

/** An open server's generator after the trial that opening it is. */
async function opened(
  options: ServerScript & { readonly vocabulary?: CharacterVocabulary },
  more: Partial<ServerOptions> = {},
) {
  const server = await serve(options);
  const generator = await open(server, more, options.vocabulary);
  server.bodies.length = 0;
  return { server, generator };
}

const failing = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: SparkError) => error,
  );

describe('a generator over a server', () => {
  it.each(KINDS)('makes of %s the trajectory that the model here makes', async (kind) => {
    const { generator } = await opened({ kind, script: MODEL });
    const here = new ScriptedGenerator(MODEL);
    const tools = createBuiltinRegistry({ tools: [] });
    const rollOut = (by: Generator) =>
      rolloutQuestion(question(), { generator: by, judge: null, tools }, { ...SETTINGS, selection: 'policy' });
    const { id: _, ...named } = { ...(await rollOut(generator)) } as Record<string, unknown>;
    const { id: __, ...expected } = { ...(await rollOut(here)) } as Record<string, unknown>;
    expect(named.generator).toMatch(/^server:m@http:\/\/127\.0\.0\.1:\d+\/v1$/);
    // Texts without ids are tokenised here, which is said.
    const how = kind === 'plain' ? { tokenised: 'later' } : {};
    expect(named).toEqual({ ...expected, ...how, generator: named.generator });
    expect(expected.correct).toBe(true);
  });

  it.each(WITH_IDS)('takes of %s tokens, stops, ends of turn and limits as they come', async (kind) => {
    const vocabulary = new CharacterVocabulary(['<end>']);
    const script = continuations([
      ['tag:', 'in<end>and on'],
      ['wide:', 'twice.>and'],
      ['turn:', 'over'],
      ['long:', 'abcdefgh'],
    ]);
    const { generator } = await opened({ kind, script, vocabulary }, { contextSize: 100 });
    const writtenAfter = async (text: string, stop: string[], maxTokens = 20) => {
      const sequence = await generator.open();
      sequence.append(vocabulary.tokenize(text, true));
      const written = await sequence.generate({ ...GREEDY, stop, maxTokens });
      expect(sequence.tokens).toEqual([...vocabulary.tokenize(text, true), ...written.tokens]);
      sequence.dispose();
      return written;
    };
    expect(await writtenAfter('tag:', ['<end>'])).toEqual({ tokens: [105, 110, 1], text: 'in', finish: 'stop' });
    expect(await writtenAfter('wide:', ['.>'])).toMatchObject({ text: 'twice', finish: 'stop' });
    expect(await writtenAfter('turn:', ['.'])).toEqual({
      tokens: [...'over'].map((c) => c.charCodeAt(0)),
      text: 'over',
      finish: 'end',
    });
    expect(await writtenAfter('long:', [], 3)).toMatchObject({ text: 'abc', finish: 'length' });
    // As where the model is here, the context is full at the token that has no room.
    expect(await failing(writtenAfter(`${'x'.repeat(92)}long:`, []))).toMatchObject({ code: 'context_overflow' });
  });

  it('asks each kind in its own words, for the whole distribution', async () => {
    const all = Object.fromEntries(
      await Promise.all(
        KINDS.map(async (kind) => {
          const { server, generator } = await opened({ kind, script: () => 'b' });
          const sequence = await generator.open();
          sequence.append([97]);
          expect(await sequence.choose([[98, 33], [99]], { temperature: 0.7, seed: 5 })).toBe(0);
          await sequence.generate({ stop: ['.'], maxTokens: 2, temperature: 0.7, seed: 5 });
          return [kind, server.bodies] as const;
        }),
      ),
    );
    const seed = expect.toSatisfy((given: number) => given >= 0 && given < 2 ** 31);
    for (const kind of KINDS) {
      const [chosen, written] = all[kind]!;
      expect(chosen).toMatchObject({ prompt: [97], temperature: 0.7, top_p: 1, seed, model: 'm' });
      expect(written).toMatchObject({ prompt: [97, 98, 33], stop: ['.'], temperature: 0.7 });
      expect(chosen!.seed).not.toBe(written!.seed);
    }
    expect(all.vllm![0]).toMatchObject({
      allowed_token_ids: [98, 99],
      max_tokens: 1,
      top_k: -1,
      return_token_ids: true,
    });
    expect(all.llama![0]).toMatchObject({
      logit_bias: [
        [98, 1000],
        [99, 1000],
      ],
      n_predict: 1,
      samplers: ['temperature'],
    });
    expect(all.llama![1]).toMatchObject({ logit_bias: [], return_tokens: true, preserved_tokens: ['.'] });
    expect(all.plain![0]).toMatchObject({ logit_bias: { 98: 100, 99: 100 }, max_tokens: 1 });
    expect(Object.keys(all.plain![1]!).sort()).toEqual([
      'max_tokens',
      'model',
      'prompt',
      'seed',
      'stop',
      'temperature',
      'top_p',
    ]);
  });

  it('has as many requests in flight as sequences, and every question a trajectory', async () => {
    const { server, generator } = await opened({ kind: 'vllm', script: MODEL }, { sequences: 5 });
    const tools = createBuiltinRegistry({ tools: [] });
    const questions = Array.from({ length: 7 }, (_, id) => question(id));
    server.fail({ status: 429, error: { message: 'busy' }, headers: { 'retry-after-ms': '1' } }, 'reset');
    server.gather(5);
    const deps = { generator, judge: null, tools };
    const { trajectories, skips } = await runRollouts(questions, deps, { ...SETTINGS, selection: 'policy' }, () => {});
    expect({ trajectories, skips, most: server.mostInFlight() }).toEqual({ trajectories: 7, skips: 0, most: 5 });
    await generator.dispose();
    expect(await failing(generator.open())).toMatchObject({ code: 'disposed' });
  });
});

describe('a run on a server', () => {
  it('generates and evaluates by it, and depends on the name of its model', async () => {
    const tiny = await openTokenizer(resolveConfig().model.path);
    const vocabulary = Object.assign(tiny, { plainText: (tokens: readonly number[]) => tiny.detokenize(tokens) });
    const script = continuations([
      ['</observation>\n', '<answer>The answer is (C).</answer>'],
      ['<action>think</action><input>', 'so</input><answer>The answer is (C).</answer>'],
      ['<input>', '1 + 1</input>'],
      ['<action>', 'think</action>'],
      ['<thought>', 'Let me see.</thought>'],
    ]);
    const { baseUrl } = await serve({ kind: 'vllm', script: (text) => script(text) ?? '<thought>', vocabulary });
    const config = {
      name: path.join(folder, 'run'),
      server: { baseUrl, model: 'm' },
      inference: { contextSize: 1000 },
      questions: { trainLimit: 3, testLimit: 3 },
      rollout: { maxSteps: 1, temperature: 0 },
      tools: { enabled: ['calculator'] },
    };
    const set = { selection: 'max-score', tau: 6 } as const;
    await using run = await Run.open(config);
    const { written, file } = await perform(run, generateStage(set));
    expect(written).toBe(3);
    for await (const { generator, tokens, steps } of readTrajectories(path.join(run.folder.root, file))) {
      expect(generator).toBe(`server:m@${baseUrl}`);
      expect(steps[0]!.thought).toBe('Let me see.');
      expect(tiny.detokenize(tokens)).toContain('<thought>Let me see.</thought><action>');
    }
    expect((await perform(run, evaluateStage(BASE_TOOLS))).unparsedRate).toBe(0);
    run.close();
    await using other = await Run.open({ ...config, server: { baseUrl, model: 'n' } });
    expect(await failing(perform(other, generateStage(set)))).toMatchObject({
      code: 'run_exists',
      message: expect.stringContaining('served "m", now "n"'),
    });
    // Else llama.cpp would end its process.
    expect(() => tiny.detokenize([5, 9999999])).toThrow(/expected token ids of 0 to \d+, got 9999999/);
    await tiny.dispose();
  });
});

describe('what a server must not get away with', () => {
  const choice = (change: object) => (reply: Record<string, unknown>) => ({
    ...reply,
    choices: [{ ...(reply.choices as object[])[0], ...change }],
  });
  const changed = (change: object) => (reply: Record<string, unknown>) => ({ ...reply, ...change });
  const writing: readonly [string, 'vllm' | 'llama' | 'plain', Fault, SparkError['code'], RegExp][] = [
    [
      'other ids than its text',
      'vllm',
      choice({ token_ids: [98, 99] }),
      'server_mismatch',
      /"bc" of its token ids, got "bb"/,
    ],
    [
      'ids that are none here',
      'vllm',
      choice({ token_ids: [98, 9999999] }),
      'server_mismatch',
      /of this vocabulary \(no token 9999999\)/,
    ],
    ['other ids than its text', 'llama', changed({ tokens: [98, 99] }), 'server_mismatch', /another tokenizer/],
    ['another prompt', 'vllm', choice({ prompt_token_ids: [1, 97] }), 'server_mismatch', /as token ids, unchanged/],
    ['a longer prompt', 'llama', changed({ tokens_evaluated: 2 }), 'server_mismatch', /2 tokens for the 1/],
    ['a longer prompt', 'plain', changed({ usage: { prompt_tokens: 9 } }), 'server_mismatch', /9 tokens for the 1/],
    ['an end without its token', 'vllm', choice({ finish_reason: 'stop' }), 'server_mismatch', /end of turn/],
    [
      'more than it may',
      'vllm',
      choice({ token_ids: [98, 98, 98], text: 'bbb' }),
      'server_mismatch',
      /at most 2 tokens/,
    ],
    ['no ids from one reply on', 'vllm', choice({ token_ids: null }), 'server_refused', /no completion/],
    ['an end that is none', 'vllm', choice({ finish_reason: 'abort' }), 'server_refused', /"abort"/],
    ['a full context', 'llama', changed({ truncated: true }), 'context_overflow', /lower inference.contextSize/],
    ['fewer than it may', 'vllm', choice({ token_ids: [98], text: 'b' }), 'context_overflow', /full after 2 tokens/],
    ['HTML', 'plain', () => '<html>', 'server_refused', /no completion/],
  ];
  it.each(writing)('%s (%s)', async (_what, kind, fault, code, words) => {
    const { server, generator } = await opened({ kind, script: () => 'b' });
    const sequence = await generator.open();
    sequence.append([97]);
    server.fail(fault);
    const error = await failing(sequence.generate({ ...GREEDY, stop: [], maxTokens: 2 }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(words) });
    // One of these is wrong about every question; a context that is full ends this one.
    expect(endsTheRun(error!)).toBe(code !== 'context_overflow');
  });

  it.each(KINDS)('a choice that is none of the options (%s)', async (kind) => {
    const server = await serve({ kind, script: () => 'b' });
    const other: Record<string, Fault> = {
      vllm: choice({ text: 'z', token_ids: [122] }),
      llama: changed({ content: 'z', tokens: [122] }),
      plain: choice({ text: 'z' }),
    };
    // Found while it is opened; where fields are merely not known, it is asked as one without ids.
    server.fail(other[kind]!, other[kind]!);
    expect(await failing(open(server))).toMatchObject({
      code: 'server_refused',
      message: expect.stringMatching(/expected one of "A", "B", got "z"\. Rollouts need allowed_token_ids/),
    });
  });

  const faults: readonly [string, Fault[], SparkError['code'] | null, RegExp | null][] = [
    ['500 that passes', [{ status: 500, error: {}, headers: { 'retry-after-ms': '1' } }, 'reset'], null, null],
    [
      '503 that stays',
      Array(2).fill({ status: 503, error: { message: 'busy' }, headers: { 'retry-after-ms': '1' } }),
      'server_unreachable',
      /1 retry, the last reply: 503 busy/,
    ],
    [
      'an hour to wait',
      [{ status: 429, error: {}, headers: { 'retry-after': '3600' } }],
      'server_unreachable',
      /asks to wait 3600 s/,
    ],
    ['no answer', ['hang', 'hang'], 'server_unreachable', /within 0.2 s/],
    [
      'vLLM’s full context',
      [{ status: 400, error: { message: "This model's maximum context length is 8 tokens." } }],
      'context_overflow',
      /8 tokens/,
    ],
    [
      'llama-server’s',
      [{ status: 400, error: { message: 'too much', type: 'exceed_context_size_error' } }],
      'context_overflow',
      /too much/,
    ],
    ['a bad request', [{ status: 400, error: { message: 'no' } }], 'server_refused', /refused the request: 400 no/],
    ['no credit', [{ status: 402, error: { message: 'pay' } }], 'server_refused', /no credit/],
    ['a key that it does not take, and shows', ['echoKey'], 'server_key_invalid', /valid one in SPARK_RL_SERVER_KEY/],
  ];
  it.each(faults)('%s', async (_what, given, code, words) => {
    const patience = code === null ? {} : { maxRetries: 1, timeoutMs: 200 };
    const { server, generator } = await opened(
      { kind: 'vllm', script: () => 'b' },
      { apiKey: 'sk-of-the-server-42', ...patience },
    );
    server.fail(...given);
    const sequence = await generator.open();
    sequence.append([97]);
    const error = await failing(sequence.generate({ ...GREEDY, stop: [], maxTokens: 2 }));
    if (code === null) expect(error).toBeNull();
    else expect(error).toMatchObject({ code, message: expect.stringMatching(words!) });
    expect(`${error?.message}${String(error?.cause)}`).not.toContain('of-the-server');
  });

  it('stops at once when it is told to', async () => {
    const { server, generator } = await opened({ kind: 'vllm', script: () => 'b' });
    const sequence = await generator.open();
    sequence.append([97]);
    server.fail('hang');
    const stop = new AbortController();
    const written = failing(sequence.generate({ ...GREEDY, stop: [], maxTokens: 2, signal: stop.signal }));
    stop.abort();
    expect(await written).toMatchObject({ code: 'interrupted' });
  });

  it('takes its own key and never the judge’s', async () => {
    const env = { OPENAI_API_KEY: 'sk-judge', SPARK_RL_SERVER_KEY: 'sk-server' };
    const { server } = await opened({ kind: 'plain', script: () => 'b' }, { env });
    expect(new Set(server.keys)).toEqual(new Set(['Bearer sk-server']));
    const bad = open(server, { env: { SPARK_RL_SERVER_KEY: 'two\nlines' } });
    expect(await failing(bad)).toMatchObject({
      code: 'server_key_invalid',
      message: expect.not.stringContaining('lines'),
    });
    expect(await failing(open(server, { baseUrl: 'http://me:secret@h/v1' }))).toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/^server.baseUrl: expected a URL without/),
    });
  });
});

describe('which model and adapter a server serves', () => {
  const adapter = path.join(folder, 'sft-40.gguf');
  writeFileSync(adapter, 'an adapter');
  const beside = path.join(folder, 'sft-40-peft');
  const script = () => 'b';

  it('names what there is', async () => {
    const server = await serve({ kind: 'vllm', script, adapters: [beside], contextSize: 50 });
    const at = (more: Partial<ServerOptions>) => failing(open(server, { contextSize: 40, ...more }));
    expect(await at({ model: 'other' })).toMatchObject({
      message: expect.stringContaining('serves (m, lora-0), got "other"'),
    });
    expect(await at({ model: 'lora-0' })).toMatchObject({ message: expect.stringContaining('is an adapter of "m"') });
    expect(await at({ contextSize: 51 })).toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('at most the 50 tokens'),
    });
  });

  it('finds an adapter by its path, and asks for it alone', async () => {
    const elsewhere = `/mnt/${path.basename(path.dirname(folder))}/${path.basename(folder)}`;
    const vllm = await opened(
      { kind: 'vllm', script, adapters: [`${elsewhere}/sft-20-peft`, `${elsewhere}/sft-40-peft`] },
      { adapterPath: adapter },
    );
    const llama = await opened(
      { kind: 'llama', script, adapters: [adapter, `${elsewhere}/other.gguf`] },
      { adapterPath: adapter },
    );
    const base = await opened({ kind: 'llama', script, adapters: [adapter] });
    for (const { generator } of [vllm, llama, base]) {
      const sequence = await generator.open();
      sequence.append([97]);
      await sequence.generate({ ...GREEDY, stop: [], maxTokens: 1 });
    }
    expect(vllm.server.bodies[0]).toMatchObject({ model: 'lora-1' });
    expect(vllm.generator.id).toMatch(/^server:m@.*\+lora:[0-9a-f]{64}$/);
    expect(llama.server.bodies[0]).toMatchObject({
      lora: [
        { id: 0, scale: 1 },
        { id: 1, scale: 0 },
      ],
    });
    // It would apply what it was started with.
    expect(base.server.bodies[0]).toMatchObject({ lora: [{ id: 0, scale: 0 }] });
    for (const kind of KINDS) {
      const server = await serve({ kind, script, adapters: ['/elsewhere/runs/other/adapters/sft-40.gguf'] });
      expect(await failing(open(server, { adapterPath: adapter }))).toMatchObject({
        code: 'invalid_config',
        message: expect.stringMatching(/--lora-modules sft-40=.*sft-40-peft, or llama-server with --lora/),
      });
    }
  });

  it('is refused for training where it gives no ids, or an adapter is to be learned by', async () => {
    const config = resolveConfig({ server: { baseUrl: 'http://127.0.0.1:9/v1', model: 'm' } });
    const { generator } = await opened({ kind: 'plain', script });
    const signal = new AbortController().signal;
    const shared = { config, judgeCacheFolder: '', log: silentLog, signal };
    const own = new Parts({ ...shared, user: { generator: async () => generator } });
    expect(await own.generator(null, 'answer')).toBe(generator);
    expect(await failing(own.generator(null, 'learn'))).toMatchObject({
      code: 'server_no_ids',
      message: expect.stringMatching(/expected the tokens that the model drew/),
    });
    expect(await failing(generator.open())).toMatchObject({ code: 'disposed' });
    const served = new Parts({ ...shared, user: {} });
    expect(await failing(served.generator(adapter, 'learn'))).toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/^server.baseUrl: expected null for rollouts by a trained adapter/),
    });
    expect(() => resolveConfig({ server: { baseUrl: 'http://h/v1' } })).toThrow(/server.model: expected the name/);
    expect(() => resolveConfig({ server: { model: 'm' } })).toThrow(/without server.baseUrl/);
    const one = { server: { baseUrl: 'http://h/v1', model: 'm' } };
    expect(() => resolveConfig({ ...one, generation: { deterministic: true } })).toThrow(/puts requests together/);
  });
});
