/** Laws between a few quantities with units: reads what a text gives, and computes the one that is missing. */
import { NUMBER, numberFrom, significant } from './quantities.js';
import { IS, Taking } from './taking.js';

export interface Quantity {
  /** Its letters and words before the number, as alternatives of a pattern; letters as they are written. */
  readonly names: string;
  /** Of its unit, with groups for `base`; undefined where it has none. */
  readonly unit?: string;
  /** The number in the unit that is shown, of the number and the groups of its unit. */
  base?(value: number, ...groups: (string | undefined)[]): number;
  readonly shown: string;
  /** May be negative or 0; others are above 0. */
  readonly signed?: true;
  /** Known by its unit alone: `100 g`. */
  readonly alone?: true;
  /** True where a number without a unit can only be in the unit that is shown. */
  bare?(value: number): boolean;
}

export interface Law {
  /** Of the texts that it answers. */
  readonly about: RegExp;
  readonly formula: string;
  readonly quantities: Readonly<Record<string, Quantity>>;
  /** What is taken where the text does not give it, with what is said of it. */
  readonly standard?: Readonly<Record<string, readonly [value: number, note: string, when?: RegExp]>>;
  /** Each quantity from the others. */
  readonly solve: Readonly<Record<string, (given: Readonly<Record<string, number>>) => number>>;
  /** A quantity as the difference of two states, `from 20 °C to 45 °C`. */
  readonly between?: string;
  readonly filler: RegExp;
  /** What belongs to the substance: where it is given, the substance may be named. */
  readonly substance?: string;
  readonly example: string;
}

export const KELVIN = String.raw`(K|kelvins?|°\s*C|deg\s?C|C|degrees?\s+(?:Celsius|C))(?![A-Za-z])`;

export const TEMPERATURE: Quantity = {
  alone: true,
  names: 'T|[Tt]emperature|at|at\\s+T',
  unit: KELVIN,
  base: (value, unit) => (unit === undefined || /^[Kk]/.test(unit) ? value : value + 273.15),
  shown: 'K',
  bare: (value) => value >= 200,
};

/** Energies in kJ. */
export const ENERGY_UNIT = '(kJ|J|kcal|cal)';
export function kilojoules(value: number, unit = 'kJ'): number {
  return value * { kJ: 1, J: 1e-3, kcal: 4.184, cal: 4.184e-3 }[unit]!;
}

export function answerLaw(law: Law, input: string): string {
  const words = new Taking(` ${plainLetters(input)} `);
  const given: Record<string, number> = {};
  if (law.between !== undefined) {
    const states =
      words.take(String.raw`\bfrom\s+(${NUMBER})\s*(?:${KELVIN})?\s+to\s+(${NUMBER})\s*${KELVIN}`) ??
      words.take(
        String.raw`\bT_?(?:1|i|initial)\s*=\s*(${NUMBER})\s*(?:${KELVIN})?[\s,;]+(?:and\s+)?T_?(?:2|f|final)\s*=\s*(${NUMBER})\s*${KELVIN}`,
      );
    if (states !== null) {
      const [before, after] = [states[2] ?? states[4], states[4]];
      given[law.between] =
        TEMPERATURE.base!(numberFrom(states[3]!), after) - TEMPERATURE.base!(numberFrom(states[1]!), before);
    }
  }
  for (const [key, quantity] of Object.entries(law.quantities)) {
    const found = taken(words, quantity);
    if (found === null) continue;
    if (given[key] !== undefined) throw new Error(`${key} is given twice; ${law.example}`);
    const [, number, ...groups] = found as unknown as [string, string, ...(string | undefined)[]];
    given[key] = inBase(key, quantity, numberFrom(number), groups, law);
  }
  const left = words.rest(law.filler);
  const isNamed = law.substance !== undefined && /^[A-Za-z][\w()]*$/.test(left);
  if (isNamed && given[law.substance] === undefined)
    throw new Error(`${law.substance} of ${left} is needed; ${law.example}`);
  if (left !== '' && !isNamed) throw new Error(`cannot read "${left.slice(0, 40)}"; ${law.example}`);
  return solved(law, given, input);
}

/** Behind a number without a unit: `0.5 m` is no ΔT of 0.5. */
const NO_UNIT = String.raw`(?=\s*(?:$|[,;:?)\]]|\.(?:\s|$)|(?:and|at|with|for|if|when|where|while)\b|[A-Za-zΔ°\[][\w°\]-]*\s*[=:]))`;

/** Behind its name, or by its unit alone. */
function taken(words: Taking, { names, unit, alone }: Quantity): RegExpExecArray | null {
  const end = String.raw`(?!\s*(?:\/|[A-Za-zμ°]\^|[*·×^]))`;
  const own = unit === undefined ? NO_UNIT : String.raw`(?:\s*${unit}${end}|${NO_UNIT})`;
  const named = words.take(String.raw`(?<![\w°Δ\[])(?:${names})${IS}(${NUMBER})${own}`, '');
  if (named !== null || alone === undefined) return named;
  return words.take(String.raw`(?<![\w.])(${NUMBER})\s*${unit}${end}`, '');
}

function inBase(
  key: string,
  quantity: Quantity,
  value: number,
  groups: readonly (string | undefined)[],
  law: Law,
): number {
  const isBare = quantity.unit !== undefined && groups.every((one) => one === undefined);
  if (isBare && !quantity.bare?.(value)) throw new Error(`${key} needs its unit, ${quantity.shown}; ${law.example}`);
  return isBare || quantity.base === undefined ? value : quantity.base(value, ...groups);
}

function solved(law: Law, given: Record<string, number>, input: string): string {
  const notes: string[] = [];
  const keys = Object.keys(law.quantities);
  let missing = keys.filter((key) => given[key] === undefined);
  for (const [key, [value, note, when]] of Object.entries(law.standard ?? {})) {
    if (missing.length < 2 || !missing.includes(key) || (when !== undefined && !when.test(input))) continue;
    given[key] = value;
    notes.push(note);
    missing = missing.filter((one) => one !== key);
  }
  const [key] = missing;
  if (missing.length !== 1 || key === undefined || law.solve[key] === undefined)
    throw new Error(
      missing.length === 0
        ? `all of it is given; ${law.example}`
        : `${missing.join(' and ')} are missing; ${law.example}`,
    );
  const wrong = keys.find((name) => name !== key && law.quantities[name]!.signed === undefined && !(given[name]! > 0));
  if (wrong !== undefined) throw new Error(`${wrong} must be above 0, got ${given[wrong]}; ${law.example}`);
  const value = law.solve[key](given);
  if (!Number.isFinite(value)) throw new Error(`${key} has no value there; ${law.example}`);
  if (law.quantities[key]!.signed === undefined && !(value > 0))
    throw new Error(
      `${key} would be ${significant(value)}, which cannot be: look at the signs of ${keys.filter((name) => law.quantities[name]!.signed).join(' and ')}`,
    );
  const show = (name: string, one: number) =>
    `${name} = ${`${significant(one)} ${law.quantities[name]!.shown}`.trim()}`;
  const used = keys.filter((name) => name !== key).map((name) => show(name, given[name]!));
  return `${show(key, value)} (${law.formula}; ${[...used, ...notes].join(', ')})`;
}

/** One way to write each letter: Δ for `delta` and `d` before H, S, G, T; no signs of the standard state. */
function plainLetters(text: string): string {
  return text
    .replace(/\\Delta\s*|∆|\b[Dd]elta[\s-]*/g, 'Δ')
    .replace(/(?<![A-Za-z])d(?=[HSGT]\b)/g, 'Δ')
    .replace(/\\(?:circ|degree)\b/g, '°')
    .replace(
      /(?<=Δ[HSG]|(?<![A-Za-z])E)(?:_?(?:rxn|cell|\{(?:rxn|cell)\}))?\s*(?:\^?\{?°\}?|\^?\(?[o0]\)?(?![\w.])|⁰|⦵)/g,
      '°',
    )
    .replace(/(?<=E°)\s*_?\{?cell\}?/g, '')
    .replace(/(?<=Δ[HSG])_?\{?(?:rxn|sys|r|vap|fus)\}?(?![A-Za-z])/g, '')
    .replace(/=\s*\+(?=[\d.])/g, '= ');
}
