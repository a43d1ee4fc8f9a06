import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { type ApiJudgeOptions, createApiJudge } from '../../../src/judge/apiJudge.js';
import { Budget } from '../../../src/judge/budget.js';
import { costOf, estimateCost, priceOf, requirePrice } from '../../../src/judge/prices.js';
import { type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { ACTIONS, endRequest, thoughtRequest } from './requests.js';

const tokens = (inputTokens: number, outputTokens = 0, cachedTokens = 0) => ({
  inputTokens,
  outputTokens,
  cachedTokens,
});
const dollarPerToken = { input: 1e6, output: 1e6 };

describe('prices', () => {
  it('are taken from the configuration, then from the table, and are never made up', () => {
    expect(priceOf('gpt-4o', null)).toMatchObject({ input: 2.5, output: 10 });
    expect(priceOf('gpt-4o', { input: 1, output: 2 })).toEqual({ input: 1, output: 2 });
    expect(priceOf('constructor', null)).toBeNull();
    expect(() => requirePrice('llama', null)).toThrow(/no price is known for the judge model "llama".*judge\.price/);
  });

  it('cached input is cheaper where the table says so', () => {
    const price = { input: 2, output: 10, cachedInput: 1 };
    expect(costOf(tokens(1_000_000, 100_000, 400_000), price)).toBeCloseTo(0.6 * 2 + 0.4 * 1 + 0.1 * 10);
  });

  it('a configuration gives the price of cached input, else it is that of other input', () => {
    const priced = (price: object) => resolveConfig({ judge: { price } }).judge.price!;
    const usage = tokens(1_000_000, 0, 400_000);
    expect(costOf(usage, priced({ input: 2, output: 10, cachedInput: 1 }))).toBeCloseTo(0.6 * 2 + 0.4 * 1);
    expect(costOf(usage, priced({ input: 2, output: 10 }))).toBeCloseTo(2);
    expect(() => priced({ input: 2, output: 10, cachedInput: -1 })).toThrow(/cachedInput/);
  });
});

describe('a budget', () => {
  it('stops before the call that could pass it', async () => {
    const budget = new Budget({ price: dollarPerToken, maxCostUsd: 10 });
    (await budget.reserve(tokens(6))).settle(tokens(2, 2));
    expect(budget.spentUsd).toBe(4);
    await expect(budget.reserve(tokens(7))).rejects.toMatchObject({ code: 'judge_budget' });
    (await budget.reserve(tokens(6))).lose();
    expect(budget.spentUsd).toBe(10);
  });

  it('calls at the same time cannot pass it together: the second waits for the first one to be settled', async () => {
    const budget = new Budget({ price: dollarPerToken, maxCostUsd: 10 });
    const first = await budget.reserve(tokens(8));
    let second: string | undefined;
    const waiting = budget.reserve(tokens(8)).then(() => {
      second = 'in';
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(second).toBeUndefined();
    first.settle(tokens(2));
    await waiting;
    expect(second).toBe('in');
    // Ending a reservation twice changes nothing.
    first.lose();
    expect(budget.spentUsd).toBe(2);
  });

  it('one that waits can be aborted, or learns that the money is gone', async () => {
    const budget = new Budget({ price: dollarPerToken, maxCostUsd: 10 });
    const first = await budget.reserve(tokens(8));
    const controller = new AbortController();
    const aborted = budget.reserve(tokens(5), controller.signal);
    const late = budget.reserve(tokens(5));
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'interrupted' });
    first.settle(tokens(8));
    await expect(late).rejects.toMatchObject({ code: 'judge_budget' });
  });

  it('tokens and requests have caps of their own, which need no price', async () => {
    const byTokens = new Budget({ price: null, maxCostUsd: null, maxTotalTokens: 10 });
    (await byTokens.reserve(tokens(4, 2))).settle(tokens(3, 1));
    const second = byTokens.tryReserve(tokens(2, 2))!;
    expect(byTokens.tryReserve(tokens(2, 1))).toBeNull();
    second.settle(tokens(2, 2));
    expect(() => byTokens.tryReserve(tokens(2, 1))).toThrow(
      /8 tokens of 10 tokens spent, and the next call may take 3 tokens.*raise judge\.maxTotalTokens/,
    );
    const byRequests = new Budget({ price: null, maxCostUsd: null, maxRequests: 2 });
    byRequests.tryReserve(tokens(1e9))!.release();
    byRequests.tryReserve(tokens(1e9))!.lose();
    byRequests.tryReserve(tokens(1))!.settle(tokens(1));
    await expect(byRequests.reserve(tokens(1))).rejects.toMatchObject({
      code: 'judge_budget',
      message: expect.stringContaining('raise judge.maxRequests'),
    });
  });

  it('a cap without a price is a mistake', () => {
    expect(() => new Budget({ price: null, maxCostUsd: 1 })).toThrow(/needs a price/);
    expect(new Budget({ price: null, maxCostUsd: null }).spentUsd).toBeNull();
  });
});

describe('the judge and its bill', () => {
  let server: LoopbackServer;
  beforeEach(async () => {
    server = await startOpenAiServer();
  });
  afterEach(() => server.close());
  const judgeWith = (options: Partial<ApiJudgeOptions>) =>
    createApiJudge({ baseUrl: server.baseUrl, model: 'gpt-4o', timeoutMs: 3000, env: {}, ...options });

  it('adds up what the server says it used', async () => {
    const judge = judgeWith({});
    await judge.judge(thoughtRequest(), {});
    await judge.judge(thoughtRequest({ thought: 'Else.' }), {});
    const { inputTokens, outputTokens, costUsd } = judge.stats;
    const sent = server.requests.map(({ body }) => Math.ceil(JSON.stringify(body.messages).length / 4));
    expect(inputTokens).toBe(sent[0]! + sent[1]!);
    expect(outputTokens).toBeGreaterThan(40);
    expect(costUsd).toBeCloseTo((inputTokens * 2.5 + outputTokens * 10) / 1e6, 12);
    expect(judge.stats.snapshot().judge_cost_usd).toBe(costUsd);
  });

  it('the cap holds with many calls at once, and the call that would pass it is never sent', async () => {
    const maxCostUsd = 0.05;
    const judge = judgeWith({ maxCostUsd, concurrency: 8 });
    const calls = Array.from({ length: 40 }, (_, i) => judge.judge(thoughtRequest({ thought: `Thought ${i}` }), {}));
    const settled = await Promise.allSettled(calls);
    const failed = settled.filter((result) => result.status === 'rejected');
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toMatchObject({ code: 'judge_budget' });
    expect(server.requests).toHaveLength(40 - failed.length);
    expect(server.requests.length).toBeGreaterThan(5);
    expect(judge.budget.spentUsd).toBeLessThanOrEqual(maxCostUsd);
    // What is left is less than the most expensive call can cost.
    expect(judge.budget.spentUsd).toBeGreaterThan(maxCostUsd - 0.03);
  });

  it('what a server does not say it used counts at its most', async () => {
    server.setBehaviours('noUsage');
    const judge = judgeWith({});
    await judge.judge(thoughtRequest(), {});
    const bytes = JSON.stringify(server.requests[0]!.body).length;
    expect(judge.budget.spentUsd).toBeGreaterThan((bytes * 2.5 + 512 * 10) / 1e6 - 1e-9);
    expect(judge.stats.inputTokens).toBe(0);
  });

  it('a request that timed out may have been worked on; one that was turned away was not', async () => {
    server.setBehaviours('hang');
    const judge = judgeWith({ timeoutMs: 100, maxRetries: 0 });
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_unreachable' });
    expect(judge.budget.spentUsd).toBeGreaterThan(0.005);
    server.setBehaviours('serverError');
    const other = judgeWith({ maxRetries: 1 });
    await expect(other.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_unreachable' });
    expect(other.budget.spentUsd).toBe(0);
  });

  it('so may one that was given up, or answered with something unreadable', async () => {
    server.setBehaviours('loginPage');
    const unread = judgeWith({});
    await expect(unread.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_unparsable' });
    expect(unread.budget.spentUsd).toBeGreaterThan(0.005);
    server.setBehaviours('hang');
    const left = judgeWith({});
    await expect(left.judge(thoughtRequest(), { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      code: 'interrupted',
    });
    expect(left.budget.spentUsd).toBeGreaterThan(0.005);
  });

  it('caps of tokens and requests stop the judge, too', async () => {
    const ask = (judge: ReturnType<typeof judgeWith>, count: number) =>
      Promise.allSettled(
        Array.from({ length: count }, (_, at) => judge.judge(thoughtRequest({ thought: `Thought ${at}` }), {})),
      );
    const few = await ask(judgeWith({ maxRequests: 3, model: 'of no known price' }), 5);
    expect(few.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    const judge = judgeWith({ maxTotalTokens: 20_000 });
    const some = await ask(judge, 20);
    expect(some.at(-1)).toMatchObject({ reason: { code: 'judge_budget' } });
    expect(judge.stats.inputTokens + judge.stats.outputTokens).toBeLessThanOrEqual(20_000);
  });

  it('a retry that the money no longer allows is not sent, and not waited for', async () => {
    server.setBehaviours('hang', 'good');
    // Long enough for the first request to arrive, however busy the machine is.
    const judge = judgeWith({ timeoutMs: 2000, maxRetries: 4, maxCostUsd: 0.02 });
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_budget' });
    expect(server.requests).toHaveLength(1);
    // The client alone would have retried four times, with pauses of more than five seconds in all.
    expect(judge.stats.retries).toBeLessThan(2);
  });

  it('a cap on a model of unknown price is refused at once', () => {
    expect(() => judgeWith({ model: 'mystery', maxCostUsd: 1 })).toThrow(
      expect.objectContaining({ code: 'invalid_config' }),
    );
    expect(judgeWith({ model: 'mystery' }).stats.costUsd).toBeNull();
  });
});

describe('the estimate for a dry run', () => {
  const estimate = (questions: number, steps: number) =>
    estimateCost(questions, steps, { actions: ACTIONS, price: priceOf('gpt-4o', null) });

  it('counts one call a step and one for the end', () => {
    expect(estimate(10, 5).calls).toBe(60);
    expect(estimate(20, 5).usd).toBeCloseTo(2 * estimate(10, 5).usd!);
    expect(estimateCost(1, 1, { actions: ACTIONS, price: null }).usd).toBeNull();
  });

  it('grows faster than the steps, as the transcript does', () => {
    expect(estimate(1, 5).inputTokens).toBeGreaterThan(2.5 * estimate(1, 2).inputTokens - estimate(1, 1).inputTokens);
    expect(estimate(1, 5).inputTokens - estimate(1, 4).inputTokens).toBeGreaterThan(
      estimate(1, 2).inputTokens - estimate(1, 1).inputTokens,
    );
  });

  it('is near what a real rollout of such steps sends', async () => {
    const server = await startOpenAiServer();
    try {
      const judge = createApiJudge({ baseUrl: server.baseUrl, model: 'gpt-4o', env: {} });
      await judge.judge(thoughtRequest({ steps: [] }), {});
      await judge.judge(endRequest(), {});
      const { inputTokens } = judge.stats;
      // Larger, because this test's question and steps are shorter than usual, and its server does not count the
      // schema.
      expect(estimate(1, 1).inputTokens).toBeGreaterThan(inputTokens);
      expect(estimate(1, 1).inputTokens).toBeLessThan(inputTokens * 2);
    } finally {
      await server.close();
    }
  });
});
