/**
 * The generator over a real llama-server with the shipped model, against llama.cpp here: the same ids, the same greedy
 * rollouts, the same adapter. At night (scripts/nightly.sh builds the server), or with LLAMA_SERVER.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Generator } from '../../../src/inference/generator.js';
import { openLlamaCpp } from '../../../src/inference/llamaCpp.js';
import { openServer, type ServerOptions } from '../../../src/inference/server.js';
import { createApiJudge } from '../../../src/judge/apiJudge.js';
import { makeMini } from '../../../src/questions/mini.js';
import { rolloutWithoutTools } from '../../../src/rollout/plain.js';
import { isTrajectory, rolloutQuestion } from '../../../src/rollout/rollout.js';
import { runRollouts } from '../../../src/rollout/run.js';
import { createBuiltinRegistry } from '../../../src/tools/registry.js';
import type { Skip, Trajectory } from '../../../src/trajectory/trajectory.js';
import { temporaryFolder } from '../cli/runCli.js';
import { full } from '../full.js';
import { thoughtRequest } from '../judge/requests.js';
import { SETTINGS } from '../rollout/parts.js';
import { queryAdapter } from './adapterFile.js';
import { hasLlamaServer, LLAMA_SERVER, type LlamaServer, startLlamaServer } from './llamaServer.js';

const MODEL = fileURLToPath(new URL('../../../models/spark-tiny.gguf', import.meta.url));
const WIDTH = 192;
const CONTEXT = 1000;
const here = full && hasLlamaServer;
if (full && !here)
  console.warn(`skipped: no llama-server at ${LLAMA_SERVER}; node scripts/build-llama.mjs llama-server`);

const tools = createBuiltinRegistry({ tools: ['calculator', 'logic', 'statistics'] });
afterAll(() => tools.dispose());

/** Greedy; the policy acts. */
const ACTING = { ...SETTINGS, selection: 'policy', maxThoughtTokens: 80, toolTimeoutMs: 60_000 } as const;

describe.skipIf(!here)('a real llama-server', () => {
  const adapter = path.join(temporaryFolder(), 'query.gguf');
  let server: LlamaServer;
  let local: Generator;
  let served: Generator;
  const open = (more: Partial<ServerOptions> = {}) =>
    openServer({
      baseUrl: server.baseUrl,
      model: 'tiny',
      modelPath: MODEL,
      contextSize: CONTEXT,
      sequences: 4,
      env: {},
      ...more,
    });
  const openHere = (adapterPath?: string) =>
    openLlamaCpp({ modelPath: MODEL, contextSize: CONTEXT, sequences: 4, kvCacheType: 'F32', adapterPath });

  beforeAll(async () => {
    writeFileSync(adapter, queryAdapter(WIDTH, 0.3));
    const cache = ['--cache-type-k', 'f32', '--cache-type-v', 'f32', '--flash-attn', 'off'];
    const slots = ['--parallel', '4', '--ctx-size', String(4 * 2048), '--threads', '1'];
    // Its own sampling must not show, nor the adapter that it was started with.
    const others = [
      '--override-kv',
      'llama.context_length=int:2048',
      '--top-k',
      '3',
      '--repeat-penalty',
      '1.5',
      '--temp',
      '1.3',
      '--lora',
      adapter,
    ];
    server = await startLlamaServer([
      '-m',
      MODEL,
      '--alias',
      'tiny',
      '--chat-template',
      'chatml',
      ...cache,
      ...slots,
      ...others,
    ]);
    local = await openHere();
    served = await open();
  });
  afterAll(async () => {
    await local?.dispose();
    await served?.dispose();
    await server?.close();
  });

  const questions = makeMini({ split: 'test', perCategory: 1, seed: 3 }).slice(0, 8);
  const comparable = (result: Trajectory | Skip) => {
    if (!isTrajectory(result)) throw new Error(result.message);
    const { generator: _, ...rest } = result;
    return rest;
  };

  it('gives the greedy rollouts of llama.cpp here, token for token', async () => {
    for (const question of questions) {
      const roll = (generator: Generator) => rolloutQuestion(question, { generator, judge: null, tools }, ACTING);
      const expected = comparable(await roll(local));
      expect(comparable(await roll(served))).toEqual(expected);
      expect(expected).not.toHaveProperty('tokenised');
    }
    const chain = { validation: [], temperature: 0, maxChainTokens: 40, seed: 1, attempt: 0 };
    const think = (generator: Generator) => rolloutWithoutTools(questions[0]!, { generator }, chain);
    expect(comparable(await think(served))).toEqual(comparable(await think(local)));
  });

  it('samples by seed, many at once', async () => {
    const roll = async (seed: number) => {
      const found = new Map<number, Trajectory>();
      const settings = { ...ACTING, temperature: 1, seed };
      await runRollouts(questions, { generator: served, judge: null, tools }, settings, (result) => {
        if (isTrajectory(result)) found.set(result.questionId, result);
      });
      return questions.map(({ question_id }) => found.get(question_id)!);
    };
    const [one, other] = [await roll(1), await roll(2)];
    expect(one).toHaveLength(questions.length);
    // Ids of these texts in our vocabulary, as the server drew them.
    for (const { tokens, steps } of one) {
      const text = served.detokenize(tokens);
      for (const { thought, input } of steps) for (const part of [thought, input]) expect(text).toContain(part);
    }
    expect(one.map(({ tokens }) => tokens)).not.toEqual(other.map(({ tokens }) => tokens));
  });

  it('applies the adapter where it is asked for, and else not', async () => {
    const [there, adapted] = [await open({ adapterPath: adapter }), await openHere(adapter)];
    const write = async (generator: Generator) => {
      const sequence = await generator.open();
      sequence.append(generator.tokenize(`${generator.bosText}Question: what is 12 + 7?\n<thought>`, true));
      const { tokens } = await sequence.generate({ stop: [], maxTokens: 24, temperature: 0, seed: 1 });
      sequence.dispose();
      return tokens;
    };
    const expected = await write(adapted);
    expect(await write(there)).toEqual(expected);
    expect(await write(served)).toEqual(await write(local));
    expect(await write(served)).not.toEqual(expected);
    await there.dispose();
    await adapted.dispose();
  });

  it('says that its context is full, and refuses a longer one', async () => {
    await expect(open({ contextSize: 4000 })).rejects.toMatchObject({ code: 'invalid_config' });
    await expect(open({ model: 'other' })).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('judges by the schema, of which it leaves out the scale: such a verdict is none', async () => {
    const judge = createApiJudge({ baseUrl: server.baseUrl, model: 'tiny', env: {}, maxRetries: 0 });
    // The shipped model knows no judging. The names are forced on it; any number is one to llama.cpp's grammar.
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({
      code: 'judge_unparsable',
      message: expect.stringMatching(/numbers of 0 to 10 or null.*"scores" : \{ "calculator" : \S+, "python" : /),
    });
    // In the first form that it was asked in.
    expect(judge.stats.retries).toBe(0);
  });
});
