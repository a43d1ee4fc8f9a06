/** What studies of health and behaviour report: p-values of statistics, effect sizes, odds and risks of a table of four cells, Bayes' rule. */
import { onlyNamed, sample, show } from './descriptive.js';
import { type Args, lawOf, positive, probability, real } from './lawNames.js';
import { Answer, type StatFunction } from './statTree.js';

/** `p_value(t=2.5, df=24)`, `p_value(z=1.96)`, `p_value(chi2=10, df=2)`, `p_value(F=4, df1=2, df2=20)`. */
function pValue(args: Args): Answer {
  const known = ['t', 'z', 'chi2', 'F', 'f', 'df', 'df1', 'df2', 'dfn', 'dfd', 'n', 'tails', 'tail'];
  const { t, z, chi2, F, f, tails, tail, n, ...freedom } = onlyNamed(args, 'p_value', ...known);
  const given = Object.entries({ t, norm: z, chi2, f: F ?? f }).filter(([, value]) => value !== undefined);
  if (given.length !== 1 || args.list.length > 0)
    throw new Error('write e.g. p_value(t=2.5, df=24), p_value(z=1.96, tails=2) or p_value(chi2=10, df=2)');
  const [family, value] = given[0] as [string, unknown];
  const x = real(value, 'p_value');
  if (n !== undefined && (family !== 't' || Object.keys(freedom).length > 0))
    throw new Error('p_value takes df; of n alone only a t of one sample has it');
  const law = lawOf(family, { list: n === undefined ? [] : [real(n, 'n') - 1], named: freedom });
  const sides = /^(?:2|two)/.test(String(tails ?? tail ?? ''))
    ? 2
    : /^(?:1|one)/.test(String(tails ?? tail ?? ''))
      ? 1
      : undefined;
  if ((tails ?? tail) !== undefined && sides === undefined) throw new Error('tails are 1 or 2');
  if (family === 'chi2' || family === 'f') {
    if (sides === 2) throw new Error(`a test of ${law.label} looks at the upper tail`);
    return new Answer(law.sf(x), `${law.label}; above ${x}`);
  }
  const one = law.sf(Math.abs(x));
  if (sides !== undefined)
    return new Answer(sides * one, `${law.label}; ${sides === 2 ? 'two-sided' : `one-sided, beyond ${x}`}`);
  return new Answer(undefined, `${show(2 * one)} two-sided, ${show(one)} one-sided (${law.label})`);
}

/** `cohens_d(52, 50, 4)`: two means and the standard deviation, or that of each group and, where they differ, how many they are. */
function cohensD(args: Args): Answer {
  const names = ['mean1', 'mean2', 'm1', 'm2', 'sd', 'sd1', 'sd2', 'n1', 'n2'];
  const { mean1, mean2, m1, m2, sd, sd1, sd2, n1, n2 } = onlyNamed(args, 'cohens_d', ...names);
  const rest = [...args.list];
  const number = (value: unknown) => real(value, 'cohens_d');
  const difference = number(mean1 ?? m1 ?? rest.shift()) - number(mean2 ?? m2 ?? rest.shift());
  const each = [sd1, sd2].filter((one) => one !== undefined).map((one) => positive(number(one), 'sd'));
  const spread = each.length === 0 ? (sd ?? rest.shift()) : sd;
  if (rest.length > 0 || each.length === 1 || (each.length === 2) === (spread !== undefined))
    throw new Error('cohens_d takes two means and one sd, e.g. cohens_d(52, 50, 4), or sd1=, sd2=, n1=, n2=');
  if (spread !== undefined)
    return new Answer(difference / positive(number(spread), 'sd'), 'difference of the means by the sd');
  const [a, b] = each as [number, number];
  if ((n1 === undefined) !== (n2 === undefined)) throw new Error('cohens_d takes both n1 and n2, or none');
  const [free1, free2] = n1 === undefined ? [1, 1] : [number(n1) - 1, number(n2) - 1];
  const pooled = Math.sqrt((free1 * a ** 2 + free2 * b ** 2) / positive(free1 + free2, 'n1 + n2 - 2'));
  return new Answer(difference / pooled, `by the pooled sd, ${show(pooled)}`);
}

type Cells = readonly [a: number, b: number, c: number, d: number];

/** `[[a, b], [c, d]]` or a, b, c, d: rows are the groups, the first column those with the outcome. */
const ofTable =
  (name: string, compute: (cells: Cells) => number, words: string): StatFunction =>
  (args) => {
    onlyNamed(args, name);
    const cells = sample(args.list, name, 4);
    if (cells.length !== 4 || cells.some((one) => one < 0))
      throw new Error(`${name} needs four counts, e.g. ${name}([[30, 70], [10, 90]])`);
    const value = compute(cells as unknown as Cells);
    if (!Number.isFinite(value)) throw new Error(`${name} is not defined, as a count is 0`);
    return new Answer(value, words);
  };

const ROWS = 'rows are groups, the first column has the outcome';

/** `bayes(prior, P(E|H), P(E|not H))`. */
function bayes(args: Args): Answer {
  const names = ['prior', 'sensitivity', 'false_positive'];
  const named = onlyNamed(args, 'bayes', ...names);
  const rest = [...args.list];
  const [prior, hit, alarm] = names.map((name) => probability(real(named[name] ?? rest.shift(), 'bayes'))) as [
    number,
    number,
    number,
  ];
  if (rest.length > 0) throw new Error('bayes takes P(H), P(E|H) and P(E|not H)');
  const evidence = prior * hit + (1 - prior) * alarm;
  if (!(evidence > 0)) throw new Error('bayes: the evidence has probability 0');
  return new Answer((prior * hit) / evidence, `P(H|E) of P(H) = ${prior}, P(E|H) = ${hit}, P(E|not H) = ${alarm}`);
}

export const EFFECTS: Readonly<Record<string, StatFunction>> = {
  p_value: pValue,
  pvalue: pValue,
  cohens_d: cohensD,
  cohen_d: cohensD,
  odds_ratio: ofTable('odds_ratio', ([a, b, c, d]) => (a * d) / (b * c), ROWS),
  relative_risk: ofTable('relative_risk', ([a, b, c, d]) => a / (a + b) / (c / (c + d)), ROWS),
  risk_ratio: ofTable('risk_ratio', ([a, b, c, d]) => a / (a + b) / (c / (c + d)), ROWS),
  bayes,
};
