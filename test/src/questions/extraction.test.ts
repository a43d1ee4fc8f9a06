import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { extractAll, extractAnswer } from '../../../src/questions/extraction.js';
import { processorSeconds } from '../processorTime.js';

interface Fixture {
  readonly cases: readonly {
    readonly text: string;
    readonly one: string | null;
    readonly two: string | null;
    readonly three: string | null;
    readonly lastOne: string | null;
  }[];
  readonly localGuess: string;
  readonly apiGuesses: readonly string[];
  readonly word: readonly (readonly [number, number, boolean])[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/extraction.json', import.meta.url), 'utf8'),
) as Fixture;

describe('against the published expressions in Python', () => {
  it('finds what they find, by the same pattern', () => {
    const reached = new Set<string>();
    for (const { text, one, two, three } of fixture.cases) {
      const expected =
        one !== null
          ? { letter: one, how: 'pattern1' }
          : two !== null
            ? { letter: two, how: 'pattern2' }
            : three !== null
              ? { letter: three, how: 'pattern3' }
              : { letter: fixture.localGuess, how: 'guess' };
      expect(extractAnswer(text, 'official-local'), JSON.stringify(text)).toEqual(expected);
      reached.add(expected.how);
    }
    expect([...reached].sort()).toEqual(['guess', 'pattern1', 'pattern2', 'pattern3']);
  });

  it('finds the last match of the first pattern, and nothing but the first for lm-eval-harness', () => {
    for (const { text, one, lastOne } of fixture.cases) {
      expect(extractAnswer(text, 'lm-eval-harness'), JSON.stringify(text)).toEqual({
        letter: one,
        how: one === null ? 'none' : 'pattern1',
      });
      if (lastOne !== null) expect(extractAnswer(text, 'last-match').letter).toBe(lastOne);
    }
  });

  it('has the same word boundaries for every assigned character', () => {
    const wrong: string[] = [];
    for (const [first, end, word] of fixture.word) {
      for (let point = first; point <= end; point++) {
        const character = String.fromCodePoint(point);
        // Between "." and a character an A stands alone exactly when the character is not a word character.
        const alone = [`.A${character}`, `${character}A.`].map(
          (text) => extractAnswer(text, 'last-match').letter === 'A',
        );
        if (alone[0] === word || alone[1] === word) wrong.push(`U+${point.toString(16)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('guesses what Python draws after random.seed(12345)', () => {
    expect(extractAnswer('', 'official-local')).toEqual({ letter: fixture.localGuess, how: 'guess' });
    const guesses = fixture.apiGuesses.map((_, index) => extractAnswer('', 'official-api', index + 1).letter);
    expect(guesses).toEqual(fixture.apiGuesses);
  });
});

describe('extractAnswer', () => {
  it('strips bold marks for the API variant alone', () => {
    const text = 'The answer is **(C)**. Not B';
    expect(extractAnswer(text, 'official-api')).toEqual({ letter: 'C', how: 'pattern1' });
    expect(extractAnswer(text, 'official-local')).toEqual({ letter: 'B', how: 'pattern3' });
  });

  it('takes the first or the last statement as the protocol says', () => {
    const text = 'So the answer is (A). Wait: the answer is (D).';
    expect(Object.values(extractAll(text)).map(({ letter }) => letter)).toEqual(['A', 'A', 'D', 'A']);
    const labels = 'Answer: A\nanswer: B answer: C';
    expect(extractAnswer(labels, 'official-local').letter).toBe('A');
    expect(extractAnswer(labels, 'last-match').letter).toBe('C');
  });

  it('sees a label whose first letter could be an answer', () => {
    expect(extractAnswer('answer: Answer: B', 'official-local')).toEqual({ letter: 'B', how: 'pattern2' });
  });

  it('stays linear on text made to backtrack', async () => {
    const size = 100_000;
    const texts = [
      `${'A '.repeat(size / 2)}x`,
      'A'.repeat(size),
      'answer:'.repeat(size / 7),
      `${'answer: '.repeat(size / 8)}\n`,
      `answer:${' '.repeat(size)}`,
      'answer is ('.repeat(size / 11),
      '\n'.repeat(size),
      '\u{1d400}A'.repeat(size / 3),
    ];
    const seconds = await processorSeconds(() => texts.map((text) => extractAll(text)));
    // Tens of milliseconds; quadratic scans of 10^10 steps take minutes.
    expect(seconds).toBeLessThan(5);
  });
});
