/**
 * What a corpus is worth: asks `encyclopedia` and `search` about all 700 real questions of ../shared (or $SPARK_SHARED).
 *
 *   npx vite-node scripts/corpus-questions.ts -- build FOLDER --out FILE      the corpus, of Debian's dict-* packages unpacked there
 *   npx vite-node scripts/corpus-questions.ts -- measure [FILE] [--limit N] [--json]   the table below; of the corpus of the package without FILE, of N questions in a seeded order
 *   npx vite-node scripts/corpus-questions.ts -- calibrate FILE [--json]      from which share on a passage is relevant
 *
 * The rule, written before anything was measured. Inputs, none of which was written by hand or looked at:
 *   question   `search` with the whole question
 *   sentence   `search` with its last sentence, which is mostly what is asked
 *   article    `encyclopedia` with that sentence
 *   options    `encyclopedia` with each option of one to five words, where there are two such options or more
 * Words are letters and digits, without capitals, accents, plural s and those every text has (EMPTY). An answer to the first
 * three points to an option when it holds every word of the option that the question does not have, of which there must be
 * one with a letter or two digits. It is `useful` when it points to the right option and to no other, `misleading` when to one or more
 * others and not to the right one, `idle` when to none or to right and wrong. Of `options`, that option is pointed to
 * whose article holds most of the question's words, more than any other's and at least two; nothing relevant is when no option has an article.
 * `nothing` is the share that said so honestly: an error, not an answer.
 * An answer may point to an option by chance: of n options the right one is pointed to by chance as often as each wrong one, so
 * `misleading / (n - 1)`, summed over the questions, is what chance gives; `beyond chance` is what is left of useful.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { commit, describeMachine } from '../bench/harness/machine.js';
import { resolveConfig } from '../src/config/index.js';
import { loadQuestions } from '../src/questions/load.js';
import type { Question } from '../src/questions/question.js';
import { seededOrder, seededRandom } from '../src/random.js';
import { titleKey } from '../src/tools/child/titles.js';
import { buildCorpus } from '../src/tools/corpusFile/build.js';
import { readSeal } from '../src/tools/corpusFile/seal.js';
import { createBuiltinRegistry, type ToolRegistry } from '../src/tools/registry.js';

const argv = process.argv.slice(2).filter((arg) => arg !== '--');
const { values: flags, positionals } = parseArgs({
  args: argv,
  allowPositionals: true,
  options: { out: { type: 'string' }, limit: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const [command, target] = positionals;
const about = {
  commit: commit(),
  node: describeMachine().node,
  command: `corpus-questions.ts ${argv.map((one) => path.basename(one)).join(' ')}`,
};

const EMPTY = new Set(
  'a an and are as at be by do for from has have how in is it its not of on or that the their this to was were what when where which who why will with'.split(
    ' ',
  ),
);

function words(text: string): Set<string> {
  const all = titleKey(text)
    .split(' ')
    .filter((word) => word !== '' && !EMPTY.has(word));
  return new Set(all.map((word) => word.replace(/(?<=\w{3}[^s])s$/, '')));
}

if (command === 'build' && target !== undefined && flags.out !== undefined) await build(target, flags.out);
else if (command === 'measure') await measure(target);
else if (command === 'calibrate' && target !== undefined) await calibrate(target);
else {
  console.error('expected build FOLDER --out FILE, measure [FILE] or calibrate FILE; see the top of this script');
  process.exit(2);
}

/** In the order in which they were measured, any other after them. It decides which of two articles of one title comes first. */
async function build(folder: string, out: string): Promise<void> {
  const order = ['foldoc', 'elements', 'gcide', 'wn'];
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.index'));
  const rank = (name: string) => (order.indexOf(path.basename(name, '.index')) + order.length + 1) % (order.length + 1);
  const files = found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)).map((name) => path.join(folder, name));
  mkdirSync(path.dirname(path.resolve(out)), { recursive: true });
  const seal = await buildCorpus(files, out, { overwrite: true, onProgress: (message) => console.error(message) });
  console.log(JSON.stringify({ ...about, ...seal }, null, 2));
}

type Verdict = 'useful' | 'misleading' | 'idle' | 'nothing';

interface Tally {
  readonly way: string;
  readonly asked: number;
  readonly useful: number;
  readonly misleading: number;
  readonly idle: number;
  readonly nothing: number;
  readonly byChance: number;
  readonly beyondChance: number;
}

async function measure(corpus: string | undefined): Promise<void> {
  const all = await loadQuestions(path.resolve(process.env.SPARK_SHARED ?? '../shared', 'data/mmlu-pro/dev-700.jsonl'));
  const limit = flags.limit === undefined ? all.length : Number(flags.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new Error(`--limit: expected a count above 0, got ${flags.limit}`);
  const questions = seededOrder(all.length, 1)
    .slice(0, limit)
    .map((index) => all[index]!);
  const registry = createBuiltinRegistry({
    tools: ['encyclopedia', 'search'],
    ...(corpus === undefined ? {} : { corpus }),
  });
  const ways: Readonly<Record<string, (question: Question) => Promise<Verdict | null>>> = {
    question: (question) => pointed(registry, 'search', question.question, question),
    sentence: (question) => pointed(registry, 'search', lastSentence(question.question), question),
    article: (question) => pointed(registry, 'encyclopedia', lastSentence(question.question), question),
    options: (question) => lookedUp(registry, question),
  };
  const tallies: Tally[] = [];
  const best = new Map<number, Verdict[]>();
  try {
    for (const [way, verdictOf] of Object.entries(ways)) {
      const counts: Record<Verdict, number> = { useful: 0, misleading: 0, idle: 0, nothing: 0 };
      let byChance = 0;
      for (const question of questions) {
        const verdict = await verdictOf(question);
        if (verdict === null) continue;
        counts[verdict] += 1;
        if (verdict === 'misleading') byChance += 1 / (question.options.length - 1);
        best.set(question.question_id, [...(best.get(question.question_id) ?? []), verdict]);
      }
      const asked = Object.values(counts).reduce((sum, one) => sum + one, 0);
      console.error(`${way}: ${JSON.stringify(counts)}`);
      tallies.push({ way, asked, ...counts, byChance: round(byChance), beyondChance: round(counts.useful - byChance) });
    }
  } finally {
    await registry.dispose();
  }
  const any = [...best.values()].filter((verdicts) => verdicts.includes('useful')).length;
  const none = [...best.values()].filter((verdicts) => verdicts.every((one) => one === 'nothing')).length;
  const about700 = { questions: questions.length, usefulInAnyWay: any, nothingInEveryWay: none };
  const of = corpus === undefined ? {} : { corpus: readSeal(corpus).database };
  if (flags.json) console.log(JSON.stringify({ ...about, ...of, ...about700, ways: tallies }, null, 2));
  else console.table([...tallies, about700]);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** As a rollout has them, but for the time: this may run beside other work. */
function limits(): { timeoutMs: number; maxObservationChars: number } {
  const { timeoutMs, maxObservationChars } = resolveConfig().tools;
  return { timeoutMs, maxObservationChars };
}

function lastSentence(text: string): string {
  const parts = text.trim().split(/(?<=[.?!:])\s+(?=\S)/);
  const last = parts.at(-1)!;
  return words(last).size >= 3 ? last : text;
}

async function answerOf(registry: ToolRegistry, tool: string, input: string): Promise<string | null> {
  const { ok, observation, ...rest } = await registry.run(tool, input, { ...limits(), timeoutMs: 120_000 });
  if (!ok && 'code' in rest && rest.code !== 'tool_input') throw new Error(`${tool} ${input}: ${observation}`);
  return ok ? observation : null;
}

async function pointed(registry: ToolRegistry, tool: string, input: string, question: Question): Promise<Verdict> {
  const answer = await answerOf(registry, tool, input);
  if (answer === null) return 'nothing';
  const held = words(answer);
  const known = words(question.question);
  const points = question.options.map((option) => {
    const own = [...words(option)].filter((word) => !known.has(word));
    return own.some((word) => /\p{L}|\d\d/u.test(word)) && own.every((word) => held.has(word));
  });
  const right = points[question.answer_index!]!;
  const wrong = points.filter((one, index) => one && index !== question.answer_index).length;
  if (right === wrong > 0) return 'idle';
  return right ? 'useful' : 'misleading';
}

async function lookedUp(
  registry: ToolRegistry,
  { question, options, answer_index }: Question,
): Promise<Verdict | null> {
  const short = options.map((option) => option.trim().split(/\s+/).length <= 5 && /\p{L}{3}/u.test(option));
  if (short.filter(Boolean).length < 2) return null;
  const known = words(question);
  const scores = await Promise.all(
    options.map(async (option, index) => {
      const answer = short[index] ? await answerOf(registry, 'encyclopedia', option) : null;
      if (answer === null) return -1;
      const own = words(option);
      return [...words(answer)].filter((word) => known.has(word) && !own.has(word)).length;
    }),
  );
  const most = Math.max(...scores);
  if (most < 0) return 'nothing';
  const first = scores.indexOf(most);
  if (most < 2 || scores.indexOf(most, first + 1) >= 0) return 'idle';
  return first === answer_index ? 'useful' : 'misleading';
}

/**
 * Queries whose right answer is known without a person: `of one passage`, four informative words of one passage, and `of four`, one
 * word of each of four passages of different articles, which no passage is about. A good rule answers the first and not the second.
 */
async function calibrate(corpus: string): Promise<void> {
  const { openForReading } = await import('../src/tools/child/corpusDatabase.js');
  const { CorpusTerms } = await import('../src/tools/child/corpusTerms.js');
  const { rank } = await import('../src/tools/child/corpusRank.js');
  const { passages } = readSeal(corpus);
  const database = openForReading(corpus);
  const terms = new CorpusTerms(database, passages);
  const random = seededRandom(1);
  const textAt = (id: number) =>
    String((database.get('select text from passages where id = ?', [id]) as { text: string }).text);
  const some = (most: number): string[] => {
    for (;;) {
      const own = [
        ...new Set(textAt(1 + Math.floor(random() * passages)).match(/(?<!\p{L})\p{Ll}{4,}(?!\p{L})/gu) ?? []),
      ];
      const told = own.filter((word) => terms.query(word).length > 0);
      if (told.length >= 4) return Array.from({ length: most }, () => told[Math.floor(random() * told.length)]!);
    }
  };
  const shares: { one: number[]; four: number[] } = { one: [], four: [] };
  for (let n = 0; n < 400; n += 1) {
    for (const [kind, query] of [
      ['one', some(4)],
      ['four', [some(1), some(1), some(1), some(1)].flat()],
    ] as const) {
      const asked = terms.query(query.join(' '));
      const [best] = rank(database, terms, asked).filter(({ matched }) => matched >= Math.min(2, asked.length));
      shares[kind].push(best?.share ?? 0);
    }
  }
  database.close();
  const table = [0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8].map((from) => ({
    share: from,
    answeredOfOne: shares.one.filter((share) => share >= from).length / shares.one.length,
    answeredOfFour: shares.four.filter((share) => share >= from).length / shares.four.length,
  }));
  if (flags.json) console.log(JSON.stringify({ ...about, queries: 400, table }, null, 2));
  else console.table(table);
}
