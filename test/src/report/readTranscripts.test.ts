import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { summarize } from '../../../src/evaluate/summary.js';
import { silentLog } from '../../../src/log.js';
import { readTranscripts } from '../../../src/report/readTranscripts.js';
import { Run, type RunOptions } from '../../../src/run/run.js';
import type { Step, Trajectory } from '../../../src/trajectory/trajectory.js';
import { temporaryFolder } from '../cli/runCli.js';
import { exampleTrajectory, stepPieces } from '../trajectory/example.js';

const RARE: Partial<Step> = { action: 'python', scores: { calculator: 8, python: 6 } };
/** Far from the best, as it is below τ. */
const BAD: Partial<Step> = { action: 'python', scores: { calculator: 9, python: 2 } };
const IDS = [1, 2, 3, 4];

/** A run whose stages answered the questions of `IDS` with one step each, in this order right or wrong. */
async function runOf(
  answers: Readonly<Record<string, readonly [steps: Partial<Step>[], right: boolean][]>>,
  more = {},
) {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  const options: RunOptions = { log };
  const config = { name: path.join(temporaryFolder(), 'run'), reward: { rho: 0.25 }, ...more };
  await using run = await Run.open(config, options);
  const questions = await run.questions.test().catch(() => []);
  const stages = Object.entries(answers).map(([name, all]) => {
    const trajectories = all.map(([steps, correct], index): Trajectory => {
      const questionId = questions[index]?.question_id ?? IDS[index]!;
      const pieces = [
        ['prompt', -1, 5] as const,
        ...steps.flatMap((_, at) => stepPieces(at)),
        ['answer', -1, 3] as const,
      ];
      return exampleTrajectory(pieces, steps, { id: `${questionId}:policy:0`, questionId, correct });
    });
    const file = run.folder.evalFile(name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, trajectories.map((one) => `${JSON.stringify(one)}\n`).join(''));
    return { name, evaluation: summarize(trajectories, ['calculator', 'python']) };
  });
  const { transcripts } = await readTranscripts(run, stages);
  const of = (why: string) =>
    transcripts!.picked
      .filter((one) => one.why.includes(why))
      .map(({ trajectory: { questionId } }) =>
        Math.max(
          0,
          questions.findIndex((one) => one.question_id === questionId),
        ),
      );
  return { transcripts, of, warnings, questions };
}

it('reads the last stage that acts, against all others, and charges for an action below τ', async () => {
  const { transcripts, of, questions } = await runOf({
    base: [
      [[], false],
      [[], true],
      [[], true],
      [[], true],
    ],
    sft: [
      [[RARE], false],
      [[RARE], true],
      [[RARE], false],
      [[RARE], true],
    ],
    spark: [
      [[BAD], true],
      [[RARE], true],
      [[RARE], true],
      [[RARE], false],
    ],
    plain: [
      [[], false],
      [[], true],
      [[], false],
      [[], true],
    ],
  });
  expect(transcripts).toMatchObject({ stage: 'spark', tau: 6 });
  expect(of('best')).toEqual([1, 2, 0]);
  expect(transcripts!.picked.map(({ reward }) => reward)).toEqual([0.5, 0.5, -0.75, 0.5]);
  expect(of('surprising: right where every other stage is wrong')).toEqual([0]);
  expect(of('surprising: wrong where every other stage is right')).toEqual([3]);
  expect(transcripts!.questions.get(questions[2]!.question_id)).toEqual(questions[2]);
});

it('goes on without the questions where they are gone, and has nothing where no stage acts', async () => {
  const { transcripts, warnings } = await runOf({ spark: [[[RARE], true]] }, { questions: { test: '/gone.jsonl' } });
  expect(transcripts).toMatchObject({ picked: [{ reward: 0.5 }], questions: new Map() });
  expect(warnings).toEqual([expect.stringContaining('the report shows no question: ')]);
  expect((await runOf({ base: [[[], true]] })).transcripts).toBeUndefined();
});
