/** What is said of rows over seeds: of made-up answers whose differences are known. */
import { describe, expect, it } from 'vitest';
import { type Comparison, compare } from '../../../src/experiments/comparison.js';
import { comparisonNotes, comparisonTables, tablesText } from '../../../src/experiments/comparisonText.js';
import { type Answers, type Row, row } from '../../../src/experiments/rows.js';
import { seededRandom } from '../../../src/random.js';
import { renderTables } from '../../../src/report/tables.js';

const ACTIONS = ['calculator', 'python', 'search', 'think'];
const QUESTIONS = 60;

/** `better` answers 25 points more of the same questions and uses three actions instead of one. */
function answers(seed: number, questions = QUESTIONS): Answers {
  const random = seededRandom(seed);
  const hard = Array.from({ length: questions }, () => random());
  const made = (skill: number, actions: readonly string[]) => ({
    actions: ACTIONS,
    policy: null,
    tau: 6,
    trainingSeconds: actions.length > 1 ? 2 * seed : null,
    answers: new Map(
      hard.map((hardness, id) => {
        const correct = hardness < skill;
        const steps = actions.length === 0 ? [] : [{ action: actions[id % actions.length]! }];
        return [id, { category: id % 2 === 0 ? 'law' : 'math', correct, answer: correct ? 'A' : null, steps }];
      }),
    ),
  });
  return new Map([
    ['plain', made(0.5, [])],
    ['worse', made(0.5, ['calculator'])],
    ['better', made(0.75, ['calculator', 'search', 'think'])],
  ]);
}

const ROWS: readonly Row[] = [row('plain'), row('worse', 'plain'), row('better', 'worse')];
const of = (...seeds: number[]) =>
  compare(
    ROWS,
    seeds.map((seed) => ({ seed, collected: answers(seed) })),
    'test',
  );
const text = (comparison: Comparison) => tablesText(comparisonTables('Rows', comparison), comparisonNotes(comparison));

describe('compare', () => {
  it('has means over seeds, and differences on the same questions of the same seeds', () => {
    const { rows, differences } = of(1, 2, 3, 4);
    const [plain, worse, better] = rows;
    expect(plain).toMatchObject({ entropyBits: null, thinkShare: null, trainingSeconds: null });
    expect(better!.trainingSeconds).toBe(5);
    expect(better!.thinkShare!.overSeeds.estimate).toBeCloseTo(1 / 3, 12);
    expect(better!.entropyBits!.overSeeds.estimate).toBeCloseTo(Math.log2(3) + 2 / (2 * QUESTIONS * Math.LN2), 12);
    const difference = differences.find(({ row: name }) => name === 'better')!;
    const accuracies = (one: typeof worse) => one!.perSeed.map(({ accuracy }) => accuracy);
    const paired = accuracies(better).map((accuracy, seed) => accuracy - accuracies(worse)[seed]!);
    expect(difference.accuracy.overSeeds.estimate).toBeCloseTo(paired.reduce((a, b) => a + b, 0) / 4, 12);
    // Whatever is hard is hard for both: the interval is much narrower than that of either row.
    const width = ({ low, high }: { low: number | null; high: number | null }) => high! - low!;
    const { overSeedsAndQuestions: interval } = difference.accuracy;
    expect(interval.low).toBeGreaterThan(0);
    expect(width(interval)).toBeLessThan(1.5 * width(better!.accuracy.overSeedsAndQuestions));
    // Nothing that `worse` answers is wrong in `better`.
    for (const { onlyFirst, onlySecond, p } of difference.mcnemar) {
      expect([onlySecond, p]).toEqual([0, expect.closeTo(Math.min(1, 2 ** (1 - onlyFirst)), 12)]);
    }
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
  });

  it('marks what is shown over seeds, and of one seed nothing', () => {
    expect(text(of(1, 2, 3, 4))).toMatch(/better − worse \*.*\n/);
    expect(text(of(1, 2, 3, 4))).toMatch(/worse − plain {2}.*\n/);
    const one = text(of(7));
    expect(one).not.toContain(' *');
    expect(one).toMatch(/One seed \(7\), 60 test questions: .*no difference is claimed/);
  });

  it('counts a row that leaves questions out on those that both have', () => {
    const seeds = [1, 2].map((seed) => {
      const whole = answers(seed);
      const law = [...whole.get('better')!.answers].filter(([, { category }]) => category === 'law');
      return { seed, collected: new Map([...whole, ['law', { ...whole.get('better')!, answers: new Map(law) }]]) };
    });
    const { rows, differences } = compare([row('better'), row('law', 'better')], seeds, 'test');
    expect(rows[1]!.perSeed[0]!.questions).toBe(QUESTIONS / 2);
    expect(differences[0]).toMatchObject({
      accuracy: { overSeeds: { estimate: 0 }, overSeedsAndQuestions: { low: 0, high: 0, p: 1 } },
      mcnemar: [{ onlyFirst: 0, onlySecond: 0, p: 1 }, { p: 1 }],
    });
  });

  it('goes together where seeds were asked other questions', () => {
    const seeds = [
      { seed: 1, collected: answers(1) },
      { seed: 2, collected: answers(2, 20) },
    ];
    const { rows } = compare(ROWS, seeds, 'test');
    const [first, second] = rows[2]!.perSeed;
    expect(rows[2]!.accuracy.overSeeds.estimate).toBeCloseTo((first!.accuracy + second!.accuracy) / 2, 12);
  });

  it('is a page without a script, in which names are only text', () => {
    const comparison = of(1, 2);
    const named = { ...comparison, rows: comparison.rows.map((one) => ({ ...one, name: '<script>' })) };
    const page = renderTables({
      title: 'a<b',
      tables: comparisonTables('T', named),
      notes: ['n'],
      config: { a: '</pre>' },
    });
    expect(page).not.toContain('<script>');
    expect(page).toContain("default-src 'none'");
    expect(page).toContain('a&lt;b');
    expect(page.match(/<pre>.*<\/pre>/s)?.[0]).toContain('&lt;/pre&gt;');
  });
});
