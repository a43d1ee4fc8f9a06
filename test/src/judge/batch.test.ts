import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConfigPatch, resolveConfig } from '../../../src/config/index.js';
import { readLedger, writeLedger } from '../../../src/judge/batchLedger.js';
import type { JudgeRequest } from '../../../src/judge/judge.js';
import { isBatched, openApiJudge, openBatchedJudge } from '../../../src/judge/open.js';
import { silentLog } from '../../../src/log.js';
import { type BatchOutcome, type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { full } from '../full.js';
import { ACTIONS, endRequest, thoughtRequest } from './requests.js';

let folder: string;
let server: LoopbackServer;
beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'spark-batch-'));
  server = await startOpenAiServer();
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.close();
});

const ledgerFile = () => path.join(folder, 'judged', 'api.batches.json');
const ledger = () => readLedger(ledgerFile())!;

/** The judge as `ablate judge` opens it, in a process of its own as far as it knows. */
function open(more: object = {}) {
  const settings = resolveConfig({
    ablate: {
      judges: [
        { name: 'api', kind: 'api', model: 'gpt-4o', baseUrl: server.baseUrl, batch: true, maxRetries: 2, ...more },
      ],
    },
  }).ablate.judges[0]!;
  if ('parts' in settings) throw new Error('no module');
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const { judge, stats } = openBatchedJudge(settings, folder, {
    ...{ ledgerFile: ledgerFile(), env: {}, looks: { first: 1, last: 1 } },
    log: { ...silentLog, info: say, warn: say },
  });
  return { judge, stats, said, settings };
}

/** States of three kinds: the first, a later one, the end. */
const REQUESTS: readonly JudgeRequest[] = [
  thoughtRequest({ steps: [] }),
  ...Array.from({ length: 5 }, (_, at) => thoughtRequest({ thought: `Thought ${at}` })),
  endRequest(),
];
const verdictsOf = (judge: { judge: ReturnType<typeof open>['judge']['judge'] }) =>
  Promise.all(REQUESTS.map((request) => judge.judge(request, {})));
const outcomes = (...list: BatchOutcome[]) => server.setBatchOutcomes(...list);

/** What one is told who asks directly. */
async function direct() {
  const settings = { ...open().settings, batch: false, cache: 'off' as const };
  const { judge } = openApiJudge(settings, path.join(folder, 'none'), {});
  const verdicts = await verdictsOf(judge);
  server.requests.length = 0;
  return verdicts;
}

/** A judge that is stopped after it has sent a batch, whose answers never come. The ledger from before the stop. */
async function stoppedWhileItWaits() {
  await server.close();
  server = await startOpenAiServer({ batchLooks: 1_000_000 });
  const stop = new AbortController();
  const { judge, said } = open();
  const waiting = judge.judgeAll(REQUESTS, stop.signal);
  while (!said.some((line) => line.includes('requests sent'))) await new Promise((next) => setTimeout(next, 1));
  const before = ledger();
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
  return before;
}

describe('a judge asked in batches', () => {
  it('says the same as one asked directly, for half the price, and a second time asks nothing', async () => {
    const expected = await direct();
    const { judge, stats } = open();
    await judge.judgeAll(REQUESTS);
    expect(await verdictsOf(judge)).toEqual(expected);
    // The first one went directly, to learn the form; twice the same is asked once.
    expect(server.requests).toHaveLength(1);
    const [batch] = server.batches;
    expect(batch!.lines).toHaveLength(6);
    expect(batch).toMatchObject({ endpoint: '/v1/chat/completions', completion_window: '24h' });
    expect(batch!.lines[0]).toMatchObject({ method: 'POST', url: '/v1/chat/completions' });
    expect(batch!.lines[0]!.body).toMatchObject({ model: 'gpt-4o', temperature: 0, max_tokens: 512 });

    const tokens = (text: unknown) => Math.ceil(JSON.stringify(text).length / 4);
    const first = tokens(server.requests[0]!.body.messages);
    const rest = batch!.lines.reduce((sum, { body }) => sum + tokens(body.messages), 0);
    expect(stats.inputTokens).toBe(first + rest);
    // What was sent, and the answers: neither is needed any more.
    expect([server.files.size, server.deletedFiles.size]).toEqual([0, 2]);
    const answers = [...server.deletedFiles.values()].at(-1)!.trimEnd().split('\n');
    const written = answers.map((line) => JSON.parse(line).response.body.usage.completion_tokens as number);
    const batched = written.reduce((sum, one) => sum + one, 0);
    const full = 2.5 * first + 10 * (stats.outputTokens - batched);
    expect(stats.costUsd).toBeCloseTo((full + (2.5 * rest + 10 * batched) / 2) / 1e6, 12);
    expect(stats).toMatchObject({ calls: 7, cacheHits: 0 });

    const again = open();
    await again.judge.judgeAll([...REQUESTS, ...REQUESTS]);
    expect(await verdictsOf(again.judge)).toEqual(expected);
    expect(again.stats).toMatchObject({ calls: 0, cacheHits: 7, costUsd: 0 });
    expect([server.requests.length, server.batches.length]).toEqual([1, 1]);
  });

  const leaving = ['someFail', 'expired', 'damaged', ...(full ? (['dropped', 'cancelled'] as const) : [])] as const;
  it.each(leaving)('what a batch left out (%s) is asked in the next one, and nothing else', async (outcome) => {
    const expected = await direct();
    outcomes(outcome, 'good');
    const { judge, stats } = open();
    await judge.judgeAll(REQUESTS);
    expect(await verdictsOf(judge)).toEqual(expected);
    expect(server.batches.map(({ lines }) => lines.length)).toEqual([6, 3]);
    const answers = stats.calls - [...stats.failures.values()].reduce((sum, count) => sum + count, 0);
    expect(answers).toBe(7);
  });

  it('an answer that does not say what it used counts at its most; a look that is lost is repeated', async () => {
    outcomes('noUsage');
    const first = open();
    await first.judge.judgeAll(REQUESTS);
    const [batch] = server.batches;
    const bytes = batch!.lines.reduce((sum, line) => sum + Buffer.byteLength(JSON.stringify(line)), 0);
    expect(first.stats.costUsd).toBeGreaterThan((2.5 * bytes + 10 * 512 * batch!.lines.length) / 2e6);

    outcomes('lookLost');
    const later = open({ maxRetries: 0 });
    await later.judge.judgeAll([thoughtRequest({ thought: 'New.' })]);
    await expect(later.judge.judge(thoughtRequest({ thought: 'New.' }), {})).resolves.toHaveProperty('scores');
    expect(later.said).toContainEqual(expect.stringContaining('looked for again'));
  });

  it('requests with other actions go in a batch of their own, whose answers are read by those', async () => {
    const actions = ACTIONS.slice(0, 4);
    const few = REQUESTS.slice(1, 3).map((request) => ({ ...request, actions }));
    const { judge } = open();
    await judge.judgeAll([...REQUESTS, ...few]);
    expect(server.batches.map(({ lines }) => lines.length)).toEqual([6, 2]);
    const { scores } = await judge.judge(few[0]!, {});
    expect(Object.keys(scores)).toEqual(actions.map(({ name }) => name));
  });

  it('what is refused is reported and not asked again; what stays expired ends the stage with its code', async () => {
    outcomes('someTooLong');
    const { judge, said } = open();
    await judge.judgeAll(REQUESTS);
    const settled = await Promise.allSettled(REQUESTS.map((request) => judge.judge(request, {})));
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(3);
    for (const one of refused) expect(one).toMatchObject({ reason: { code: 'judge_refused' } });
    expect(said.at(-1)).toMatch(/requests without a verdict: 3 judge_refused; the first: .*context length/);
    await open().judge.judgeAll(REQUESTS);
    expect(server.batches).toHaveLength(1);

    outcomes('expired');
    const asked = Array.from({ length: 8 }, (_, at) => thoughtRequest({ thought: `Other ${at}` }));
    const late = open();
    await late.judge.judgeAll(asked);
    await expect(late.judge.judge(asked[7]!, {})).rejects.toMatchObject({ code: 'judge_batch_expired' });
    // Twice again (maxRetries), with what is still open; then it is over, until the command is run again.
    expect(server.batches.map(({ lines }) => lines.length)).toEqual([6, 8, 4, 2]);
    outcomes('good');
    await expect(open().judge.judgeAll(asked)).resolves.toBeUndefined();
    await expect(open().judge.judge(asked[7]!, {})).resolves.toHaveProperty('scores');
  });

  it('goes on with a batch of a process that ended, and with one whose making it never heard of', async () => {
    const before = await stoppedWhileItWaits();
    expect(before.open).toMatchObject([{ batchId: 'batch_1', fileId: 'file-1' }]);
    for (const batch of server.batches) (batch as { left?: number }).left = 0;
    // As after kill -9 between the server's making it and our writing its id down.
    await writeLedger(ledgerFile(), { ...before, open: [{ ...before.open[0]!, batchId: null }] });

    const { judge, said, stats } = open();
    await judge.judgeAll(REQUESTS);
    expect(stats.costUsd).toBeCloseTo((2.5 * stats.inputTokens + 10 * stats.outputTokens) / 2e6, 12);
    expect(stats.costUsd).toBeGreaterThan(0);
    expect(said[0]).toMatch(/batch batch_1 of .* is gone on with/);
    expect((await verdictsOf(judge)).every(({ processOk, scores }) => processOk !== undefined && scores)).toBe(true);
    expect([server.requests.length, server.batches.length]).toEqual([1, 1]);
  });

  it('a reply that was lost makes no second batch; a file that was never uploaded is forgotten', async () => {
    outcomes('replyLost', 'good');
    const { judge } = open();
    await judge.judgeAll(REQUESTS);
    expect(server.batches).toHaveLength(1);
    await expect(verdictsOf(judge)).resolves.toHaveLength(7);

    const lost = { mark: 'm', since: '2026-01-01T00:00:00Z', fileId: null, batchId: null, actions: ['think'] };
    await writeLedger(ledgerFile(), {
      ...ledger(),
      open: [{ ...lost, requests: [{ key: 'k', kind: 'step', bytes: 9 }] }],
    });
    await open().judge.judgeAll(REQUESTS);
    expect(ledger().open).toEqual([]);
  });

  it('keeps verdicts of states that are judged no more, and is waited for where batches are turned off', async () => {
    await stoppedWhileItWaits();
    expect(() => open({ model: 'gpt-4o-mini' })).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: expect.stringMatching(/sent to api:gpt-4o@.*remove/),
      }),
    );
    for (const batch of server.batches) (batch as { left?: number }).left = 0;
    const { judge, settings } = open({ batch: false });
    expect(isBatched(settings, ledgerFile())).toBe(true);
    await judge.judgeAll([REQUESTS[1]!, thoughtRequest({ thought: 'New.' })]);
    await expect(verdictsOf(judge)).resolves.toHaveLength(7);
    expect([server.requests.length, server.batches.length]).toEqual([1, 1]);
    // What no batch was told is asked directly.
    await judge.judge(thoughtRequest({ thought: 'New.' }), {});
    expect(server.requests).toHaveLength(2);
  });

  it('a batch that is not taken is an error; one with too many tokens waits for another one’s end', async () => {
    outcomes('refused');
    await expect(open().judge.judgeAll(REQUESTS)).rejects.toMatchObject({
      code: 'judge_batch_failed',
      message: expect.stringMatching(/batch_1 of 6 requests \(model_not_found: .*not supported by the Batch API/),
    });
    expect(ledger().open).toEqual([]);
    outcomes('good', 'tokenLimit', 'good');
    // As many as are asked: those of the batch that was not taken are free again.
    const { judge } = open({ batchRequests: 4, maxRequests: 6 });
    await judge.judgeAll(REQUESTS);
    expect(server.batches.map(({ lines }) => lines.length)).toEqual([6, 4, 2, 2]);
    await expect(verdictsOf(judge)).resolves.toHaveLength(7);
    outcomes('tokenLimit');
    await expect(open().judge.judgeAll([thoughtRequest({ thought: 'New.' })])).rejects.toMatchObject({
      message: expect.stringContaining('lower batchRequests'),
    });
  });

  it('a batch that the server refuses to make is forgotten, as it said so', async () => {
    outcomes('notMade');
    await expect(open().judge.judgeAll(REQUESTS)).rejects.toMatchObject({ code: 'judge_refused' });
    expect([ledger().open, server.files.size, server.deletedFiles.size]).toEqual([[], 0, 1]);
  });

  it('a server without batches is named; only one request was asked', async () => {
    outcomes('unsupported');
    await expect(open().judge.judgeAll(REQUESTS)).rejects.toMatchObject({ code: 'judge_batch_unsupported' });
    expect(server.requests).toHaveLength(1);
    expect(ledger().open).toEqual([]);
  });

  it('a wrong key and a model that takes another form show before anything is uploaded', async () => {
    server.setBehaviours('badKey');
    await expect(open().judge.judgeAll(REQUESTS)).rejects.toMatchObject({ code: 'judge_key_missing' });
    expect(server.files.size).toBe(0);
    server.setBehaviours('reasoningModel');
    await open().judge.judgeAll(REQUESTS);
    const { body } = server.batches[0]!.lines[0]!;
    expect(body).toHaveProperty('max_completion_tokens', 512);
    expect(body).not.toHaveProperty('temperature');
  });

  it('caps hold with batches: as many requests go at a time as fit at their most, and the rest is an error', async () => {
    // At its most a request here is about 7,000 tokens, and really 1,300.
    const { judge, stats } = open({ maxTotalTokens: 16_000 });
    await judge.judgeAll(REQUESTS);
    expect(server.batches.length).toBeGreaterThan(2);
    await expect(verdictsOf(judge)).resolves.toHaveLength(7);
    expect(stats.inputTokens + stats.outputTokens).toBeLessThan(16_000);

    const more = Array.from({ length: 6 }, (_, at) => thoughtRequest({ thought: `Again ${at}` }));
    const few = open({ maxRequests: 3 });
    await expect(few.judge.judgeAll(more)).rejects.toMatchObject({
      code: 'judge_budget',
      message: expect.stringMatching(/3 requests of 3 requests spent.*judge\.maxRequests/),
    });
    expect(few.stats.calls).toBe(3);
  });

  it('a damaged ledger is an error and not a second batch', async () => {
    await open().judge.judgeAll(REQUESTS);
    writeFileSync(ledgerFile(), readFileSync(ledgerFile(), 'utf8').replace('batch_1', 'batch_9'));
    expect(() => open()).toThrow(expect.objectContaining({ code: 'invalid_file' }));
    expect(existsSync(ledgerFile())).toBe(true);
  });
});

it('batches are refused where they make no sense', () => {
  const wrong = (patch: ConfigPatch) => {
    try {
      resolveConfig(patch);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(wrong({ judge: { kind: 'api', batch: true } })).toMatch(
    /judge\.batch: expected false, got true; a rollout needs/,
  );
  const judges = (more: object) => ({ ablate: { judges: [{ name: 'a', batch: true, ...more }] } });
  expect(wrong(judges({ kind: 'oracle' }))).toMatch(/ablate\.judges\.0\.batch: expected false for judge\.kind oracle/);
  expect(wrong(judges({ kind: 'api', cache: 'off' }))).toMatch(/ablate\.judges\.0\.cache: expected shared or run/);
  expect(wrong(judges({ kind: 'local', model: 'policy' }))).toMatch(
    /ablate\.judges\.0\.batch: is a setting of judge\.kind api/,
  );
  expect(wrong(judges({ kind: 'api', batchRequests: 50_001 }))).toMatch(/batchRequests/);
});
