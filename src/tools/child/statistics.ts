/** The tool `statistics`: reads calls and phrases, and says of every result what kind it is. */
import type { Evaluate } from '../hostProtocol.js';
import { readAmounts, shownPercents } from './amounts.js';
import { type Arithmetic, type ArithmeticTool, createArithmetic } from './arithmetic.js';
import { Calculator, formatValue, type Result, withReading } from './calculator.js';
import { criticalFunction, upperPoints } from './criticalValues.js';
import { listsPhrase } from './dataPhrases.js';
import { DESCRIPTIVE, sample } from './descriptive.js';
import { EFFECTS } from './effects.js';
import { isChanged, single, withLiterals } from './expression.js';
import { readFunctions } from './functionNames.js';
import { callLaw, houseFunction, lawFunctions } from './houseLaws.js';
import { TESTS } from './hypothesis.js';
import { chosen, falling } from './integers.js';
import { type Args, count, familyOf, isR, rCall, real } from './lawNames.js';
import { closing, plainText, splitOutside } from './normalize.js';
import { refuseTwoReadings } from './readings.js';
import { readPhrases } from './statPhrases.js';
import {
  Answer,
  Distribution,
  type Environment,
  evaluateStatistics,
  row,
  type StatFunction,
  type StatValue,
} from './statTree.js';

export function createStatistics(): ArithmeticTool {
  const tool = new Statistics(createArithmetic());
  const compute: Evaluate = (input, maxChars) => tool.answer(input, maxChars);
  // Nothing of the library is called but functions of numbers, and names are kept in a scope of the call.
  return Object.assign(compute, { plain: () => 'true' });
}

const ALIASES: Readonly<Record<string, string>> = {
  avg: 'mean',
  var: 'variance',
  std: 'stdev',
  sd: 'stdev',
  stddev: 'stdev',
  standard_deviation: 'stdev',
  std_dev: 'stdev',
  pvar: 'pvariance',
  population_variance: 'pvariance',
  population_stdev: 'pstdev',
  population_std: 'pstdev',
  population_standard_deviation: 'pstdev',
  sample_std: 'sample_stdev',
  sample_standard_deviation: 'sample_stdev',
  VAR_S: 'sample_variance',
  VAR_P: 'pvariance',
  STDEV_S: 'sample_stdev',
  STDEV_P: 'pstdev',
  tstd: 'sample_stdev',
  tvar: 'sample_variance',
  zscore: 'z_score',
  corr: 'correlation',
  cor: 'correlation',
  pearson: 'correlation',
  pearsonr: 'correlation',
  corrcoef: 'correlation',
  spearmanr: 'spearman',
  cov: 'covariance',
  linreg: 'linear_regression',
  linregress: 'linear_regression',
  polyfit: 'linear_regression',
  regression: 'linear_regression',
  multimode: 'mode',
  fmean: 'mean',
  gmean: 'geometric_mean',
  hmean: 'harmonic_mean',
  skew: 'skewness',
  ptp: 'range',
  len: 'count',
  length: 'count',
  product: 'prod',
  ttest: 't_test',
  welch_test: 't_test',
  chi2_test: 'chi_square_test',
  chi_square: 'chi_square_test',
  chisquare: 'chi_square_test',
  chi2_contingency: 'chi_square_test',
  'chisq.test': 'chi_square_test',
  anova_oneway: 'anova',
  f_oneway: 'anova',
  weighted_average: 'weighted_mean',
  ci: 'confidence_interval',
  standard_error: 'sem',
  coefficient_of_variation: 'cv',
  proportions_ztest: 'two_proportion_test',
  two_proportion_z_test: 'two_proportion_test',
};

class Statistics {
  readonly #arithmetic: Arithmetic;

  readonly #calculator: Calculator;

  readonly #table: Readonly<Record<string, StatFunction>>;

  constructor(arithmetic: Arithmetic) {
    this.#arithmetic = arithmetic;
    this.#calculator = new Calculator(arithmetic);
    const table: Record<string, StatFunction> = {
      ...DESCRIPTIVE,
      ...TESTS,
      ...EFFECTS,
      ...lawFunctions(),
      ...counting(),
      ...lists(),
    };
    for (const [alias, name] of Object.entries(ALIASES)) table[alias] = table[name]!;
    this.#table = table;
  }

  answer(input: string, maxChars: number): string {
    const lines = statements(plainText(upperPoints(input), 'statistics')).map((line) => calls(readPhrases(line)));
    if (lines.length === 0) throw new Error('a call expected, e.g. mean(1, 2, 3)');
    const scope = new Map<string, StatValue>();
    const shown: string[] = [];
    const notes = new Set<string>();
    const values: string[] = [];
    for (const parts of lines) {
      for (const part of parts) {
        const text = readLine(part);
        shown.push(shownPercents(text));
        const result = this.#line(text, scope, notes);
        // Of several results that came of one phrase each says which it is.
        if (parts.length > 1) values.push(`${label(text)} = ${this.#write(result)}`);
        // The value of an assignment is not shown, unless it is the only line.
        else if (lines.length === 1 || !/^[a-zA-Z_]\w*\s*=[^=]/.test(text)) values.push(this.#write(result));
      }
    }
    const understood = shown.join('; ');
    const read = {
      shown: understood,
      changed: isChanged(input.replace(/\n/g, ';'), understood),
      text: understood,
      literals: new Map(),
    };
    return withReading(values.join('\n') || 'no output', read, [...notes], maxChars);
  }

  #line(text: string, scope: Map<string, StatValue>, notes: Set<string>): StatValue {
    const tree = this.#arithmetic.parse(text);
    const plain = tree.filter((node) => {
      const { type, fn, name } = node as unknown as { type: string; fn?: { name?: string }; name?: string };
      if (['AccessorNode', 'ArrayNode', 'AssignmentNode', 'RangeNode'].includes(type)) return true;
      if (type === 'SymbolNode') return scope.has(name ?? '') || (name !== undefined && this.#find(name) !== undefined);
      return (
        type === 'FunctionNode' && (this.#find(fn?.name ?? '') !== undefined || familyOf(fn?.name ?? '') !== undefined)
      );
    });
    if (plain.length === 0) {
      if (!this.#arithmetic.isPlain(tree))
        throw new Error('a call expected, e.g. mean(1, 2, 3); random numbers are not drawn here');
      const result: Result = this.#calculator.evaluate(withLiterals(text));
      for (const note of result.notes) notes.add(note);
      return result.text;
    }
    refuseTwoReadings(this.#arithmetic.math, tree);
    const env: Environment = {
      math: this.#arithmetic.math,
      find: (name) => this.#find(name),
      callLaw,
      note: (note) => notes.add(note),
    };
    return evaluateStatistics(tree, scope, env);
  }

  #find(name: string): StatFunction | undefined {
    if (Object.hasOwn(this.#table, name)) return this.#table[name];
    const own = houseFunction(name) ?? criticalFunction(name);
    if (own !== undefined) return own;
    if (isR(name)) {
      return (args) => {
        const { law, method, x } = rCall(name, args);
        return callLaw(law, method, { list: [x], named: {} });
      };
    }
    // AVERAGE, IQR: spreadsheets write in capitals.
    const lower = name.toLowerCase();
    return name.length > 2 && Object.hasOwn(this.#table, lower) ? this.#table[lower] : undefined;
  }

  #write(value: StatValue): string {
    if (value instanceof Answer) {
      return value.value === undefined ? value.note : `${this.#write(value.value as StatValue)} (${value.note})`;
    }
    if (value instanceof Distribution)
      throw new Error(`this is a distribution (${value.law.label}); write e.g. norm.cdf(1.96)`);
    if (Array.isArray(value)) return `[${value.map((one: StatValue) => this.#write(one)).join(', ')}]`;
    if (typeof value === 'bigint') return String(value);
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new Error(`the result is not a finite number (${value})`);
    return formatValue(this.#arithmetic.math, value);
  }
}

/** One statement a line; an open bracket continues the statement on the next line. `#` starts a comment. */
function statements(input: string): string[] {
  const out: string[] = [];
  let current = '';
  for (const line of input.split('\n').map((text) => text.replace(/#.*$/, '').trim())) {
    current = current === '' ? line : `${current} ${line}`;
    const depth = [...current].reduce((sum, c) => sum + Number('(['.includes(c)) - Number(')]'.includes(c)), 0);
    if (depth > 0) continue;
    // A `;` between the lists of one phrase separates no statements.
    if (current !== '' && listsPhrase(current) !== null) out.push(current);
    else if (current !== '') out.push(...splitOutside(current, ';').map((one) => one.trim()));
    current = '';
  }
  const all = current === '' ? out : [...out, current];
  return all
    .filter((line) => line !== '' && !/^(?:import|from)\s+\w/.test(line) && !/^library\(/.test(line))
    .map((line) =>
      /^print\s*\(/.test(line) && closing(line, line.indexOf('(')) === line.length - 1
        ? line.replace(/^print\s*\(/, '').slice(0, -1)
        : line,
    );
}

/** The calls of a line: those that a phrase became, or several with commas between, `mean(x), median(x)`. */
function calls(text: string): string[] {
  const parts = splitOutside(text, ',').map((part) => part.trim());
  const each = parts.every(
    (part) => /^[a-zA-Z_][\w.]*\(/.test(part) && closing(part, part.indexOf('(')) === part.length - 1,
  );
  return each ? parts : text.split('\n');
}

/** What a call is, beside others: `mean`, `P(X <= 3)`. */
function label(text: string): string {
  const law = /^prob_(eq|[lg][et])\(\w+(?=\()/.exec(text);
  const end = law === null ? -1 : closing(text, law[0].length);
  if (law === null || end < 0) return text.slice(0, text.indexOf('('));
  const sign = { eq: '=', lt: '<', le: '<=', gt: '>', ge: '>=' }[law[1]!];
  return `P(X ${sign} ${text.slice(end + 1, -1).replace(/^,\s*/, '')})`;
}

/** A statement for mathjs' parser. */
function readLine(line: string): string {
  const text = single(line)
    .replace(/\blower\.tail\b/g, 'lower_tail')
    // Names of spreadsheets have dots before digits.
    .replace(/\b(?:NORM|T|F|BINOM|POISSON|CHISQ|VAR|STDEV)(?:\.[A-Z\d]+)+(?=\s*\()/g, (name) =>
      name.replaceAll('.', '_'),
    )
    .replace(/\b(?:np|numpy)\s*\.\s*(std|var)\b/g, 'np_$1')
    .replace(/^([A-Za-z_][\w.]*)\s*<-\s*/, '$1 = ')
    .replace(/\{([-\d.,\s%/]+)\}/g, '[$1]');
  return readFunctions(readAmounts(tuples(text)).text, true).replace(/==/g, '=');
}

/** Python's `(20, 30)` is a list. */
function tuples(text: string): string {
  for (let at = text.indexOf('('); at >= 0; at = text.indexOf('(', at + 1)) {
    const end = closing(text, at);
    if (end < 0 || /[\w.\])]\s*$/.test(text.slice(0, at))) continue;
    const inner = text.slice(at + 1, end);
    if (splitOutside(inner, ',').length < 2 || /^\d{1,3}(?:,\d{3})+$/.test(inner)) continue;
    if (!/[([,=]\s*$|^$/.test(text.slice(0, at))) continue;
    return tuples(`${text.slice(0, at)}[${inner}]${text.slice(end + 1)}`);
  }
  return text;
}

function counting(): Record<string, StatFunction> {
  const of =
    (name: string, f: (n: bigint, k: bigint) => bigint): StatFunction =>
    ({ list }: Args) => {
      const [n, k] = [count(real(list[0], name), name), count(real(list[1] ?? list[0], name), name)];
      if (Math.min(k, n) > 20_000)
        throw new Error(`the result is not a finite number that can be shown: ${name} of so many`);
      return k > n ? 0 : narrow(f(BigInt(n), BigInt(k)));
    };
  const table: Record<string, StatFunction> = {
    combinations: of('combinations', chosen),
    permutations: of('permutations', falling),
  };
  for (const name of ['nCr', 'choose', 'comb']) table[name] = table.combinations!;
  for (const name of ['nPr', 'perm']) table[name] = table.permutations!;
  return table;
}

function narrow(n: bigint): number | bigint {
  return n <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(n) : n;
}

/** Ways to write a list. */
function lists(): Record<string, StatFunction> {
  const list: StatFunction = ({ list: args }) => args.flat(1) as StatValue[];
  const series: StatFunction = ({ list: args }) => {
    const [from, to, step] = args.map((one) => real(one, 'seq')) as [number, number, number?];
    return row(from, to, step);
  };
  const repeated: StatFunction = ({ list: [what, times], named }) => {
    const size = count(real(named.times ?? times, 'rep'), 'rep');
    if (size > 100_000) throw new Error('rep of up to 100000 numbers expected');
    return Array.from({ length: size }, () => what).flat(1) as StatValue[];
  };
  const sorted: StatFunction = ({ list: args }) => sample(args, 'sorted', 1).sort((a, b) => a - b);
  const cumulative: StatFunction = ({ list: args }) => running(sample(args, 'cumsum', 1));
  return {
    c: list,
    array: list,
    list,
    tuple: list,
    seq: series,
    rep: repeated,
    sorted,
    sort: sorted,
    cumsum: cumulative,
  };
}

function running(x: readonly number[]): number[] {
  let sum = 0;
  return x.map((one) => {
    sum += one;
    return sum;
  });
}
