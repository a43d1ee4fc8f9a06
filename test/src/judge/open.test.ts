import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { openApiJudge } from '../../../src/judge/open.js';
import { startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { thoughtRequest } from './requests.js';

it('every judge setting of a configuration arrives, and verdicts go to the run', async () => {
  const server = await startOpenAiServer();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spark-judge-'));
  try {
    const settings = resolveConfig({
      judge: { kind: 'api', baseUrl: server.baseUrl, model: 'my-judge', maxTokens: 77, price: { input: 1, output: 2 } },
    }).judge;
    const { judge, stats, budget } = openApiJudge(settings, folder, { OPENAI_API_KEY: 'sk-x' });
    const first = await judge.judge(thoughtRequest(), {});
    expect(await judge.judge(thoughtRequest(), {})).toEqual(first);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]!.body).toMatchObject({ model: 'my-judge', max_tokens: 77 });
    expect(server.requests[0]!.headers.authorization).toBe('Bearer sk-x');
    expect(stats).toMatchObject({ calls: 1, cacheHits: 1 });
    expect(budget.spentUsd).toBeCloseTo((stats.inputTokens + 2 * stats.outputTokens) / 1e6, 12);

    const capped = { ...settings, maxCostUsd: 1e-6 };
    const poor = openApiJudge(capped, folder, {});
    // A known verdict needs no budget.
    expect(await poor.judge.judge(thoughtRequest(), {})).toEqual(first);
    await expect(poor.judge.judge(thoughtRequest({ thought: 'New.' }), {})).rejects.toMatchObject({
      code: 'judge_budget',
    });
    expect(() => openApiJudge({ ...capped, price: null }, folder, {})).toThrow(
      expect.objectContaining({ code: 'invalid_config' }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await server.close();
  }
});
