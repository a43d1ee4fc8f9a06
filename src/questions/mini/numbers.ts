/**
 * Templates whose answer is a whole number computed from operands in the question. There are at least two in each
 * category, so that no category runs out of questions.
 */
import { type Calculation, KINDS } from './calculations.js';
import type { Random } from './random.js';
import type { MiniProblem, MiniTemplate } from './template.js';

/** Name, category, kind of calculation, text. */
const TEMPLATES: readonly (readonly [string, string, keyof typeof KINDS, string])[] = [
  ['product', 'math', 'product', 'What is $0 * $1?'],
  ['sum', 'math', 'sum', 'What is $0 + $1 + $2?'],
  ['equation', 'math', 'equation', 'Solve $0 * x + $1 = $2 for x.'],
  ['profit', 'business', 'profit', 'Goods are bought at $0 and sold at $1 dollars. What is the profit on $2?'],
  ['revenue', 'business', 'product', 'A shop sells $0 lamps at $1 dollars each. What is the revenue?'],
  ['costs', 'business', 'sum', 'Rent is $0, wages are $1, power is $2 dollars. What are the costs?'],
  ['gdp', 'economics', 'sum', 'Consumption is $0, investment $1, government spending $2. What is output?'],
  ['multiplier', 'economics', 'product', 'Spending rises by $0, the multiplier is $1. By how much does income rise?'],
  ['index', 'economics', 'difference', 'A price index rises from $0 to $1. By how many points?'],
  ['force', 'physics', 'product', 'A mass of $0 kg accelerates at $1 m/s^2. What is the force in N?'],
  ['speed', 'physics', 'quotient', 'A train covers $0 km in $1 h. What is its speed in km/h?'],
  ['motion', 'physics', 'equation', 'A cart gains $0 m each second, from $1 m on. After how many s is it at $2 m?'],
  ['voltage', 'engineering', 'product', 'A current of $0 A flows through $1 ohm. What is the voltage in V?'],
  ['convert', 'engineering', 'conversion', 'Convert $0 $1 to $2.'],
  ['dose', 'health', 'product', 'A patient of $0 kg needs $1 mg per kg. What is the dose in mg?'],
  ['pulse', 'health', 'mean', 'Pulse readings are $0, $1, $2. What is their mean?'],
  ['reaction', 'psychology', 'mean', 'Test scores are $0, $1, $2. What is the mean score?'],
  ['peers', 'psychology', 'pairs', 'How many pairs can be formed of $0 subjects?'],
  ['delay', 'psychology', 'difference', 'A reaction begins at $0 ms and ends at $1 ms. How many ms did it take?'],
  ['growth', 'biology', 'doubling', 'A colony of $0 cells doubles $1 times. How many cells are there?'],
  ['seeds', 'biology', 'quotient', 'There are $0 seeds from $1 equal plants. How many came from each?'],
  ['atoms', 'chemistry', 'product', 'How many atoms are in $0 molecules of $1 atoms each?'],
  ['titration', 'chemistry', 'mean', 'Titrations use $0, $1, $2 ml. What is their mean in ml?'],
  ['memory', 'computer science', 'doubling', 'A buffer of $0 bytes doubles $1 times. What is its size in bytes?'],
  ['binary', 'computer science', 'binary', 'What is the binary number $0 in decimal?'],
  ['links', 'computer science', 'pairs', 'How many links join $0 computers, each with each?'],
  ['interval', 'history', 'difference', 'How many years passed from $0 to $1?'],
  ['armies', 'history', 'sum', 'Three armies had $0, $1 and $2 men. How many men were there?'],
  ['tribute', 'history', 'quotient', 'A tribute of $0 coins is shared by $1 towns. How many does each pay?'],
  ['fine', 'law', 'product', 'A court fines a firm $0 dollars a day for $1 days. What is the total?'],
  ['jurors', 'law', 'pairs', 'How many pairs can be chosen from $0 jurors?'],
  ['damages', 'law', 'sum', 'The damages are $0, $1 and $2 dollars. What is the total?'],
  ['dialogues', 'philosophy', 'product', 'Each of $0 thinkers writes $1 dialogues. How many dialogues are there?'],
  ['schools', 'philosophy', 'mean', 'Three schools lasted $0, $1, $2 years. What is the mean?'],
  ['riddle', 'other', 'equation', 'A number times $0, plus $1, is $2. Which number is it?'],
  ['parcels', 'other', 'mean', 'Parcels weigh $0, $1, $2 kg. What is their mean in kg?'],
  ['trail', 'other', 'difference', 'A trail climbs from $0 m to $1 m. How many metres is that?'],
];

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

function toProblem(pattern: string, { value, shown, inputs, goal }: Calculation): MiniProblem {
  const text = pattern.replace(/\$(\d)/g, (_, index: string) => String(shown[Number(index)]));
  // Not all numbers of a text are operands: that of `m/s^2` occurs in no input.
  const used = new Set(numbersIn(Object.values(inputs).join(' ')));
  return {
    text,
    answer: String(value),
    wrong: (random) => wrongNumbers(value, random),
    inputs,
    subjects: numbersIn(text).filter((n) => used.has(n)),
    goal,
  };
}

export const numberTemplates: readonly MiniTemplate[] = TEMPLATES.map(([name, category, kind, pattern]) => {
  const { draw, make, ...taste } = KINDS[kind];
  return {
    name,
    category,
    ...taste,
    draw: (random) => draw(random).map(String),
    build: (args) => toProblem(pattern, make(...args.map(Number))),
  };
});
