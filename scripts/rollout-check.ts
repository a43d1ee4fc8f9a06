/**
 * How good a model's steps are before anything is trained: it rolls out questions, balanced over the categories, and says
 * how many inputs the tools accept, how many observations are no error, and which actions it takes. No judge is asked.
 *
 *   npx vite-node scripts/rollout-check.ts -- --model SmolLM2-135M-Instruct.Q4_1.gguf --questions mmlu-pro.jsonl
 *   … --set rollout.maxSteps=2 --set rollout.example=false --actions even --show 3 --json
 *
 * `--actions own` (default): the model chooses its actions. `--actions even`: they are dealt out evenly over all, as for a
 * judge that likes everything, so that every tool gets inputs, also where it does not fit the question. After `--minutes`
 * it reports what is finished.
 */
import { parseArgs } from 'node:util';
import { type ConfigPatch, patchFromAssignment, resolveConfig } from '../src/config/index.js';
import { openLlamaCpp } from '../src/inference/llamaCpp.js';
import type { Judge } from '../src/judge/judge.js';
import type { Question } from '../src/questions/question.js';
import { isTrajectory } from '../src/rollout/rollout.js';
import { runRollouts } from '../src/rollout/run.js';
import { openTools } from '../src/run/parts.js';
import { RunQuestions } from '../src/run/questions.js';
import { rolloutSettings } from '../src/stages/rolloutFacts.js';
import { builtinTool } from '../src/tools/builtin.js';
import { THINK } from '../src/tools/tool.js';
import type { Step, Trajectory } from '../src/trajectory/trajectory.js';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    model: { type: 'string' },
    questions: { type: 'string' },
    limit: { type: 'string', default: '28' },
    minutes: { type: 'string', default: '60' },
    actions: { type: 'string', default: 'own' },
    set: { type: 'string', multiple: true, default: [] },
    show: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});

/** Likes every action equally, so that ties decide, which go to the action used least. */
const indifferent: Judge = {
  id: 'indifferent',
  judge: async ({ actions }) => ({
    scores: Object.fromEntries(actions.map(({ name }) => [name, 7])),
    processOk: null,
  }),
};

interface Report {
  readonly questions: number;
  readonly trajectories: number;
  readonly withSteps: number;
  readonly steps: number;
  /** Steps with a tool, accepted inputs among them, and observations that are no error. */
  readonly calls: number;
  readonly accepted: number;
  readonly observed: number;
  /** Inputs that the prompt shows already: in the worked example, or as a tool's hint. */
  readonly copied: number;
  readonly truncated: number;
  /** Trajectories whose answer has a letter, and a right one. */
  readonly lettered: number;
  readonly right: number;
  /** For each action: steps, accepted inputs, observations that are no error. */
  readonly actions: Readonly<Record<string, readonly [steps: number, accepted: number, observed: number]>>;
}

const isAccepted = ({ toolError }: Step): boolean => toolError !== 'tool_input';
const isObserved = ({ toolError }: Step): boolean => toolError === null;
/** An input that stands in the prompt already proves nothing about the model. */
const isCopied = ({ action, input }: Step): boolean => {
  const tool = builtinTool(action);
  const text = input.trim();
  return tool !== undefined && text !== '' && (tool.worked.input === text || tool.inputHint.includes(text));
};
const count = <T>(list: readonly T[], is: (one: T) => boolean): number => list.filter(is).length;

function reportOf(questions: readonly Question[], done: readonly Trajectory[]): Report {
  const steps = done.flatMap((trajectory) => trajectory.steps);
  const calls = steps.filter(({ action }) => action !== THINK);
  const names = [...new Set(steps.map(({ action }) => action))].sort();
  const rows = names.map((name) => {
    const own = steps.filter(({ action }) => action === name);
    return [name, [own.length, count(own, isAccepted), count(own, isObserved)] as const] as const;
  });
  return {
    ...{ questions: questions.length, trajectories: done.length, steps: steps.length, calls: calls.length },
    withSteps: count(done, (trajectory) => trajectory.steps.length > 0),
    accepted: count(calls, isAccepted),
    observed: count(calls, isObserved),
    copied: count(calls, isCopied),
    truncated: count(steps, (step) => step.truncated),
    lettered: count(done, ({ answer }) => answer !== null),
    right: count(done, ({ correct }) => correct),
    actions: Object.fromEntries(rows),
  };
}

function inWords(report: Report): string {
  const { questions, trajectories, withSteps, steps, calls, accepted, observed, lettered, right, truncated } = report;
  const share = (part: number, of: number): string =>
    `${part}/${of} (${((100 * part) / Math.max(1, of)).toFixed(0)} %)`;
  const rows = Object.entries(report.actions).map(
    ([name, [taken, took, saw]]) => `  ${name.padEnd(14)} ${taken} steps, ${took} accepted, ${saw} no error`,
  );
  return [
    `trajectories   ${share(trajectories, questions)}, with steps ${share(withSteps, trajectories)}, ${steps} steps`,
    `inputs that the tool accepts      ${share(accepted, calls)}`,
    `observations that are no error    ${share(observed, calls)}`,
    `inputs copied from the prompt     ${share(report.copied, calls)}`,
    `distinct actions                  ${Object.keys(report.actions).length}`,
    `cut thoughts or inputs            ${share(truncated, steps)}`,
    `answers with a letter ${share(lettered, trajectories)}, right ${share(right, trajectories)}`,
    ...rows,
  ].join('\n');
}

async function check(): Promise<void> {
  const given: ConfigPatch = {
    model: { path: flags.model },
    questions: { train: flags.questions, trainLimit: Number(flags.limit) },
    inference: { sequences: 4 },
  };
  const config = resolveConfig(given, ...flags.set.map(patchFromAssignment));
  const questions = await new RunQuestions(config).train();
  const { sequences, contextSize, gpu } = config.inference;
  const generator = await openLlamaCpp({
    ...{ modelPath: config.model.path, sequences, gpu },
    ...(contextSize === 'auto' ? {} : { contextSize }),
  });
  const tools = openTools(config);
  const even = flags.actions === 'even';
  const { tau, temperature, minSteps } = config.rollout;
  const selection = even ? 'least-used' : 'policy';
  const settings = rolloutSettings(config, { selection, tau, temperature, minSteps });
  const deps = { generator, judge: even ? indifferent : null, tools };
  const signal = AbortSignal.timeout(Number(flags.minutes) * 60_000);
  const done: Trajectory[] = [];
  try {
    await tools.warm();
    await runRollouts(questions, { ...deps, signal }, settings, (result) => {
      if (isTrajectory(result)) done.push(result);
      process.stderr.write(`\r${done.length}/${questions.length} `);
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    process.stderr.write('\n');
    const report = reportOf(questions, done);
    process.stdout.write(`${flags.json ? JSON.stringify(report) : inWords(report)}\n`);
    for (const { tokens } of done.slice(0, Number(flags.show))) {
      process.stdout.write(`---\n${generator.detokenize(tokens)}\n`);
    }
  } finally {
    await generator.dispose();
    await tools.dispose();
  }
}

await check();
