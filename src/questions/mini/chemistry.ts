/**
 * Questions for molar masses. The chemistry tool takes the formula; calculator, python and statistics need the atomic
 * masses.
 */
import type { Random } from './random.js';
import type { MiniProblem, MiniTemplate } from './template.js';

/** IUPAC's standard atomic weights for ordinary material, g/mol. */
const WEIGHTS: Readonly<Record<string, number>> = { H: 1.008, C: 12.011, N: 14.007, O: 15.999, F: 18.998, P: 30.974 };

const listOf = (text: string): string[] => text.trim().split(/\s+/);

// Real compounds for which the weights above give the chemistry tool's mass to three decimals, the last of which is no 0:
// calculators drop it. No two share a mass.
const COMPOUNDS = listOf(`
  H2O CO2 NO2 N2O H2O2 HCN O3 HNO3 H3PO4 PH3 HF CF4 PF3 PF5 NF3 N2O3 N2O5 C6H6O C7H6O2 C5H5N C6H7N
  C2H3N C4H8O CH2O CH4N2O CH2O2 C2H2O4 C2H4O C7H6O C6H5F C6H5NO2 C4H4O C8H6O4 CH5N C2H7N NO P2O5
  C4H2O3 C8H4O3 C6H3N3O7
`);
const DRUGS = listOf(`
  C9H8O4 C7H6O3 C6H7N3O C3H8O3 C4H3FN2O2 C5H4N4O C7H8N4O2 C4H4FN3O C6H6N2O C5H5N3O C7H7NO2 C7H7NO3
  CH3O5P C3H7O4P C3H5N3O9 C8H6N4O5 C6H6O2 C5H4FN3O2 C6H6O3 C9H6O2
`);
const METABOLITES = listOf(`
  C6H8O6 C2H5NO2 C3H7NO2 C4H8N2O3 C4H7NO4 C6H8O7 C3H4O3 C3H6O3 C4H6O5 C4H4O4 C4H6O4 C5H6O5 C2H4O2
  C4H6O6 C5H5N5O C4H5N3O C5H6N2O2 C4H4N2O2 C8H8O3 C3H7NO3
`);
const FUELS = listOf(`
  CH4 C3H8 CH4O C2H6O C7H8 C6H6 C2H4 C2H2 N2H4 C3H6 C3H4 C4H6 C4H8 C8H8 C3H8O C2H6O2 C5H8 C10H8 NH3
  C5H6 C3H6O2 C2H6N2 CH6N2
`);

/** Name, category, what is asked for in front of the formula, formulas. */
const TEMPLATES: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['mass', 'chemistry', 'molar mass of', COMPOUNDS],
  ['drug', 'health', 'molar mass of the drug', DRUGS],
  ['metabolite', 'biology', 'molar mass of the metabolite', METABOLITES],
  ['fuel', 'engineering', 'molar mass of the fuel', FUELS],
];

export const FORMULAS = TEMPLATES.flatMap(([, , , formulas]) => formulas);

const partsOf = (formula: string): [string, number][] =>
  [...formula.matchAll(/([A-Z][a-z]?)(\d*)/g)].map((m) => [m[1]!, m[2] === '' ? 1 : Number(m[2])]);

export function molarMass(formula: string): number {
  return partsOf(formula).reduce((sum, [element, count]) => sum + WEIGHTS[element]! * count, 0);
}

const weights = (formula: string): string[] =>
  partsOf(formula).map(([element, count]) => (count === 1 ? `${WEIGHTS[element]}` : `${count} * ${WEIGHTS[element]}`));

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

function buildMass(asked: string, formulas: readonly string[], formula: string): MiniProblem {
  if (!formulas.includes(formula)) throw new RangeError(`no question for ${formula}`);
  const terms = weights(formula);
  const sum = terms.join(' + ');
  return {
    text: `What is the ${asked} ${formula} in g/mol?`,
    answer: molarMass(formula).toFixed(3),
    wrong: (random) => wrongMasses(formula, random),
    inputs: {
      chemistry: `mass ${formula}`,
      calculator: sum,
      python: `round(${sum}, 3)`,
      statistics: `sum(${terms.join(', ')})`,
    },
    subjects: [formula],
    goal: `Find the molar mass of ${formula}.`,
  };
}

export const chemistryTemplates: readonly MiniTemplate[] = TEMPLATES.map(([name, category, asked, formulas]) => ({
  name,
  category,
  habit: ['calculator', 'python'],
  hints: ['chemistry'],
  tempting: 'encyclopedia',
  draw: (random) => [random.pick(formulas)],
  build: (args) => buildMass(asked, formulas, args[0]!),
}));
