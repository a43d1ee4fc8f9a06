/**
 * The readers of what models write take no long time over a long input. A pattern that goes back and forth took four minutes
 * over 4,000 characters, which all of these together do in seconds; the limit is the test's own, far above that.
 */
import { expect, it } from 'vitest';
import { parseAlgebra } from '../../../src/tools/child/algebra.js';
import { createCalculator } from '../../../src/tools/child/calculator.js';
import { createChemistry } from '../../../src/tools/child/chemistry.js';
import { readAsked } from '../../../src/tools/child/logicText.js';
import { createStatistics } from '../../../src/tools/child/statistics.js';

const LENGTH = 4000;
const [statistics, chemistry, calculator] = [createStatistics(), createChemistry(), createCalculator()];

/** What is repeated: beginnings of phrases, so that a reader tries again at every place. */
const READERS: Readonly<Record<string, readonly [read: (input: string) => unknown, pieces: readonly string[]]>> = {
  statistics: [
    (input) => statistics(input, 400),
    [
      ...['mean and ', 'the data ', 'mean of data set ', 'x = 1, ', 'values 1 ', '1 and ', '(1,2),', '[', '- ', '95% '],
      ...['probability of 3 heads in 5 coin ', 'P(A)=0.1 ', 'P(X > 1 ', 'normal mean 3 ', 'or more ', 'confidence '],
    ],
  ],
  chemistry: [
    (input) => chemistry(input, 400),
    [
      ...['heat ', 'raise 1 g from ', 'heat 1 g from 2 C to ', 'delta H ', 'ΔH = -1 kJ ΔS ', 'E = E ', 'K = ', '= '],
      ...['dilute 1 mL ', 'half-life 5 days 3 g ', '[A-] ', 'specific heat ', '1 g ', 'C', 'mol '],
    ],
  ],
  logic: [
    readAsked,
    ['all a are b. ', 'all ', 'some a are ', 'p = T, ', 'with p = T ', 'therefore ', 'no a b c d e ', 'negation of '],
  ],
  algebra: [
    parseAlgebra,
    [
      'slope ',
      'between (1,2) ',
      '(1,2) ',
      '(',
      'line through ',
      'line with slope 2 ',
      'inverse of ',
      'sum k = 1 to ',
      'x ',
    ],
  ],
  calculator: [(input) => calculator(input, 400), ['a = 1 ', '1 + ', '(', '5% ', 'what is ', '1/2 ', '2 m ']],
};

it.each(Object.entries(READERS))('%s', { timeout: 60_000 }, (_, [read, pieces]) => {
  for (const piece of pieces) {
    for (const head of ['', 'mean ', 'heat ']) {
      try {
        read(`${head}${piece.repeat(Math.ceil(LENGTH / piece.length))}?`);
      } catch (error) {
        expect((error as Error).message).not.toBe('');
      }
    }
  }
});
