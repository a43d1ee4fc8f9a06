/**
 * The last sentence of a question, which hints at one tool without naming it. Train and test share no sentence, but
 * their words: what is learned of one split can be read in the other.
 */
import type { Random } from './random.js';
import type { MiniSplit, MiniTool } from './template.js';

type Phrases = Readonly<Record<MiniSplit, readonly string[]>>;

/** `plain` hints at nothing, so that only the kind of question does. */
const PHRASES: Readonly<Record<MiniTool | 'plain', Phrases>> = {
  plain: {
    train: ['One option is right.', 'Give the right option.', 'Which option is it?'],
    test: ['Which option is right?', 'Give one option.'],
  },
  calculator: {
    train: [
      'Key it in and read the display.',
      'Plain arithmetic at the till will do.',
      'Press the keys for each figure.',
      'Do the arithmetic as a cashier would.',
      'Read the figure off the display.',
      'The cashier has to type it in at the till.',
    ],
    test: [
      'Press the keys and read the display.',
      'A cashier would key it in at the till.',
      'Type it in; plain arithmetic will do.',
    ],
  },
  python: {
    train: [
      'Write a short program for it.',
      'Let a script run over the numbers.',
      'Code it as a loop.',
      'Show the line of code that prints it.',
      'Run a loop and print the result.',
      'A short script should print it.',
    ],
    test: [
      'Code a short loop and run it.',
      'Write a script that prints the result.',
      'Let a program run and print it.',
    ],
  },
  algebra: {
    train: [
      'Set up an equation and solve for x.',
      'Call the unknown x and rearrange.',
      'Write the formula in symbols first.',
      'Solve the formula for its unknown.',
      'Rearrange the symbols to isolate x.',
      'Set up a formula with a letter for the unknown.',
    ],
    test: [
      'Set up a formula and isolate the unknown.',
      'Write an equation in symbols and rearrange.',
      'Call the letter x and solve the equation.',
    ],
  },
  logic: {
    train: [
      'Prove that no other value fits.',
      'State it as constraints and check them.',
      'Give a proof from the premises.',
      'Which value satisfies every constraint?',
      'Show that it follows from the premises.',
      'Check that the constraints allow one value.',
    ],
    test: [
      'Prove that it follows from the constraints.',
      'Give a proof that no other value satisfies them.',
      'State the premises and check every constraint.',
    ],
  },
  statistics: {
    train: [
      'Treat the figures as a sample.',
      'Summarise the table of data.',
      'The values are a small data set.',
      'Use the statistics of the sample.',
      'Put the data in a table and summarise it.',
      'The figures come from a survey.',
    ],
    test: ['Summarise the data of the survey.', 'Treat the table as a sample.', 'Use the statistics of the data set.'],
  },
  chemistry: {
    train: [
      'A chemist at the bench asks.',
      'Go by the periodic table.',
      'It is for the laboratory notebook.',
      'Label it for the reagent shelf.',
      'The laboratory keeps a reagent of it.',
      'Note it at the bench.',
    ],
    test: ['Note it for the laboratory.', 'A chemist goes by the periodic table.', 'It is for a reagent at the bench.'],
  },
  encyclopedia: {
    train: [
      'Take it from the volume on the shelf.',
      'Quote the article under its title.',
      'Open the reference work at its entry.',
      'Give it as the entry states.',
      'The volume has an article on it.',
      'Turn to the entry under this title.',
    ],
    test: [
      'Quote the entry in the reference work.',
      'Open the volume at the article.',
      'Take it from the entry under its title.',
    ],
  },
  search: {
    train: [
      'Find passages that mention it.',
      'Look through the archive for key words.',
      'Which sources say so?',
      'Gather what several sources say.',
      'Match the key words in the archive.',
      'Find the passage that says so.',
    ],
    test: [
      'Look for key words in several sources.',
      'Which passages in the archive say so?',
      'Gather passages that mention it.',
    ],
  },
};

/** A wording as it stands in a question's `src`: `algebra train 3`. */
export function drawWording(hints: readonly MiniTool[], split: MiniSplit, random: Random): string {
  const hint = random.pick(['plain' as const, ...hints]);
  return `${hint} ${split} ${random.int(0, PHRASES[hint][split].length - 1)}`;
}

/** The sentence, and the tool that question and sentence hint at; throws for what `drawWording` did not make. */
export function readWording(wording: string, hints: readonly MiniTool[]): { sentence: string; hint: MiniTool } {
  const [word, split, index] = wording.split(' ') as [string, string, string];
  const hint = word === 'plain' ? hints[0] : hints.find((tool) => tool === word);
  const sentence = PHRASES[word as MiniTool]?.[split as MiniSplit]?.[Number(index)];
  if (hint === undefined || sentence === undefined) throw new RangeError(`no wording ${wording}`);
  return { sentence, hint };
}
