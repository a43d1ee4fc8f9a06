/** Hypothesis tests and confidence intervals of the tool `statistics`. Every answer says which test it was. */
import * as ss from 'simple-statistics';
import { onlyNamed, pairs, sample, show } from './descriptive.js';
import * as d from './distributions.js';
import { type Args, count, inside, positive, real } from './lawNames.js';
import { Answer, type StatFunction } from './statTree.js';

type Numbers = number[];

function tResult(t: number, df: number, note = ''): Answer {
  if (!Number.isFinite(t)) throw new Error('t_test: the values do not vary, so t is not defined');
  const p = d.tTwoSided(t, df);
  return new Answer(undefined, `t = ${show(t)}, df = ${show(df)}, p = ${show(p)}${note}`, {
    statistic: t,
    pvalue: p,
    df,
  });
}

function oneSample(data: unknown, mu: unknown): Answer {
  const x = sample([data], 't_test', 2);
  const t = (ss.mean(x) - real(mu, 't_test')) / (ss.sampleStandardDeviation(x) / Math.sqrt(x.length));
  return tResult(t, x.length - 1);
}

function welch(x: Numbers, y: Numbers): Answer {
  const [vx, vy] = [ss.sampleVariance(x) / x.length, ss.sampleVariance(y) / y.length];
  const df = (vx + vy) ** 2 / (vx ** 2 / (x.length - 1) + vy ** 2 / (y.length - 1));
  return tResult((ss.mean(x) - ss.mean(y)) / Math.sqrt(vx + vy), df, " (Welch's, unequal variances; two-sided)");
}

function pooled(x: Numbers, y: Numbers): Answer {
  const df = x.length + y.length - 2;
  const variance = ((x.length - 1) * ss.sampleVariance(x) + (y.length - 1) * ss.sampleVariance(y)) / df;
  const t = (ss.mean(x) - ss.mean(y)) / Math.sqrt(variance * (1 / x.length + 1 / y.length));
  return tResult(t, df, ' (equal variances; two-sided)');
}

/** `t_test(data, mu)`, `t_test(x, y)`, or `t_test(mean = 52, mu = 50, sd = 4, n = 25)`. */
function tTest(args: Args): Answer {
  const {
    mean,
    mu,
    popmean,
    sd,
    s,
    n,
    equal_var: equal,
  } = onlyNamed(args, 't_test', 'mean', 'mu', 'popmean', 'sd', 's', 'n', 'equal_var');
  if (mean !== undefined) {
    const size = count(real(n, 't_test'), 'n');
    if (size < 2) throw new Error('t_test needs n of at least 2');
    const t =
      (real(mean, 't_test') - real(mu ?? popmean, 't_test')) /
      (positive(real(sd ?? s, 't_test'), 'sd') / Math.sqrt(size));
    return tResult(t, size - 1, ' (two-sided)');
  }
  const [a, b] = args.list;
  if (!Array.isArray(b)) return oneSample(a, b ?? mu ?? popmean ?? 0);
  const [x, y] = [sample([a], 't_test', 2), sample([b], 't_test', 2)];
  return equal === true ? pooled(x, y) : welch(x, y);
}

/** scipy's: equal variances unless it is told otherwise. */
function independent(args: Args): Answer {
  const equal = onlyNamed(args, 'ttest_ind', 'equal_var').equal_var ?? true;
  const [x, y] = [sample([args.list[0]], 'ttest_ind', 2), sample([args.list[1]], 'ttest_ind', 2)];
  return equal === true ? pooled(x, y) : welch(x, y);
}

/** For a list a test of goodness of fit (to `expected`, or to equal shares), for a table a test of independence. */
function chiSquareTest(args: Args): Answer {
  const { f_exp: named } = onlyNamed(args, 'chi_square_test', 'f_exp', 'correction');
  const [observed, second] = args.list;
  const expected = named ?? second;
  if (!Array.isArray(observed)) throw new Error('chi_square_test needs a list, e.g. chi_square_test([10,20],[15,15])');
  if (observed.some(Array.isArray)) return independence(observed as unknown[]);
  const cells = sample([observed], 'chi_square_test', 2);
  const model = expected === undefined ? cells.map(() => ss.mean(cells)) : sample([expected], 'chi_square_test', 2);
  checkModel(cells, model);
  const [seen, meant] = [ss.sum(cells), ss.sum(model)];
  if (Math.abs(seen - meant) > 1e-6 * Math.max(seen, meant)) {
    throw new Error(
      `chi_square_test: the observed counts sum to ${show(seen)}, the expected to ${show(meant)}; give expected counts, not shares`,
    );
  }
  return chiResult(cells, model, cells.length - 1);
}

function independence(rows: readonly unknown[]): Answer {
  const table = rows.map((row) => sample([row], 'chi_square_test', 2));
  if (table.some((row) => row.length !== table[0]!.length) || table.length < 2) {
    throw new Error('chi_square_test needs a table with rows of the same length, e.g. [[10, 20], [30, 40]]');
  }
  const columns = table[0]!.map((_, j) => ss.sum(table.map((row) => row[j]!)));
  const total = ss.sum(columns);
  const model = table.flatMap((row) => columns.map((column) => (ss.sum(row) * column) / total));
  const cells = table.flat();
  checkModel(cells, model);
  const df = (table.length - 1) * (columns.length - 1);
  if (df > 1) return chiResult(cells, model, df);
  const corrected = ss.sum(cells.map((value, i) => Math.max(0, Math.abs(value - model[i]!) - 0.5) ** 2 / model[i]!));
  const p = d.chiSquareUpper(corrected, df);
  return chiResult(
    cells,
    model,
    df,
    ` (no correction); with Yates' correction chi2 = ${show(corrected)}, p = ${show(p)}`,
  );
}

function checkModel(cells: Numbers, model: Numbers): void {
  if (model.length !== cells.length || !model.every((value) => value > 0)) {
    throw new Error('chi_square_test needs as many positive expected counts as observed ones');
  }
}

function chiResult(cells: Numbers, model: Numbers, df: number, note = ''): Answer {
  const chi2 = ss.sum(cells.map((value, i) => (value - model[i]!) ** 2 / model[i]!));
  const p = d.chiSquareUpper(chi2, df);
  return new Answer(undefined, `chi2 = ${show(chi2)}, df = ${df}, p = ${show(p)}${note}`, {
    statistic: chi2,
    pvalue: p,
    dof: df,
  });
}

function anova(args: Args): Answer {
  onlyNamed(args, 'anova');
  const groups = args.list.map((group) => sample([group], 'anova', 2));
  if (groups.length < 2) throw new Error('anova needs two or more lists, e.g. anova([1,2,3],[2,3,4])');
  const values = groups.flat();
  const grand = ss.mean(values);
  const between = ss.sum(groups.map((group) => group.length * (ss.mean(group) - grand) ** 2));
  const within = ss.sum(groups.map((group) => ss.sumNthPowerDeviations(group, 2)));
  const [df1, df2] = [groups.length - 1, values.length - groups.length];
  const f = between / df1 / (within / df2);
  const text = `F = ${show(f)}, df = (${df1}, ${df2}), p = ${show(d.fUpper(f, df1, df2))}`;
  return new Answer(undefined, text, { statistic: f, pvalue: d.fUpper(f, df1, df2) });
}

/** `z_test(mean, mu, sd, n)`. */
function zTest(args: Args): Answer {
  const names = ['mean', 'mu', 'sd', 'n'];
  const { sigma, ...others } = onlyNamed(args, 'z_test', ...names, 'sigma');
  const named: Readonly<Record<string, unknown>> = sigma === undefined ? others : { ...others, sd: sigma };
  const rest = [...args.list];
  const [mean, mu, sd, n] = names.map((name) => real(named[name] ?? rest.shift(), 'z_test')) as [
    number,
    number,
    number,
    number,
  ];
  const z = (mean - mu) / (positive(sd, 'sd') / Math.sqrt(positive(n, 'n')));
  return zResult(z);
}

function zResult(z: number): Answer {
  const p = 2 * d.normalCdf(-Math.abs(z));
  return new Answer(undefined, `z = ${show(z)}, p = ${show(p)} (two-sided; one-sided ${show(p / 2)})`, {
    statistic: z,
    pvalue: p,
  });
}

/** `proportion_test(successes, n, p0)`. */
function proportionTest(args: Args): Answer {
  onlyNamed(args, 'proportion_test');
  const [k, n, p0] = args.list.map((one) => real(one, 'proportion_test')) as [number, number, number];
  const share = count(k, 'successes') / positive(n, 'n');
  const p = inside(p0, 'p0');
  return zResult((share - p) / Math.sqrt((p * (1 - p)) / n));
}

/** statsmodels' z test that two shares are equal: `two_proportion_test(45, 100, 30, 100)`, or two lists. */
function twoProportions(args: Args): Answer {
  const name = 'two_proportion_test';
  onlyNamed(args, name);
  const lists = Array.isArray(args.list[0]);
  const [k, n, l, m] = sample(args.list, name, 4) as [number, number, number, number];
  if (args.list.length !== (lists ? 2 : 4)) throw new Error(`${name} needs successes and n of both samples`);
  const [k1, n1, k2, n2] = lists ? [k, l, n, m] : [k, n, l, m];
  for (const [hits, size] of [
    [k1, n1],
    [k2, n2],
  ] as const) {
    if (count(hits, 'successes') > count(size, 'n')) throw new Error(`${name}: ${hits} successes of ${size}`);
  }
  const share = (k1 + k2) / (n1 + n2);
  return zResult((k1 / n1 - k2 / n2) / Math.sqrt(share * (1 - share) * (1 / n1 + 1 / n2)));
}

/** How many are needed for a margin of error: of a share (`p`, 0.5 when it is not known), or of a mean (`sigma`). */
function sampleSize(args: Args): Answer {
  const name = 'sample_size';
  const given = onlyNamed(args, name, 'margin', 'E', 'margin_of_error', 'p', 'sigma', 'sd', 'confidence', 'level');
  if (args.list.length > 0) throw new Error(`${name}: write sample_size(margin=0.03, p=0.5, confidence=0.95)`);
  const margin = positive(real(given.margin ?? given.E ?? given.margin_of_error, name), 'margin');
  const level = inside(real(given.confidence ?? given.level ?? 0.95, name), 'confidence');
  const spread = given.sigma ?? given.sd;
  if (spread !== undefined && given.p !== undefined) throw new Error(`${name} takes p or sigma, not both`);
  const share = inside(real(given.p ?? 0.5, name));
  const variance = spread === undefined ? share * (1 - share) : positive(real(spread, name), 'sigma') ** 2;
  const size = (d.normalQuantile((1 + level) / 2) ** 2 * variance) / margin ** 2;
  const of = spread === undefined ? `a share of ${share}` : `a mean, sigma ${spread}`;
  return new Answer(Math.ceil(size - 1e-9), `${show(size)} rounded up; ${of}, ${show(level * 100)}%, z`);
}

/** Half the width of an interval: of a share (`p`), or of a mean (`sigma`: z; `sd`: t). */
function marginOfError(args: Args): Answer {
  const name = 'margin_of_error';
  const given = onlyNamed(args, name, 'p', 'sigma', 'sd', 'n', 'confidence', 'level');
  const spreads = [given.p, given.sigma, given.sd].filter((one) => one !== undefined);
  if (args.list.length > 0 || spreads.length !== 1)
    throw new Error(`${name}: write margin_of_error(p=0.5, n=400, level=0.95) or margin_of_error(sd=4, n=25)`);
  const size = count(real(given.n, name), 'n');
  const level = inside(real(given.confidence ?? given.level ?? 0.95, name), 'confidence');
  const z = d.normalQuantile((1 + level) / 2);
  const shown = `${show(level * 100)}%`;
  if (given.p !== undefined) {
    const share = inside(real(given.p, name));
    return new Answer(z * Math.sqrt((share * (1 - share)) / positive(size, 'n')), `${shown}, z, of a share`);
  }
  if (given.sd !== undefined && size < 2) throw new Error(`${name} of an sd needs n of at least 2`);
  const factor = given.sigma === undefined ? d.tQuantile((1 + level) / 2, size - 1) : z;
  const half = (factor * positive(real(given.sigma ?? given.sd, name), 'sd')) / Math.sqrt(positive(size, 'n'));
  return new Answer(
    half,
    `${shown}, ${given.sigma === undefined ? `t, df ${size - 1}; z with sigma=` : 'z, sigma known'}`,
  );
}

/** Of data (t), or of `mean=, sd=, n=`: t with the sample's sd, z with `sigma=`. */
function confidenceInterval(args: Args): Answer {
  const names = ['level', 'confidence', 'mean', 'sd', 's', 'sigma', 'n'];
  const { level, confidence, mean, sd, s, sigma, n } = onlyNamed(args, 'confidence_interval', ...names);
  const wanted = (one: unknown) =>
    inside(real(one ?? level ?? confidence ?? 0.95, 'confidence_interval'), 'confidence_interval');
  const four = args.list.length === 4 && !args.list.some(Array.isArray) && mean === undefined;
  if (four) return ofFour(args.list.map((one) => real(one, 'confidence_interval')) as [number, number, number, number]);
  if (mean === undefined) {
    const x = sample([args.list[0]], 'confidence_interval', 2);
    const share = wanted(args.list[1]);
    const half = (d.tQuantile((1 + share) / 2, x.length - 1) * ss.sampleStandardDeviation(x)) / Math.sqrt(x.length);
    return interval(ss.mean(x), half, share, `t, df ${x.length - 1}`);
  }
  const size = count(real(n, 'confidence_interval'), 'n');
  const share = wanted(args.list[0]);
  const z = sigma !== undefined;
  if (!z && size < 2) throw new Error('confidence_interval needs n of at least 2');
  const factor = z ? d.normalQuantile((1 + share) / 2) : d.tQuantile((1 + share) / 2, size - 1);
  const half = (factor * positive(real(sigma ?? sd ?? s, 'confidence_interval'), 'sd')) / Math.sqrt(size);
  return interval(
    real(mean, 'confidence_interval'),
    half,
    share,
    z ? 'z, sigma known' : `t, df ${size - 1}; z with sigma=`,
  );
}

/** `confidence_interval(52, 4, 25, 0.95)`: a level at the end and a whole number before it can only be n. */
function ofFour([mean, sd, n, level]: readonly [number, number, number, number]): Answer {
  if (!(level > 0.5 && level < 1) || !Number.isInteger(n) || n < 2)
    throw new Error(
      'confidence_interval of data takes a list; else write confidence_interval(mean=52, sd=4, n=25, level=0.95)',
    );
  const { note, ...more } = confidenceInterval({ list: [], named: { mean, sd, n, level } });
  return new Answer(
    undefined,
    `${note}; mean ${mean}, sd ${sd}, n ${n}`,
    'fields' in more ? (more.fields as Record<string, number>) : {},
  );
}

function interval(centre: number, half: number, share: number, how: string): Answer {
  const text = `[${show(centre - half)}, ${show(centre + half)}]`;
  return new Answer(undefined, `${text} (${show(share * 100)}%, ${how})`, { low: centre - half, high: centre + half });
}

/** `proportion_interval(successes, n, level)`: the normal approximation, and Wilson's. */
function proportionInterval(args: Args): Answer {
  const named = onlyNamed(args, 'proportion_interval', 'p', 'n', 'level');
  const rest = [...args.list];
  const first = named.p === undefined ? real(rest.shift(), 'proportion_interval') : undefined;
  const n = real(named.n ?? rest.shift(), 'proportion_interval');
  const level = real(named.level ?? rest.shift() ?? 0.95, 'proportion_interval');
  if (rest.length > 0) throw new Error('proportion_interval takes successes, n and a level, or p=, n=, level=');
  const share = first === undefined ? inside(real(named.p, 'p')) : count(first, 'successes') / positive(n, 'n');
  positive(n, 'n');
  const z = d.normalQuantile((1 + inside(level, 'level')) / 2);
  const half = z * Math.sqrt((share * (1 - share)) / n);
  const centre = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const wilson = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  const [a, b] = [interval(share, half, level, 'normal approximation'), interval(centre, wilson, level, "Wilson's")];
  return new Answer(undefined, `${a.note}; ${b.note}`);
}

function paired(args: Args): Answer {
  onlyNamed(args, 't_test_paired');
  const [x, y] = pairs(args.list[0], args.list[1], 't_test_paired');
  return oneSample(
    x.map((value, i) => value - y[i]!),
    0,
  );
}

export const TESTS: Readonly<Record<string, StatFunction>> = {
  t_test: tTest,
  t_test_pooled: (args) =>
    pooled(sample([args.list[0]], 't_test_pooled', 2), sample([args.list[1]], 't_test_pooled', 2)),
  t_test_paired: paired,
  ttest_1samp: tTest,
  ttest_ind: independent,
  ttest_rel: paired,
  z_test: zTest,
  proportion_test: proportionTest,
  two_proportion_test: twoProportions,
  sample_size: sampleSize,
  margin_of_error: marginOfError,
  chi_square_test: chiSquareTest,
  anova,
  confidence_interval: confidenceInterval,
  proportion_interval: proportionInterval,
};
