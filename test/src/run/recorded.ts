/** Shared by the tests of runs that are made again from a record. */
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { type Run, withRun } from '../../../src/run/run.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { readTrajectories } from '../../../src/trajectory/store.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';
import { tableJudge } from '../rollout/parts.js';

/** Asks a tool for how its question begins, as others do, and answers. */
export const writer = async () =>
  new ScriptedGenerator(
    (text) => {
      const about = /Question:\n([\w ]{4,8})/.exec(text)?.[1] ?? 'nothing';
      return continuations([
        ['The answer is (', 'C).</answer>'],
        ['</observation>\n', '<answer>The answer is (C).</answer>'],
        ['<input>', `${about.trim()}</input>`],
        ['\n', '<thought>Look.</thought>'],
      ])(text);
    },
    { sequences: 4 },
  );

/** What the steps of trajectories say, in an order of its own. */
export async function stepsIn(file: string) {
  const told: string[] = [];
  for await (const { id, steps } of readTrajectories(file)) {
    for (const { action, input, observation, toolError } of steps) {
      told.push(JSON.stringify({ id, action, input, observation, toolError }));
    }
  }
  return told.sort();
}

/** How often an input was told a failure, and how often an answer, of those that were told both. */
export function toldBoth(steps: readonly string[]) {
  const told = new Map<string, { failures: number; answers: number }>();
  for (const step of steps) {
    const { input, toolError } = JSON.parse(step) as { readonly input: string; readonly toolError: string | null };
    const of = told.get(input) ?? { failures: 0, answers: 0 };
    told.set(input, toolError === null ? { ...of, answers: of.answers + 1 } : { ...of, failures: of.failures + 1 });
  }
  return [...told.values()].filter(({ failures, answers }) => failures > 0 && answers > 0);
}

/** Rollouts of 14 questions which all take the action, and what their steps say. */
export function generate(folder: string, action: string, tools: object) {
  const settings = { tools: { timeoutMs: 60_000, ...tools }, questions: { trainLimit: 14 }, name: folder };
  const judge = tableJudge(() => ({ scores: { [action]: 8 }, processOk: true }));
  return withRun(settings, { parts: { generator: writer, judge } }, async (run: Run) => {
    await perform(run, generateStage({ selection: 'max-score', tau: 6 }));
    return stepsIn(run.folder.trajectoryFiles()[0]!);
  });
}

/** Puts files of one run into the folder of another, which may be new. */
export function copyInto(to: string, from: string, ...names: readonly string[]) {
  mkdirSync(to, { recursive: true });
  for (const name of names) copyFileSync(path.join(from, name), path.join(to, name));
}
