/**
 * Writes the tiny model's training text, one transcript a line: {"k": kind, "p": [[text, weight], …]}.
 *
 *   npx vite-node scripts/make-tiny-corpus.ts -- --out /tmp/tiny-corpus.jsonl
 *
 * The questions are of `mini`'s train split, with another seed than the run's. The tools really run, on every ideal and
 * every spoiled input. The format is that of rollouts. The order of the lines is the curriculum.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { factArticles } from '../src/questions/mini/articles.js';
import { type Random, randomOf } from '../src/questions/mini/random.js';
import { type MiniRules, type MiniTool, makeMini, miniRules } from '../src/questions/mini.js';
import type { Question } from '../src/questions/question.js';
import { layOutPassages } from '../src/tools/child/passages.js';
import { createBuiltinRegistry, type ToolRegistry } from '../src/tools/registry.js';
import {
  habitTranscript,
  inputsTranscript,
  type Kind,
  type Known,
  matchTranscript,
  type Observe,
  type Piece,
  plainTranscript,
  reorder,
} from './tiny-transcripts.js';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    out: { type: 'string', default: '/tmp/tiny-corpus.jsonl' },
    transcripts: { type: 'string', default: '87000' },
    /** How many transcripts at the beginning are of kind `match`, about numbers: with facts among them nothing is learned. */
    drills: { type: 'string', default: '4200' },
    'per-category': { type: 'string', default: '240' },
    seed: { type: 'string', default: '101' },
    /** Longest observation in characters, as in configs/quickstart.yaml. */
    observation: { type: 'string', default: '280' },
  },
});

const MAX_OBSERVATION = Number(flags.observation);

/**
 * Python takes most of a second of processor time a call, so many expressions share one; each of them prints the value
 * that it would have shown alone.
 */
async function manyInPython(registry: ToolRegistry, expressions: readonly string[]): Promise<[string, string][]> {
  const limits = { timeoutMs: 60_000, maxObservationChars: 100_000 };
  const { observation } = await registry.run('python', expressions.map((e) => `print(${e})`).join('\n'), limits);
  const lines = observation.split('\n');
  if (lines.length !== expressions.length) throw new Error(`python printed ${lines.length} lines: ${observation}`);
  return expressions.map((expression, i) => [expression, lines[i]!]);
}

/** Runs the real tools, each input once; what Python says of `expressions` is asked beforehand. */
async function observer(registry: ToolRegistry, expressions: readonly string[]): Promise<Observe> {
  const seen = new Map<string, Promise<string>>();
  for (let i = 0; i < expressions.length; i += 100) {
    for (const [expression, shown] of await manyInPython(registry, expressions.slice(i, i + 100)))
      seen.set(`python\n${expression}`, Promise.resolve(shown));
  }
  return (tool, input) => {
    const key = `${tool}\n${input}`;
    let result = seen.get(key);
    if (result === undefined) {
      result = registry
        .run(tool, input, { timeoutMs: 60_000, maxObservationChars: MAX_OBSERVATION })
        .then((r) => r.observation);
      seen.set(key, result);
    }
    return result;
  };
}

/**
 * An observation that contains `value`: a tool's observation with the answer replaced by it. For facts an article about
 * another thing with the value of the same relation replaced, so that the model has to read it and cannot know it by
 * heart.
 */
function showing(
  question: Question,
  rules: MiniRules,
  value: string,
  real: Known['observations'],
  random: Random,
): string {
  const relation = question.src.startsWith('mini-fact:') ? question.src.split('|')[2]! : null;
  if (relation === null) {
    // Python spells truth values in its own way.
    const spelt = Object.values(real).filter((text) => text.includes(rules.answer));
    return random.pick(spelt).replace(rules.answer, value);
  }
  const donors = factArticles().filter((article) => article.facts.some((fact) => fact.relation === relation));
  const donor = random.pick(donors);
  const old = donor.facts.find((fact) => fact.relation === relation)!.value;
  const text = donor.text.replace(old, value);
  if (random.unit() < 0.5) return text;
  const others = [random.pick(factArticles()), random.pick(factArticles())];
  return layOutPassages([{ title: donor.title, text }, ...others], MAX_OBSERVATION);
}

async function learn(question: Question, observe: Observe): Promise<Known> {
  const rules = miniRules(question)!;
  const tools = Object.keys(rules.inputs) as MiniTool[];
  const results = await Promise.all(
    tools.map(async (tool) => [tool, await observe(tool, rules.inputs[tool]!)] as const),
  );
  const observations = Object.fromEntries(results) as Known['observations'];
  const random = randomOf(`shown ${question.src}`);
  const shown = question.options.map((value) => showing(question, rules, value, observations, random));
  return { question, rules, observations, shown };
}

/** Shares of the kinds of transcripts: first, for `flags.drills` transcripts, only `match`; then a mixture. */
const DRILLS: Record<Kind, number> = { match: 1, inputs: 0, habit: 0, plain: 0 };
const MIX: Record<Kind, number> = { match: 0.1, inputs: 0.405, habit: 0.405, plain: 0.09 };
/** Share of questions that are cut to a few options, in the mixture. */
const SHORT = 0.05;
/** Share of transcripts about facts: there are few such questions, but their words are the hardest to copy. */
const FACTS = 0.4;

function drawKind(kinds: Record<Kind, number>, random: Random): Kind {
  let left = random.unit();
  for (const [kind, share] of Object.entries(kinds)) {
    left -= share;
    if (left < 0) return kind as Kind;
  }
  return 'plain';
}

async function main(): Promise<void> {
  const registry = createBuiltinRegistry();
  const total = Number(flags.transcripts);
  const questions = makeMini({ seed: Number(flags.seed), perCategory: Number(flags['per-category']), split: 'train' });
  const started = Date.now();
  const observe = await observer(
    registry,
    questions.flatMap((question) => miniRules(question)!.inputs.python ?? []),
  );
  const known: Known[] = [];
  for (let i = 0; i < questions.length; i += 50) {
    known.push(...(await Promise.all(questions.slice(i, i + 50).map((question) => learn(question, observe)))));
  }
  const answered = known.flatMap(({ rules, observations }) =>
    Object.values(observations).map((text) => text.toLowerCase().includes(rules.answer.toLowerCase())),
  );
  const share = answered.filter(Boolean).length / answered.length;
  process.stderr.write(
    `${questions.length} questions, ${answered.length} tool runs in ${(Date.now() - started) / 1000} s; ` +
      `${(100 * share).toFixed(1)} % of the observations hold the answer\n`,
  );
  const facts = known.filter(({ question }) => question.src.startsWith('mini-fact:'));
  const others = known.filter(({ question }) => !question.src.startsWith('mini-fact:'));
  const out = createWriteStream(flags.out);
  for (let i = 0; i < total; i += 1) {
    const random = randomOf(`transcript ${flags.seed} ${i}`);
    const drill = i < Number(flags.drills);
    const kind = drawKind(drill ? DRILLS : MIX, random);
    const few = !drill && random.unit() < SHORT ? random.int(3, 6) : 10;
    const one = reorder(random.pick(!drill && random.unit() < FACTS ? facts : others), random, few);
    const write: Record<Kind, () => Piece[] | Promise<Piece[]>> = {
      match: () => matchTranscript(one, random),
      inputs: () => inputsTranscript(one, random),
      habit: () => habitTranscript(one, random, observe),
      plain: () => plainTranscript(one, random),
    };
    if (!out.write(`${JSON.stringify({ k: kind, p: await write[kind]() })}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  await registry.dispose();
}

await main();
