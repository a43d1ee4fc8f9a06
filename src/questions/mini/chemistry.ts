/** Questions for molar masses. The chemistry tool takes the formula; calculator and python need the atomic masses. */
import type { Random } from './random.js';
import type { MiniTemplate } from './template.js';

/** IUPAC's standard atomic weights for ordinary material, g/mol. */
const WEIGHTS: Readonly<Record<string, number>> = { H: 1.008, C: 12.011, N: 14.007, O: 15.999, F: 18.998, P: 30.974 };

// Real compounds for which the weights above give the chemistry tool's mass to three decimals.
export const FORMULAS = `
  H2O CO2 NH3 CH4 NO2 N2O H2O2 HCN O3 C2H2 C2H4 C2H6 C3H8
  C6H6 C7H8 CH2O CH4O C2H6O C3H8O C3H6O C2H4O2
  HNO3 H3PO4 PH3 HF CF4 PF3 PF5 NF3 N2H4 N2O4 N2O5 C6H6O C7H6O2 C10H8
  C9H8O4 C3H8O3 C2H5NO2 CH4N2O C6H8O6 C6H8O7 C4H6O6 C3H6O3 C5H5N
  C6H7N C2H3N CH3NO2 C4H8O2 C4H8O C3H7NO C8H8 C7H6O3
`
  .trim()
  .split(/\s+/);

const partsOf = (formula: string): [string, number][] =>
  [...formula.matchAll(/([A-Z][a-z]?)(\d*)/g)].map((m) => [m[1]!, m[2] === '' ? 1 : Number(m[2])]);

export function molarMass(formula: string): number {
  return partsOf(formula).reduce((sum, [element, count]) => sum + WEIGHTS[element]! * count, 0);
}

const weightSum = (formula: string): string =>
  partsOf(formula)
    .map(([element, count]) => (count === 1 ? `${WEIGHTS[element]}` : `${count} * ${WEIGHTS[element]}`))
    .join(' + ');

function wrongMasses(formula: string, random: Random): string[] {
  const seen = new Set([Math.floor(molarMass(formula))]);
  const out: string[] = [];
  for (const other of random.shuffle(FORMULAS)) {
    const mass = molarMass(other);
    if (seen.has(Math.floor(mass))) continue;
    seen.add(Math.floor(mass));
    out.push(mass.toFixed(3));
    if (out.length === 9) break;
  }
  return out;
}

export const chemistryTemplates: readonly MiniTemplate[] = [
  {
    name: 'mass',
    category: 'chemistry',
    worth: { chemistry: 9, calculator: 7, python: 6.7 },
    draw: (random) => [random.pick(FORMULAS)],
    build: (args) => {
      const formula = args[0]!;
      const sum = weightSum(formula);
      return {
        text: `What is the molar mass of ${formula} in g/mol?`,
        answer: molarMass(formula).toFixed(3),
        wrong: (random) => wrongMasses(formula, random),
        inputs: { chemistry: `mass ${formula}`, calculator: sum, python: `round(${sum}, 3)` },
        subjects: [formula],
        goal: `Find the molar mass of ${formula}.`,
      };
    },
  },
];
