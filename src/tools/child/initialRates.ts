/** The orders of a rate law and its constant from initial rates: each line or part gives concentrations and a rate. */
import { NUMBER, numberFrom, significant } from './quantities.js';
import { Taking } from './taking.js';

const FORMS =
  'write e.g. rate law: [A] = 0.1, [B] = 0.1, rate = 2e-3; [A] = 0.2, [B] = 0.1, rate = 4e-3; [A] = 0.1, [B] = 0.2, rate = 8e-3';
const RATE = String.raw`\b(?:initial\s+)?rate\s*(?:=|:)\s*(${NUMBER})`;
/** An experiment ends with its rate, or begins with it and ends at a semicolon or a new line. */
const AFTER_RATE =
  /(?<=\brate\s*[=:]\s*[\d.][^[\];\n]*[,;\s])(?=\s*(?:(?:exp\w*|trial|run)\s*\d\s*[:.)]?\s*|\(?\d[:.)]\s*)?\[)|(?<=[\d.])\s*M?\s*[;\n]/i;
const PART = String.raw`\[([A-Z][A-Za-z0-9]*)(?:\^?\d*[+-])?\]\s*(?:=|:)\s*(${NUMBER})\s*M?`;
const FILLER =
  /\b(?:what|is|the|of|an?|in|and|with|given|find|calculate|determine|rate|law|orders?|initial|rates|reaction|from|data|experiments?|exp|trial|run|for|M\s*\/\s*s|M|s|mol\s*\/\s*L)\b|\/\s*s|\b\d\b(?=\s*[:.)])|[/^]/gi;

export const isAboutInitialRates = (text: string): boolean =>
  (text.match(new RegExp(RATE, 'gi'))?.length ?? 0) > 1 && new RegExp(PART).test(text);

interface Experiment {
  readonly concentrations: ReadonlyMap<string, number>;
  readonly rate: number;
}

export function answerInitialRates(input: string): string {
  const experiments: Experiment[] = [];
  for (const piece of input.split(AFTER_RATE)) {
    const words = new Taking(piece);
    const rate = words.take(RATE);
    const parts = words.all(PART, '').map(([, name, value]) => [name!, numberFrom(value!)] as const);
    const rest = words.rest(FILLER);
    if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
    if (rate === null && parts.length === 0) continue;
    if (rate === null) throw new Error(`every experiment needs its rate; ${FORMS}`);
    experiments.push({ concentrations: new Map(parts), rate: numberFrom(rate[1]!) });
  }
  return answer(experiments);
}

function answer(experiments: readonly Experiment[]): string {
  const names = [...experiments[0]!.concentrations.keys()];
  for (const { concentrations, rate } of experiments) {
    if (concentrations.size !== names.length || !names.every((name) => concentrations.has(name)))
      throw new Error(`the same concentrations in every experiment expected; ${FORMS}`);
    if (!(rate > 0) || ![...concentrations.values()].every((one) => one > 0))
      throw new Error('rates and concentrations above 0 expected');
  }
  const orders = solveLogs(experiments, names).map((order) => {
    const half = Math.round(order * 2) / 2;
    if (Math.abs(half - order) > 0.1)
      throw new Error(`the orders are not whole or half numbers: ${significant(order)}`);
    return half;
  });
  const constants = experiments.map(({ concentrations, rate }) =>
    names.reduce((k, name, i) => k / concentrations.get(name)! ** orders[i]!, rate),
  );
  const k = constants.reduce((sum, one) => sum + one, 0) / constants.length;
  if (constants.some((one) => Math.abs(one / k - 1) > 0.1))
    throw new Error('these rates are those of no such law: k is another in each experiment');
  const law = names
    .map((name, i) => (orders[i] === 0 ? '' : `[${name}]${orders[i] === 1 ? '' : `^${orders[i]}`}`))
    .join('');
  const said = names.map((name, i) => `order ${orders[i]} in ${name}`).join(', ');
  return `rate = k${law}: ${said}, ${significant(orders.reduce((sum, one) => sum + one, 0))} in all; k = ${significant(k)} in the units given`;
}

/** ln rate = ln k + sum of orders times ln concentration, by least squares: Gauss on the normal equations. */
function solveLogs(experiments: readonly Experiment[], names: readonly string[]): number[] {
  const rows = experiments.map(({ concentrations }) => [
    1,
    ...names.map((name) => Math.log(concentrations.get(name)!)),
  ]);
  const width = names.length + 1;
  const matrix = Array.from({ length: width }, (_, i) => [
    ...Array.from({ length: width }, (_, j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
    rows.reduce((sum, row, n) => sum + row[i]! * Math.log(experiments[n]!.rate), 0),
  ]);
  for (let column = 0; column < width; column++) {
    const best = matrix
      .slice(column)
      .reduce(
        (most, row, i) => (Math.abs(row[column]!) > Math.abs(matrix[most]![column]!) ? i + column : most),
        column,
      );
    [matrix[column], matrix[best]] = [matrix[best]!, matrix[column]!];
    if (Math.abs(matrix[column]![column]!) < 1e-9)
      throw new Error('these experiments do not decide the orders: each concentration must change once on its own');
    for (const [i, row] of matrix.entries()) {
      if (i === column) continue;
      const times = row[column]! / matrix[column]![column]!;
      for (let j = column; j <= width; j++) row[j]! -= times * matrix[column]![j]!;
    }
  }
  return matrix.slice(1).map((row, i) => row[width]! / row[i + 1]!);
}
