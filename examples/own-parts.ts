/**
 * A whole ladder with a tool, a judge and a reward of your own.
 *
 *   npm run example examples/own-parts.ts
 */
import {
  createBuiltinRegistry,
  createOracle,
  type Judge,
  Run,
  runLadder,
  type Step,
  stepReward,
  type Tool,
} from 'spark-rl';

/** A tool is a name, two sentences for the prompt, and what it does. It never throws for bad input. */
const reverse: Tool = {
  name: 'reverse',
  description: 'Writes a text backwards.',
  inputHint: 'any text, e.g. abc',
  async run(input, { maxObservationChars }) {
    return { ok: true, observation: [...input].reverse().join('').slice(0, maxObservationChars) };
  },
};

const tools = createBuiltinRegistry({ tools: ['calculator', 'statistics', 'encyclopedia'] }).register(reverse);

/** The oracle, but of another opinion about one action. Another id, because its verdicts are others. */
const oracle = createOracle();
const judge: Judge = {
  id: 'oracle-that-likes-statistics',
  async judge(request, options) {
    const verdict = await oracle.judge(request, options);
    const { statistics } = verdict.scores;
    if (typeof statistics !== 'number') return verdict;
    return { ...verdict, scores: { ...verdict.scores, statistics: Math.min(10, statistics + 1) } };
  },
};

/** SPaRK's reward, without its diversity term where the tool failed. */
function reward(step: Step, rho: number) {
  const usual = stepReward(step, rho);
  if (usual === null || step.toolError === null) return usual;
  return { ...usual, diversity: 0, reward: usual.coherence };
}

const limit = Number(process.argv.at(-1)) || 56;
const questions = { trainLimit: limit, testLimit: limit };
const run = await Run.open(
  { name: 'own-parts', questions, sft: { learningRate: 3e-3 }, ppo: { learningRate: 1e-3 } },
  { parts: { tools, judge, reward }, fresh: true },
);
try {
  const { stages, report } = await runLadder(run);
  for (const { name, evaluation } of stages) {
    console.log(
      name.padEnd(12),
      `${(100 * evaluation.accuracy).toFixed(1)} %`,
      `${evaluation.entropyBits.toFixed(2)} bit`,
    );
  }
  console.log(report);
} finally {
  run.close();
  await tools.dispose();
}
