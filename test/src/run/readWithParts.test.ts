/** A run made with a module of own parts is read with it; where it is gone, nothing takes its place. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/log.js';
import { Run } from '../../../src/run/run.js';
import { evaluateName } from '../../../src/stages/evaluate.js';
import type { Step } from '../../../src/trajectory/trajectory.js';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';
import { exampleTrajectory, stepPieces } from '../trajectory/example.js';

const base = temporaryFolder();
const at = (name: string) => path.join(base, name);
const root = at('own');
const module = at('parts.mjs');
/** Below τ, where our own reward is another formula. */
const BELOW: Partial<Step> = { action: 'echo', scores: { calculator: 9, echo: 2 } };

beforeAll(async () => {
  writeFileSync(
    module,
    `export default () => ({
      tools: { actions: () => ['calculator', 'echo', 'think', 'untaken_tool'].map((name) => ({ name, description: 'd', inputHint: 'i' })), run() {} },
      reward: (step, rho) => ({ diversity: 7, coherence: rho, reward: 7 + rho }),
    });\n`,
  );
  await using run = await Run.open({ name: root, parts: module, reward: { rho: 0.25 } });
  await run.storeConfig();
  const [question] = await run.questions.test();
  const answer = exampleTrajectory([['prompt', -1, 5], ...stepPieces(0), ['answer', -1, 3]], [BELOW], {
    questionId: question!.question_id,
    id: `${question!.question_id}:policy:0`,
    correct: true,
  });
  const file = run.folder.evalFile('spark');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(answer)}\n`);
  await run.records.begin(evaluateName('spark'), {});
});

const page = async () => {
  const out = at('page.html');
  const { code, stderr } = await runHere(['report', '--run', root, '--out', out]);
  return { code, stderr, html: readFileSync(out, 'utf8') };
};

describe('a run with a module of its own parts', () => {
  it('is reported with its reward and its actions', async () => {
    const { code, html } = await page();
    expect(code).toBe(0);
    expect(html).toContain('reward 7.25');
    expect(html).toContain('untaken_tool');
  });

  it('without the module: said, and no reward and no action is made up', async () => {
    const gone = `${module}.gone`;
    renameSync(module, gone);
    try {
      const { code, stderr, html } = await page();
      expect([code, stderr]).toEqual([0, expect.stringMatching(/own is read without its own parts: .*parts\.mjs/)]);
      expect(stderr).toMatch(/spark\.jsonl is not finished, and is not shown/);
      expect(html).not.toMatch(/reward \d/);
      const out = at('export.parquet');
      const exported = [
        'trajectories',
        'export',
        '--run',
        root,
        '--stage',
        'spark',
        '--format',
        'parquet',
        '--out',
        out,
      ];
      const said = await runHere([...exported, '--json']);
      expect([said.code, said.stderr]).toEqual([0, expect.any(String)]);
      const run = Run.read(root);
      expect(run.parts.reward(0.5)({} as Step)).toBeNull();
      expect(() => run.parts.actions()).toThrow(/parts\.tools: expected what .*parts\.mjs exports/);
      await expect(run.parts.judge()).rejects.toMatchObject({ code: 'no_data' });
      await expect(run.parts.judgeName()).rejects.toMatchObject({ code: 'no_data' });
    } finally {
      renameSync(gone, module);
    }
  });

  it('takes the parts of a program, too', () => {
    const reward = () => ({ diversity: 1, coherence: 0, reward: 1 });
    const { parts } = Run.read(root, { parts: { reward }, log: silentLog });
    expect([parts.ownReward, parts.reward(0)({} as Step)]).toEqual([true, reward()]);
    expect(parts.actions()).toHaveLength(9);
    expect(() => Run.read(root, { parts: { reward: 1 } as never })).toThrow(/options\.parts/);
  });
});
