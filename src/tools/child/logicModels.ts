/**
 * Looks for models of formulas with z3. Things: small domains are written out first, where the search always ends; then
 * z3 decides, within a time; then larger domains. So a countermodel can be read, and "valid" is z3's proof.
 */
import { type Formula, partsOf } from './logicFormula.js';
import type { Sorts } from './logicSorts.js';

export type Run = (script: string) => Promise<string>;

export type Found =
  | {
      readonly verdict: 'sat';
      readonly models: readonly string[];
      readonly more: boolean;
    }
  | { readonly verdict: 'unsat' }
  | { readonly verdict: 'unknown' };

/** Seconds for one question to z3; the tool's own deadline is longer. */
export const SECONDS = 3;
const CHECK = `(check-sat-using (try-for default ${SECONDS * 1000}))`;
const SMALL = [1, 2, 3];
const LARGER = [4, 5, 6];
/** A formula written out over a domain is not longer than this. */
const MAX_TEXT = 400_000;

/** Models of all `formulas` together: as many as `most`, and whether there are more. */
export async function findModels(formulas: readonly Formula[], sorts: Sorts, run: Run, most: number): Promise<Found> {
  if (!sorts.overThings) return inBrackets(run, () => plainModels(formulas, sorts, run, most));
  for (const size of SMALL) {
    const found = await inBrackets(run, () => finiteModel(formulas, sorts, run, size));
    if (found !== undefined) return found;
  }
  const asserted = formulas.map((one) => `(assert ${sorts.term(one)})`).join('');
  const verdict = await inBrackets(run, () => run(`${sorts.declarations()}${asserted}${CHECK}`));
  if (verdict.trim() === 'unsat') return { verdict: 'unsat' };
  for (const size of LARGER) {
    const found = await inBrackets(run, () => finiteModel(formulas, sorts, run, size));
    if (found !== undefined) return found;
  }
  return verdict.trim() === 'sat'
    ? { verdict: 'sat', models: ['a domain of more than 6 things'], more: false }
    : { verdict: 'unknown' };
}

async function inBrackets<T>(run: Run, work: () => Promise<T>): Promise<T> {
  await run('(push)');
  try {
    return await work();
  } finally {
    await run('(pop)');
  }
}

async function plainModels(formulas: readonly Formula[], sorts: Sorts, run: Run, most: number): Promise<Found> {
  const names = [...sorts.propositions, ...sorts.numbers].sort((a, b) => (a < b ? -1 : 1));
  const asserted = formulas.map((one) => `(assert ${sorts.term(one)})`).join('');
  let verdict = (await run(`${sorts.declarations()}${sorts.defined()}${asserted}${CHECK}`)).trim();
  if (verdict !== 'sat') return { verdict: verdict === 'unsat' ? 'unsat' : 'unknown' };
  const models: string[] = [];
  while (verdict === 'sat' && models.length < most) {
    const values = await valuesOf(names, run);
    const read: string[] = [];
    const same: string[] = [];
    for (const [i, value] of values.entries()) {
      const name = names[i]!;
      const exact = plainNumber(value);
      const root = exact === undefined ? await irrational(name, value, run) : undefined;
      const equals = sorts.numbers.length > 0 ? ' = ' : '=';
      read.push(root === undefined ? `${name}${equals}${exact}` : `${name} ≈ ${root.shown}`);
      same.push(root?.same ?? `(= |n ${name}| ${value})`);
    }
    models.push(read.join(', '));
    if (names.length === 0) break;
    verdict = (await run(`(assert (not (and ${same.join(' ')})))${CHECK}`)).trim();
  }
  return { verdict: 'sat', models, more: names.length > 0 && verdict !== 'unsat' };
}

async function valuesOf(names: readonly string[], run: Run): Promise<string[]> {
  if (names.length === 0) return [];
  const answer = await run(`(get-value (${names.map((name) => `|n ${name}|`).join(' ')}))`);
  const pairs = listOf(answer.trim());
  return names.map((_, i) => listOf(pairs[i]!)[1]!);
}

/** The parts of an s-expression `(a (b c) |d e|)`. */
export function listOf(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let start = -1;
  const inner = text.trim().slice(1, -1);
  for (let i = 0; i <= inner.length; i++) {
    const c = inner[i] ?? ' ';
    if (c === '|') quoted = !quoted;
    const space = !quoted && depth === 0 && /\s/.test(c);
    if (space && start >= 0) {
      parts.push(inner.slice(start, i));
      start = -1;
    } else if (!space && start < 0) start = i;
    if (!quoted) depth += Number(c === '(') - Number(c === ')');
  }
  return parts;
}

/** `(- (/ 1.0 3.0))` → `-1/3`; undefined for a root. */
export function plainNumber(value: string): string | undefined {
  if (value.includes('root-obj')) return undefined;
  const text = value.replace(/(\d)\.0\b/g, '$1').trim();
  if (!text.startsWith('(')) return text;
  const [op, first = '', second = ''] = listOf(text);
  if (op === '-') return negated(plainNumber(first)!);
  if (op !== '/') return text;
  const [over, under] = [plainNumber(first)!, plainNumber(second)!];
  return `${over}/${under}`;
}

const negated = (text: string): string => (text.startsWith('-') ? text.slice(1) : `-${text}`);

/**
 * An irrational value of the current model, `(root-obj (+ (^ x 2) (- 2)) 1)`: to seven digits, by asking z3 for its
 * bounds, and as a condition that it alone meets: a root of that polynomial within the bounds.
 */
async function irrational(name: string, value: string, run: Run): Promise<{ shown: string; same: string }> {
  const below = async (bounds: readonly number[]): Promise<boolean[]> => {
    const answer = await run(`(get-value (${bounds.map((bound) => `(< |n ${name}| ${decimal(bound)})`).join(' ')}))`);
    return listOf(answer.trim()).map((pair) => listOf(pair)[1] === 'true');
  };
  const powers = Array.from({ length: 25 }, (_, i) => 2 ** (5 * i - 60));
  const edges = [...powers.map((one) => -one).reverse(), 0, ...powers];
  const first = (await below(edges)).indexOf(true);
  if (first <= 0) throw new Error('a solution is too large to be shown');
  let [low, high] = [edges[first - 1]!, edges[first]!];
  for (let i = 0; i < 16 && high - low > 1e-9 * Math.max(Math.abs(low), Math.abs(high)); i++) {
    const steps = Array.from({ length: 15 }, (_, k) => low + ((high - low) * (k + 1)) / 16);
    const at = (await below(steps)).indexOf(true);
    [low, high] = [at === 0 ? low : at < 0 ? steps.at(-1)! : steps[at - 1]!, at < 0 ? high : steps[at]!];
  }
  const [, polynomial = ''] = listOf(value);
  const zero = `(= ${polynomial.replace(/(?<![\w|])x(?![\w|])/g, `|n ${name}|`)} 0)`;
  const same = `(and ${zero} (< ${decimal(low)} |n ${name}|) (< |n ${name}| ${decimal(high)}))`;
  return { shown: String(Number(((low + high) / 2).toPrecision(7))), same };
}

/** A double as an exact SMT-LIB fraction. */
function decimal(number: number): string {
  let [top, under] = [Math.abs(number), 1n];
  while (!Number.isInteger(top)) {
    top *= 2;
    under *= 2n;
  }
  const text = `(/ ${BigInt(top)}.0 ${under}.0)`;
  return number < 0 ? `(- ${text})` : text;
}

/** A model over d1 … dn, shown as sets; undefined where there is none or writing it out is too long. */
async function finiteModel(
  formulas: readonly Formula[],
  sorts: Sorts,
  run: Run,
  size: number,
): Promise<Found | undefined> {
  if (formulas.reduce((sum, one) => sum + written(one, size), 0) > MAX_TEXT / 20) return undefined;
  const things = Array.from({ length: size }, (_, i) => `d${i + 1}`);
  const within = (term: string) => `(assert (or ${things.map((d) => `(= ${term} ${d})`).join(' ')}))`;
  const closed = sorts.things.flatMap(({ name, arity }) =>
    tuples(things, arity).map((args) => within(applied(name, args))),
  );
  const asserted = formulas.map((one) => `(assert ${sorts.term(one, size)})`);
  const declared = things.map((d) => `(declare-const ${d} U)`).join('');
  const script = `${sorts.declarations()}${declared}${size === 1 ? '' : `(assert (distinct ${things.join(' ')}))`}${closed.join('')}${asserted.join('')}`;
  const verdict = (await run(`${script}${CHECK}`)).trim();
  return verdict === 'sat'
    ? { verdict: 'sat', models: [await shownModel(sorts, run, things)], more: false }
    : undefined;
}

function written(formula: Formula, size: number): number {
  const inner = partsOf(formula).reduce((sum, part) => sum + written(part, size), 0) || 1;
  return 1 + inner * ('variable' in formula ? size * (formula.op === 'unique' ? size : 1) : 1);
}

function tuples(things: readonly string[], arity: number): string[][] {
  return arity === 0 ? [[]] : tuples(things, arity - 1).flatMap((head) => things.map((one) => [...head, one]));
}

const applied = (name: string, args: readonly string[]): string =>
  args.length === 0 ? `|n ${name}|` : `(|n ${name}| ${args.join(' ')})`;

async function shownModel(sorts: Sorts, run: Run, things: readonly string[]): Promise<string> {
  const ask = async (terms: readonly string[]): Promise<string[]> => {
    if (terms.length === 0) return [];
    return listOf((await run(`(get-value (${terms.join(' ')}))`)).trim()).map((pair) => listOf(pair).at(-1)!);
  };
  const numbers = (args: readonly string[]) => args.map((d) => d.slice(1));
  const values = await ask(things);
  const which = (value: string): string => String(values.indexOf(value) + 1);
  const parts: string[] = [];
  for (const { name, arity } of sorts.predicates) {
    const all = tuples(things, arity);
    const truth = await ask(all.map((args) => applied(name, args)));
    const members = all
      .filter((_, i) => truth[i] === 'true')
      .map((args) => (arity === 1 ? numbers(args)[0] : `(${numbers(args).join(',')})`));
    parts.push(`${name} = {${members.join(', ')}}`);
  }
  for (const { name, arity } of sorts.things) {
    const all = tuples(things, arity);
    const results = await ask(all.map((args) => applied(name, args)));
    for (const [i, args] of all.entries())
      parts.push(`${name}${arity === 0 ? '' : `(${numbers(args).join(',')})`} = ${which(results[i]!)}`);
  }
  const truths = await ask(sorts.propositions.map((name) => applied(name, [])));
  for (const [i, name] of sorts.propositions.entries()) parts.push(`${name} = ${truths[i]}`);
  return [`domain {${things.map((d) => d.slice(1)).join(', ')}}`, ...parts].join(', ');
}
