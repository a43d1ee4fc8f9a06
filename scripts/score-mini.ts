/**
 * Prints what `mini`'s scores single out, split by split, and what τ and ρ change.
 *
 *   npx vite-node scripts/score-mini.ts -- --per-category 20 --seed 2025
 */
import { parseArgs } from 'node:util';
import { type MiniSplit, makeMini } from '../src/questions/mini.js';
import type { Question } from '../src/questions/question.js';
import {
  bagOfWords,
  bestFirst,
  bestPaidFirst,
  entropyOf,
  rarestFirst,
  sharesOf,
  viableFirst,
} from './mini-statistics.js';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    seed: { type: 'string', default: '2025' },
    'per-category': { type: 'string', default: '20' },
    tau: { type: 'string', default: '6' },
  },
});
const seed = Number(flags.seed);
const perCategory = Number(flags['per-category']);
const tau = Number(flags.tau);

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const shareOf = <T>(list: readonly T[], is: (one: T) => boolean): string =>
  percent(list.filter(is).length / list.length);

function singledOut(title: string, names: readonly string[]): void {
  const shares = sharesOf(names).map(([name, share]) => `${name} ${percent(share)}`);
  console.log(`  ${title}: ${entropyOf(names).toFixed(2)} bit: ${shares.join(', ')}`);
}

function tableOf(questions: readonly Question[]): void {
  console.log('  τ      viable  of which answer  rarest answers  rarest, bit');
  for (const t of [4, 5, 6, 7, 8]) {
    const viable = questions.flatMap((question) => viableFirst(question, t));
    const rarest = questions.map((question) => rarestFirst(question, t));
    console.log(
      `  ${t} ${(viable.length / questions.length).toFixed(2).padStart(11)} ` +
        `${shareOf(viable, ({ answers }) => answers).padStart(16)} ` +
        `${shareOf(rarest, ({ answers }) => answers).padStart(15)} ` +
        `${entropyOf(rarest.map(({ action }) => action))
          .toFixed(2)
          .padStart(12)}`,
    );
  }
  console.log('  the best paid first action answers, for ρ =');
  for (const t of [0, 5, 6]) {
    const shares = [0, 0.25, 0.5, 0.75, 1].map(
      (rho) => `${rho}: ${shareOf(questions, (question) => bestPaidFirst(question, t, rho).answers)}`,
    );
    console.log(`    τ = ${t}   ${shares.join('   ')}`);
  }
}

const known = makeMini({ seed: seed + 1, perCategory: 80, split: 'train' });
const guess = bagOfWords(known.map((question) => [question, rarestFirst(question, tau).action]));
for (const split of ['train', 'test'] as readonly MiniSplit[]) {
  const questions = makeMini({ seed, perCategory, split });
  console.log(`${split}, ${questions.length} questions`);
  singledOut(
    'best',
    questions.map((question) => bestFirst(question).action),
  );
  singledOut(
    'rarest viable',
    questions.map((question) => rarestFirst(question, tau).action),
  );
  const right = shareOf(questions, (question) => guess(question) === rarestFirst(question, tau).action);
  console.log(`  a bag of words, made of ${known.length} other training questions, knows the rarest viable: ${right}`);
  tableOf(questions);
}
