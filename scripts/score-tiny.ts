/**
 * Evaluates a GGUF on `mini`'s test split, greedily: without tools, with tools and actions of the model's own choice,
 * and with actions selected by the oracle's scores (max-score, min-score).
 *
 *   npx vite-node scripts/score-tiny.ts -- --model models/spark-tiny.gguf --per-category 10 --show 2
 */
import { parseArgs } from 'node:util';
import { openLlamaCpp } from '../src/inference/llamaCpp.js';
import { createOracle, holdsAnswer } from '../src/judge/oracle.js';
import { makeMini, miniRules } from '../src/questions/mini.js';
import type { Question } from '../src/questions/question.js';
import { rolloutWithoutTools } from '../src/rollout/plain.js';
import { isTrajectory, rolloutQuestion } from '../src/rollout/rollout.js';
import { createBuiltinRegistry } from '../src/tools/registry.js';
import type { Skip, Trajectory } from '../src/trajectory/trajectory.js';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    model: { type: 'string', default: 'models/spark-tiny.gguf' },
    'per-category': { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    observation: { type: 'string', default: '280' },
    temperature: { type: 'string', default: '0' },
    tau: { type: 'string', default: '6' },
    selections: { type: 'string', default: 'plain,policy,max-score,min-score' },
    show: { type: 'string', default: '0' },
  },
});

const generator = await openLlamaCpp({ modelPath: flags.model, sequences: 8, contextSize: 1024 });
const tools = createBuiltinRegistry();
await tools.warm();
const judge = createOracle();
const questions = makeMini({ seed: Number(flags.seed), perCategory: Number(flags['per-category']), split: 'test' });
const temperature = Number(flags.temperature);

const one = (question: Question, selection: string): Promise<Trajectory | Skip> =>
  selection === 'plain'
    ? rolloutWithoutTools(
        question,
        { generator },
        { validation: [], temperature, maxChainTokens: 96, seed: 1, attempt: 0 },
      )
    : rolloutQuestion(
        question,
        { generator, judge: selection === 'policy' ? null : judge, tools },
        {
          selection: selection as Trajectory['selection'],
          tau: Number(flags.tau),
          maxSteps: 5,
          minSteps: 0,
          temperature,
          maxThoughtTokens: 48,
          maxInputTokens: 96,
          maxAnswerTokens: 24,
          stepRetries: 1,
          toolTimeoutMs: 30_000,
          maxObservationChars: Number(flags.observation),
          example: true,
          answer: 'auto',
          seed: 1,
          attempt: 0,
        },
      );

for (const selection of flags.selections.split(',')) {
  const started = Date.now();
  const results = await Promise.all(questions.map((question) => one(question, selection)));
  const done = results.filter(isTrajectory);
  const steps = done.flatMap((trajectory) => trajectory.steps);
  const share = (count: number, of: number): string => `${((100 * count) / Math.max(1, of)).toFixed(1)} %`;
  const actions = new Map<string, number>();
  for (const { action } of steps) actions.set(action, (actions.get(action) ?? 0) + 1);
  const entropy = [...actions.values()].reduce((h, n) => h - (n / steps.length) * Math.log2(n / steps.length), 0);
  const rulesOf = new Map(questions.map((question) => [question.question_id, miniRules(question)!]));
  const shownAnswer = done.filter((t) => t.steps.some((step) => holdsAnswer(step, rulesOf.get(t.questionId)!)));
  const judged = steps.filter((step) => step.processOk !== null);
  console.log(
    `${selection}: right ${share(done.filter((t) => t.correct).length, questions.length)} of ${questions.length}, ` +
      `no letter ${share(done.filter((t) => t.answer === null).length, done.length)}, skipped ${results.length - done.length}, ` +
      `answer shown to ${share(shownAnswer.length, done.length)}, then right ${share(shownAnswer.filter((t) => t.correct).length, shownAnswer.length)}, ` +
      `${(steps.length / Math.max(1, done.length)).toFixed(2)} steps, entropy ${entropy.toFixed(2)} bit, ` +
      `ok ${share(judged.filter((step) => step.processOk).length, judged.length)}, ` +
      `tool errors ${share(steps.filter((s) => s.toolError !== null).length, steps.length)}, ` +
      `cut ${share(steps.filter((s) => s.truncated).length, steps.length)}, ${(Date.now() - started) / 1000} s`,
  );
  console.log(`  ${[...actions].map(([name, n]) => `${name} ${n}`).join(', ')}`);
  for (const category of new Set(questions.map((q) => q.category))) {
    const own = done.filter((t) => t.category === category);
    process.stdout.write(`  ${category} ${own.filter((t) => t.correct).length}/${own.length}`);
  }
  console.log();
  const shown = Math.max(1, Math.floor(done.length / Number(flags.show)));
  if (Number(flags.show) > 0)
    for (let i = 0; i < done.length; i += shown)
      console.log(`--- ${done[i]!.correct}\n${generator.detokenize(done[i]!.tokens)}`);
}
await generator.dispose();
await tools.dispose();
