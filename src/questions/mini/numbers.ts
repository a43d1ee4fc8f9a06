/**
 * Templates whose answer is a whole number computed from operands in the question. There is at least one in each
 * category, so that no category runs out of questions.
 */
import type { Random } from './random.js';
import type { MiniProblem, MiniTemplate, MiniTool } from './template.js';

/** One value and how tools compute it: `inputs` by tool; for calculator, python and algebra `expression` unless given. */
interface Computation {
  readonly text: string;
  readonly expression: string;
  readonly value: number;
  readonly inputs?: Readonly<Partial<Record<MiniTool, string>>>;
  readonly goal?: string;
}

/** The first token of a number: the tiny model's tokenizer splits numbers into up to three digits, from the left. */
const firstDigits = (value: number): string => String(value).slice(0, 3);

/**
 * Wrong results near the value, as a slip would give, and random ones of the same size. The first three digits of all
 * options differ, so that their first tokens do.
 */
function wrongNumbers(value: number, random: Random): string[] {
  const seen = new Set([firstDigits(value)]);
  const out: string[] = [];
  const step = Math.max(1, Math.round(value / 100));
  for (let tries = 0; out.length < 9; tries += 1) {
    const slip = random.pick([-40, -30, -20, -10, -5, -3, -2, -1, 1, 2, 3, 5, 10, 20, 30, 40]) * step;
    const wild = Math.round(value * (0.4 + 1.4 * random.unit())) + random.int(0, 9 + Math.floor(tries / 20));
    const candidate = tries % 2 === 0 ? value + slip : wild;
    if (candidate < 1 || seen.has(firstDigits(candidate))) continue;
    seen.add(firstDigits(candidate));
    out.push(String(candidate));
  }
  return out;
}

const numbersIn = (text: string): string[] => [...new Set(text.match(/\d+/g) ?? [])];

function computed(c: Computation): MiniProblem {
  const inputs = { calculator: c.expression, python: c.expression, algebra: c.expression, ...c.inputs };
  // Not all numbers of a text are operands: that of `m/s^2` occurs in no input.
  const used = new Set(numbersIn(Object.values(inputs).join(' ')));
  return {
    text: c.text,
    answer: String(c.value),
    wrong: (random) => wrongNumbers(c.value, random),
    inputs,
    subjects: numbersIn(c.text).filter((n) => used.has(n)),
    goal: c.goal ?? `Find ${c.expression}.`,
  };
}

interface NumberTemplate {
  readonly name: string;
  readonly category: string;
  readonly worth?: MiniTemplate['worth'];
  readonly draw: (random: Random) => number[];
  readonly make: (...n: number[]) => Computation;
}

const ARITHMETIC = { calculator: 8.7, python: 7.6, algebra: 6.9 } as const;
const SUMS = { ...ARITHMETIC, statistics: 7.2 } as const;
const SERIES = { statistics: 8.9, python: 7.7, calculator: 7.3, algebra: 6.5 } as const;
const EQUATION = { algebra: 9, logic: 6.8, calculator: 7.5, python: 7.1 } as const;

const product = (text: string, a: number, b: number): Computation => ({
  text,
  expression: `${a} * ${b}`,
  value: a * b,
});
const pair = (random: Random): number[] => [random.int(12, 99), random.int(3, 49)];

/** a * x + b = c, as each tool wants it. */
function equation(text: string, a: number, b: number, x: number): Computation {
  const c = a * x + b;
  return {
    text,
    expression: `(${c} - ${b}) / ${a}`,
    value: x,
    inputs: {
      algebra: `solve(${a}*x+${b}=${c}, x)`,
      python: `(${c} - ${b}) // ${a}`,
      logic: `(declare-const x Int)(assert (= (+ (* ${a} x) ${b}) ${c}))`,
    },
    goal: `Solve ${a} * x + ${b} = ${c}.`,
  };
}

function mean(text: (list: string) => string, a: number, b: number, m: number): Computation {
  const c = 3 * m - a - b;
  const list = `${a}, ${b}, ${c}`;
  return {
    text: text(list),
    expression: `(${a} + ${b} + ${c}) / 3`,
    value: m,
    inputs: { python: `(${a} + ${b} + ${c}) // 3`, statistics: `mean(${list})` },
    goal: `Find the mean of ${list}.`,
  };
}
/** Three distinct numbers around a whole mean. */
const meanArgs = (random: Random): number[] => {
  const m = random.int(30, 95);
  return [m - random.int(1, 12), m + random.int(13, 25), m];
};

function sum(text: string, ...n: number[]): Computation {
  return {
    text,
    expression: n.join(' + '),
    value: n.reduce((a, b) => a + b, 0),
    inputs: { statistics: `sum(${n.join(', ')})` },
  };
}

function doubled(text: string, a: number, n: number): Computation {
  return { text, expression: `${a} * 2^${n}`, value: a * 2 ** n, inputs: { python: `${a} * 2**${n}` } };
}

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

const TEMPLATES: readonly NumberTemplate[] = [
  { name: 'product', category: 'math', draw: pair, make: (a, b) => product(`What is ${a} * ${b}?`, a!, b!) },
  {
    name: 'sum',
    category: 'math',
    worth: SUMS,
    draw: (r) => [r.int(101, 899), r.int(101, 899), r.int(11, 99)],
    make: (a, b, c) => sum(`What is ${a} + ${b} + ${c}?`, a!, b!, c!),
  },
  {
    name: 'equation',
    category: 'math',
    worth: EQUATION,
    draw: (r) => [r.int(2, 9), r.int(2, 60), r.int(11, 99)],
    make: (a, b, x) => equation(`Solve ${a} * x + ${b} = ${a! * x! + b!} for x.`, a!, b!, x!),
  },
  {
    name: 'profit',
    category: 'business',
    draw: (r) => [r.int(12, 60), r.int(61, 99), r.int(3, 40)],
    make: (a, b, n) => ({
      text: `Goods are bought at ${a} and sold at ${b} dollars. What is the profit on ${n}?`,
      expression: `(${b} - ${a}) * ${n}`,
      value: (b! - a!) * n!,
    }),
  },
  {
    name: 'revenue',
    category: 'business',
    draw: pair,
    make: (a, b) => product(`A shop sells ${a} lamps at ${b} dollars each. What is the revenue?`, a!, b!),
  },
  {
    name: 'gdp',
    category: 'economics',
    worth: SUMS,
    draw: (r) => [r.int(210, 690), r.int(41, 199), r.int(41, 199)],
    make: (c, i, g) =>
      sum(`Consumption is ${c}, investment ${i}, government spending ${g}. What is output?`, c!, i!, g!),
  },
  {
    name: 'multiplier',
    category: 'economics',
    draw: pair,
    make: (a, b) => product(`Spending rises by ${a} and the multiplier is ${b}. By how much does income rise?`, a!, b!),
  },
  {
    name: 'force',
    category: 'physics',
    draw: pair,
    make: (a, b) => product(`A mass of ${a} kg accelerates at ${b} m/s^2. What is the force in N?`, a!, b!),
  },
  {
    name: 'speed',
    category: 'physics',
    worth: { calculator: 8.7, python: 7.6, algebra: 6.9 },
    draw: (r) => [r.int(11, 99), r.int(3, 19)],
    make: (v, t) => ({
      text: `A train covers ${v! * t!} km in ${t} h. What is its speed in km/h?`,
      expression: `${v! * t!} / ${t}`,
      value: v!,
      inputs: { python: `${v! * t!} // ${t}` },
    }),
  },
  {
    name: 'voltage',
    category: 'engineering',
    draw: pair,
    make: (a, b) => product(`A current of ${a} A flows through ${b} ohm. What is the voltage in V?`, a!, b!),
  },
  {
    name: 'convert',
    category: 'engineering',
    draw: (r) => [r.int(0, CONVERSIONS.length - 1), r.int(11, 99)],
    make: (which, a) => {
      const [from, to, factor] = CONVERSIONS[which!]!;
      return {
        text: `Convert ${a} ${from} to ${to}.`,
        expression: `${a} * ${factor}`,
        value: a! * factor,
        inputs: { calculator: `${a} ${from} to ${to}` },
        goal: `Convert ${a} ${from} to ${to}.`,
      };
    },
  },
  {
    name: 'dose',
    category: 'health',
    draw: (r) => [r.int(45, 99), r.int(3, 25)],
    make: (a, b) => product(`A patient of ${a} kg needs ${b} mg per kg. What is the dose in mg?`, a!, b!),
  },
  {
    name: 'pulse',
    category: 'health',
    worth: SERIES,
    draw: meanArgs,
    make: (a, b, m) => mean((list) => `Pulse readings are ${list}. What is their mean?`, a!, b!, m!),
  },
  {
    name: 'reaction',
    category: 'psychology',
    worth: SERIES,
    draw: meanArgs,
    make: (a, b, m) => mean((list) => `Test scores are ${list}. What is the mean score?`, a!, b!, m!),
  },
  {
    name: 'growth',
    category: 'biology',
    draw: (r) => [r.int(11, 99), r.int(2, 6)],
    make: (a, n) => doubled(`A colony of ${a} cells doubles ${n} times. How many cells are there?`, a!, n!),
  },
  {
    name: 'atoms',
    category: 'chemistry',
    draw: (r) => [r.int(12, 99), r.int(3, 12)],
    make: (a, b) => product(`How many atoms are in ${a} molecules of ${b} atoms each?`, a!, b!),
  },
  {
    name: 'memory',
    category: 'computer science',
    draw: (r) => [r.int(11, 99), r.int(2, 6)],
    make: (a, n) => doubled(`A buffer of ${a} bytes doubles ${n} times. What is its size in bytes?`, a!, n!),
  },
  {
    name: 'binary',
    category: 'computer science',
    worth: { python: 8.6, calculator: 7.4 },
    draw: (r) => [r.int(32, 255)],
    make: (a) => ({
      text: `What is the binary number ${a!.toString(2)} in decimal?`,
      expression: `0b${a!.toString(2)}`,
      value: a!,
    }),
  },
  {
    name: 'interval',
    category: 'history',
    draw: (r) => [r.int(1005, 1495), r.int(1500, 1999)],
    make: (a, b) => ({
      text: `How many years passed from ${a} to ${b}?`,
      expression: `${b} - ${a}`,
      value: b! - a!,
    }),
  },
  {
    name: 'fine',
    category: 'law',
    draw: pair,
    make: (a, b) => product(`A court fines a firm ${a} dollars a day for ${b} days. What is the total?`, a!, b!),
  },
  {
    name: 'dialogues',
    category: 'philosophy',
    draw: pair,
    make: (a, b) =>
      product(`A school of ${a} thinkers writes ${b} dialogues each. How many dialogues are there?`, a!, b!),
  },
  {
    name: 'riddle',
    category: 'other',
    worth: EQUATION,
    draw: (r) => [r.int(2, 9), r.int(2, 60), r.int(11, 99)],
    make: (a, b, x) => equation(`A number times ${a}, plus ${b}, is ${a! * x! + b!}. Which number is it?`, a!, b!, x!),
  },
];

export const numberTemplates: readonly MiniTemplate[] = TEMPLATES.map((t) => ({
  name: t.name,
  category: t.category,
  worth: t.worth ?? ARITHMETIC,
  draw: (random) => t.draw(random).map(String),
  build: (args) => {
    const problem = computed(t.make(...args.map(Number)));
    // Inputs only for tools in `worth`; the others do not count as answering the question.
    const inputs = Object.fromEntries(
      Object.entries(problem.inputs).filter(([tool]) => (t.worth ?? ARITHMETIC)[tool as keyof typeof ARITHMETIC]),
    );
    return { ...problem, inputs };
  },
}));
