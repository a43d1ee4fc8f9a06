/**
 * Kinds of calculation: what numbers they take, what comes out, and how each tool is asked. Every tool really gives the
 * value, as test/src/questions/miniTools.test.ts sees.
 */
import type { Random } from './random.js';
import type { MiniTaste, MiniTool } from './template.js';

/** One calculation on drawn numbers. */
export interface Calculation {
  readonly value: number;
  /** What fills $0, $1, … of a question's text. */
  readonly shown: readonly (number | string)[];
  readonly inputs: Readonly<Partial<Record<MiniTool, string>>>;
  readonly goal: string;
}

export interface Kind extends MiniTaste {
  readonly draw: (random: Random) => number[];
  readonly make: (...n: number[]) => Calculation;
}

interface Ways {
  /** For the calculator, and for Python unless given. */
  readonly expression: string;
  readonly python?: string;
  /** Holds for x alone: as algebra and as SMT-LIB write it. */
  readonly equation?: string;
  readonly constraint?: string;
  readonly statistics?: string;
  readonly goal?: string;
}

function calculation(value: number, shown: Calculation['shown'], ways: Ways): Calculation {
  const { expression, python = expression, equation, constraint, statistics, goal = `Find ${expression}.` } = ways;
  const inputs = {
    calculator: expression,
    python,
    ...(equation === undefined ? {} : { algebra: `solve(${equation}, x)` }),
    ...(constraint === undefined ? {} : { logic: `(declare-const x Int)(assert ${constraint})` }),
    ...(statistics === undefined ? {} : { statistics }),
  };
  return { value, shown, inputs, goal };
}

const HABIT = ['calculator', 'python'] as const;

/** From unit, to unit, factor. */
const CONVERSIONS: readonly (readonly [string, string, number])[] = [
  ['hours', 'minutes', 60],
  ['minutes', 'seconds', 60],
  ['days', 'hours', 24],
  ['weeks', 'days', 7],
  ['feet', 'inches', 12],
  ['yards', 'feet', 3],
  ['kg', 'g', 1000],
  ['bytes', 'bits', 8],
];

const product: Kind = {
  habit: HABIT,
  hints: ['algebra', 'logic', 'statistics', 'python', 'calculator'],
  tempting: 'think',
  draw: (random) => [random.int(12, 99), random.int(3, 49)],
  make: (a, b) =>
    calculation(a! * b!, [a!, b!], {
      expression: `${a} * ${b}`,
      equation: `x = ${a} * ${b}`,
      constraint: `(= x (* ${a} ${b}))`,
      statistics: `prod(${a}, ${b})`,
    }),
};

const sum: Kind = {
  habit: HABIT,
  hints: ['statistics', 'algebra', 'logic', 'python'],
  draw: (random) => [random.int(101, 899), random.int(101, 899), random.int(11, 99)],
  make: (a, b, c) =>
    calculation(a! + b! + c!, [a!, b!, c!], {
      expression: `${a} + ${b} + ${c}`,
      equation: `x = ${a} + ${b} + ${c}`,
      constraint: `(= x (+ ${a} ${b} ${c}))`,
      statistics: `sum(${a}, ${b}, ${c})`,
    }),
};

/** Of three distinct numbers around a whole mean. */
const mean: Kind = {
  habit: HABIT,
  hints: ['statistics', 'logic', 'algebra', 'calculator'],
  draw: (random) => {
    const m = random.int(30, 95);
    return [m - random.int(1, 12), m + random.int(13, 25), m];
  },
  make: (a, b, m) => {
    const c = 3 * m! - a! - b!;
    return calculation(m!, [a!, b!, c], {
      expression: `(${a} + ${b} + ${c}) / 3`,
      python: `(${a} + ${b} + ${c}) // 3`,
      equation: `3 * x = ${a} + ${b} + ${c}`,
      constraint: `(= (* 3 x) (+ ${a} ${b} ${c}))`,
      statistics: `mean(${a}, ${b}, ${c})`,
      goal: `Find the mean of ${a}, ${b}, ${c}.`,
    });
  },
};

const difference: Kind = {
  habit: HABIT,
  hints: ['logic', 'statistics', 'algebra', 'python'],
  tempting: 'encyclopedia',
  draw: (random) => [random.int(1005, 1495), random.int(1500, 1999)],
  make: (a, b) =>
    calculation(b! - a!, [a!, b!], {
      expression: `${b} - ${a}`,
      equation: `${a} + x = ${b}`,
      constraint: `(= (+ ${a} x) ${b})`,
      statistics: `range(${a}, ${b})`,
    }),
};

const quotient: Kind = {
  habit: HABIT,
  hints: ['algebra', 'logic', 'python', 'calculator'],
  draw: (random) => [random.int(11, 99), random.int(3, 19)],
  make: (x, b) =>
    calculation(x!, [x! * b!, b!], {
      expression: `${x! * b!} / ${b}`,
      python: `${x! * b!} // ${b}`,
      equation: `${b} * x = ${x! * b!}`,
      constraint: `(= (* ${b} x) ${x! * b!})`,
    }),
};

const doubling: Kind = {
  habit: HABIT,
  hints: ['python', 'algebra', 'logic', 'calculator'],
  tempting: 'think',
  draw: (random) => [random.int(11, 99), random.int(2, 6)],
  make: (a, n) =>
    calculation(a! * 2 ** n!, [a!, n!], {
      expression: `${a} * 2^${n}`,
      python: `${a} * 2**${n}`,
      equation: `x = ${a} * 2^${n}`,
      constraint: `(= x (* ${a} (^ 2 ${n})))`,
    }),
};

/** Bought at $0, sold at $1, $2 of them. */
const profit: Kind = {
  habit: HABIT,
  hints: ['algebra', 'logic', 'python', 'calculator'],
  draw: (random) => [random.int(12, 60), random.int(61, 99), random.int(3, 40)],
  make: (a, b, n) =>
    calculation((b! - a!) * n!, [a!, b!, n!], {
      expression: `(${b} - ${a}) * ${n}`,
      equation: `x = (${b} - ${a}) * ${n}`,
      constraint: `(= x (* (- ${b} ${a}) ${n}))`,
    }),
};

/** $0 * x + $1 = $2. */
const equation: Kind = {
  habit: HABIT,
  hints: ['logic', 'algebra', 'python', 'calculator'],
  tempting: 'think',
  draw: (random) => [random.int(2, 9), random.int(2, 60), random.int(11, 99)],
  make: (a, b, x) => {
    const c = a! * x! + b!;
    return calculation(x!, [a!, b!, c], {
      expression: `(${c} - ${b}) / ${a}`,
      python: `(${c} - ${b}) // ${a}`,
      equation: `${a} * x + ${b} = ${c}`,
      constraint: `(= (+ (* ${a} x) ${b}) ${c})`,
      goal: `Solve ${a} * x + ${b} = ${c}.`,
    });
  },
};

/** How many pairs there are of $0 things. */
const pairs: Kind = {
  habit: HABIT,
  hints: ['statistics', 'python', 'logic', 'algebra'],
  tempting: 'encyclopedia',
  draw: (random) => [random.int(11, 99)],
  make: (n) =>
    calculation((n! * (n! - 1)) / 2, [n!], {
      expression: `${n} * (${n} - 1) / 2`,
      python: `${n} * (${n} - 1) // 2`,
      equation: `2 * x = ${n} * (${n} - 1)`,
      constraint: `(= (* 2 x) (* ${n} (- ${n} 1)))`,
      statistics: `combinations(${n}, 2)`,
      goal: `Count the pairs of ${n}.`,
    }),
};

const conversion: Kind = {
  habit: HABIT,
  hints: ['algebra', 'python', 'logic', 'statistics'],
  tempting: 'encyclopedia',
  draw: (random) => [random.int(0, CONVERSIONS.length - 1), random.int(11, 99)],
  make: (which, a) => {
    const [from, to, factor] = CONVERSIONS[which!]!;
    return calculation(a! * factor, [a!, from, to], {
      expression: `${a} ${from} to ${to}`,
      python: `${a} * ${factor}`,
      equation: `x = ${a} * ${factor}`,
      constraint: `(= x (* ${a} ${factor}))`,
      statistics: `prod(${a}, ${factor})`,
      goal: `Convert ${a} ${from} to ${to}.`,
    });
  },
};

const binary: Kind = {
  habit: HABIT,
  hints: ['python', 'calculator'],
  draw: (random) => [random.int(32, 255)],
  make: (a) => calculation(a!, [a!.toString(2)], { expression: `0b${a!.toString(2)}` }),
};

export const KINDS = {
  product,
  sum,
  mean,
  difference,
  quotient,
  doubling,
  profit,
  equation,
  pairs,
  conversion,
  binary,
} as const;
