/**
 * How much of a local judge's scores is noise. It writes nothing and draws nothing, so asking again gives the same; what is
 * no opinion shows when something changes that should not matter:
 *
 *   company  requests are judged together and in another order, so that the numbers are rounded in other batches
 *   actions  the actions are asked in another order (shuffled, by a seed)
 *   options  the question's options stand in another order
 *
 *   npx vite-node scripts/judge-noise.ts -- --run runs/my --model judge.gguf --states 28 [--form plain] [--threads 1]
 *
 * The states are those of the run's SPaRK rollouts, balanced over the categories. It prints the mean and largest |Δ score|,
 * the mean of Spearman's ρ with the first verdict, and how often min-score would choose another action.
 */
import { parseArgs } from 'node:util';
import { stateAgreement } from '../src/evaluate/agreement.js';
import type { Judge, JudgeRequest, JudgeVerdict } from '../src/judge/judge.js';
import { openLocalJudge } from '../src/judge/localJudge.js';
import { type LocalForm, POLICY } from '../src/judge/settings.js';
import { seededRandom } from '../src/random.js';
import { judgedSteps } from '../src/rollout/step.js';
import { Run } from '../src/run/run.js';
import { chosenRollouts } from '../src/stages/rejudge.js';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    run: { type: 'string', default: 'runs/run' },
    model: { type: 'string', default: POLICY },
    states: { type: 'string', default: '28' },
    form: { type: 'string', default: 'chat' },
    threads: { type: 'string', default: '0' },
    together: { type: 'string', default: '4' },
  },
});

const run = Run.read(flags.run);
const { tau } = run.config.rollout;
const actions = run.parts.actions().map(({ example: _example, ...told }) => told);
const rollouts = await chosenRollouts(run, { selection: 'min-score', tau, rollouts: 0 });
const requests = rollouts
  .flatMap(({ trajectory: { steps }, question }) =>
    steps.map(
      ({ thought }, at): JudgeRequest => ({
        ...{ question, steps: judgedSteps(steps.slice(0, at)), thought, answer: null, actions },
      }),
    ),
  )
  .slice(0, Number(flags.states));

async function verdictsOf(asked: readonly JudgeRequest[], concurrency: number): Promise<JudgeVerdict[]> {
  const judge = await openLocalJudge({
    modelPath: flags.model === POLICY ? run.config.model.path : flags.model,
    ...{ form: flags.form as LocalForm, threads: Number(flags.threads), concurrency },
  });
  try {
    return concurrency === 1
      ? await oneByOne(judge, asked)
      : await Promise.all(asked.map((one) => judge.judge(one, {})));
  } finally {
    await judge.dispose();
  }
}

async function oneByOne(judge: Judge, asked: readonly JudgeRequest[]): Promise<JudgeVerdict[]> {
  const verdicts: JudgeVerdict[] = [];
  for (const request of asked) verdicts.push(await judge.judge(request, {}));
  return verdicts;
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

function report(what: string, first: readonly JudgeVerdict[], second: readonly JudgeVerdict[]): void {
  const names = actions.map(({ name }) => name);
  const agreements = first.map((verdict, at) => stateAgreement(names, verdict.scores, second[at]!.scores, tau));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const gaps = first.flatMap(({ scores }, at) =>
    names.map((name) => Math.abs(scores[name]! - second[at]!.scores[name]!)),
  );
  const okGaps = first.flatMap(({ processProbability: p }, at) =>
    p === undefined ? [] : [Math.abs(p - second[at]!.processProbability!)],
  );
  console.log(
    `${what.padEnd(8)} |Δ score| ${mean(gaps).toFixed(4)}, at most ${Math.max(...gaps).toFixed(4)}; Spearman ` +
      `${mean(agreements.map(({ spearman }) => spearman).filter((one) => !Number.isNaN(one))).toFixed(3)}; min-score flips ` +
      `${mean(agreements.map(({ flippedMin }) => flippedMin)).toFixed(3)}; |Δ P(coherent)| ${mean(okGaps).toFixed(4)}`,
  );
}

const first = await verdictsOf(requests, 1);
console.log(`${requests.length} states of ${flags.run}, judged by ${flags.model}`);
report('company', first, (await verdictsOf(requests.toReversed(), Number(flags.together))).toReversed());
const actionsMoved = requests.map((request) => ({ ...request, actions: shuffled(actions, 1) }));
report('actions', first, await verdictsOf(actionsMoved, 1));
const optionsMoved = requests.map((request) => ({
  ...request,
  question: { ...request.question, options: shuffled(request.question.options, 1) },
}));
report('options', first, await verdictsOf(optionsMoved, 1));
