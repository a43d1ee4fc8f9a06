/**
 * A whole ladder with a tool, a judge and a reward of your own.
 *
 *   npm run example examples/own-parts.ts
 */
import * as spark from 'spark-rl';
import { z } from 'zod';

/** A tool is a name, two texts for the prompt, and a function. For bad input it does not throw but returns `ok: false`. */
const reverse: spark.Tool = {
  name: 'reverse',
  description: 'Writes a text backwards.',
  inputHint: 'any text, e.g. abc',
  async run(input, { maxObservationChars }) {
    return { ok: true, observation: [...input].reverse().join('').slice(0, maxObservationChars) };
  },
};

/** With a schema the input is checked and typed before the function sees it, and the hint for the prompt made of it. */
const count = spark.defineTool({
  name: 'count',
  description: 'Counts how often a text stands in another.',
  input: z.object({ text: z.string(), part: z.string().min(1) }),
  run: ({ text, part }) => `${text.split(part).length - 1}`,
});

const tools = spark
  .createBuiltinRegistry({ tools: ['calculator', 'statistics', 'encyclopedia'] })
  .register(reverse)
  .register(count);

/** The oracle with another opinion about one action; it needs an id of its own, because its verdicts differ. */
const oracle = spark.createOracle();
const judge: spark.Judge = {
  id: 'oracle-that-likes-statistics',
  async judge(request, options) {
    const verdict = await oracle.judge(request, options);
    const { statistics } = verdict.scores;
    if (typeof statistics !== 'number') return verdict;
    return { ...verdict, scores: { ...verdict.scores, statistics: Math.min(10, statistics + 1) } };
  },
};

/** SPaRK's reward, without the diversity term when the tool failed. */
function reward(step: spark.Step, rho: number): spark.Reward | null {
  const usual = spark.stepReward(step, rho);
  if (usual === null || step.toolError === null) return usual;
  return { ...usual, diversity: 0, reward: usual.coherence };
}

const limit = Number(process.argv.at(-1)) || 56;
const run = await spark.Run.open(
  {
    name: 'own-parts',
    questions: { trainLimit: limit, testLimit: limit },
    ...{ sft: { learningRate: 3e-3 }, ppo: { learningRate: 1e-3 } },
  },
  { parts: { tools, judge, reward }, fresh: true },
);
const { stages, report } = await spark.runLadder(run);
for (const { name, evaluation } of stages) {
  console.log(
    name.padEnd(12),
    `${(100 * evaluation.accuracy).toFixed(1)} %`,
    `${evaluation.entropyBits.toFixed(2)} bit`,
  );
}
console.log(report);
run.close();
await tools.dispose();
