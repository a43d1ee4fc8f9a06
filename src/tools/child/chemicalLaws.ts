/** Heat, free energy, cells, buffers by the ratio, and solutions' colligative properties: one quantity from the others. */
import { FARADAY as F, GAS_CONSTANT_ATM, GAS_CONSTANT as R } from './constants.js';
import { answerLaw, ENERGY_UNIT, kilojoules, type Law, type Quantity, TEMPERATURE } from './quantityLaw.js';

const WORDS =
  'what|is|are|the|of|an?|in|at|for|to|if|and|when|with|given|that|has|have|find|calculate|compute|determine|using|use|from|by|how|much|needed|required|change|value|it|reaction|standard|its|equation|solution|water';
const filler = (words: string): RegExp => new RegExp(String.raw`(?<![\w°Δ])(?:${WORDS}|${words})(?![\w°])`, 'gi');

/** Per mole or for the reaction as written, which is the same number. */
const PER_MOLE = String.raw`(?:\s*(?:\/|per\s+|·)\s*mol(?:e)?(?:[\s_-]*rxn)?|\s*mol(?:\^?-1))?`;
const freeEnergy: Quantity = {
  signed: true,
  names: 'ΔG°?|[Gg]ibbs\\s+(?:free\\s+)?energy(?:\\s+change)?|[Ff]ree\\s+energy(?:\\s+change)?',
  unit: `${ENERGY_UNIT}${PER_MOLE}(?![A-Za-z])`,
  base: kilojoules,
  shown: 'kJ',
  // ΔG = 0 is 0 in every unit.
  bare: (value) => value === 0,
};
const count: Quantity = {
  alone: true,
  names: 'n|[Ee]lectrons',
  shown: '',
  unit: '(mol|moles|electrons|e-)',
  base: (x) => x,
  bare: () => true,
};
const potential = (names: string): Quantity => ({
  signed: true,
  names,
  unit: '(m?V|volts?)(?![A-Za-z])',
  base: (value, unit) => (unit === 'mV' ? value / 1000 : value),
  shown: 'V',
  bare: () => true,
});
const room = [298.15, 'T taken as 25 °C'] as const;
const molal: Quantity = {
  names: 'm|[Mm]olality|b',
  alone: true,
  unit: '(m|mol\\s*\\/\\s*kg|molal)(?![A-Za-z])',
  base: (x) => x,
  shown: 'mol/kg',
  bare: () => true,
};
const factor: Quantity = { names: "i|van\\s?'?t\\s+[Hh]off\\s+factor", shown: '' };
const molar = (names: string): Quantity => ({
  names,
  unit: '(m?M|mol\\s*\\/\\s*(?:L|dm\\^?3))(?![A-Za-z])',
  base: (value, unit) => (unit === 'mM' ? value / 1000 : value),
  shown: 'M',
  bare: () => true,
});

const NO_IONS: NonNullable<Law['standard']> = { i: [1, 'i of a solute that does not dissociate'] };
const SOLUTES = 'solute|glucose|sucrose|urea|sugar|nonelectrolyte';

/** By how much a solute lowers the freezing point or raises the boiling point. `water`: K kg/mol, for the example. */
function colligative(point: string, change: string, letter: string, done: string, water: number): Law {
  const constant = `K${letter}`;
  return {
    // Kb alone is a base's, Kf alone a complex's.
    about: new RegExp(
      String.raw`\b${point}\s+(?:${change})\b|^(?=[\s\S]*\bK_?${letter}\s*=)(?=[\s\S]*(?:[Δ∆]T|${point}))`,
      'i',
    ),
    formula: `ΔT = i ${constant} m, by which it is ${done}`,
    quantities: {
      ΔT: {
        names: `ΔT_?${letter}?|${change}`,
        unit: String.raw`(K|°\s*C|C)(?![A-Za-z/])`,
        base: (x) => x,
        shown: 'K',
        bare: () => true,
      },
      i: factor,
      [constant]: {
        names: `K_?${letter}`,
        unit: String.raw`((?:K|°\s*C|C)\s*(?:[·*]?\s*kg\s*\/\s*mol|\/\s*m|·?\s*kg\s*·?\s*mol\^?-1)|m)(?![A-Za-z])`,
        base: (x) => x,
        shown: 'K kg/mol',
        bare: () => true,
      },
      m: molal,
    },
    standard: NO_IONS,
    solve: {
      ΔT: ({ i, m, [constant]: K }) => i! * K! * m!,
      [constant]: ({ ΔT, i, m }) => ΔT! / (i! * m!),
      m: ({ ΔT, i, [constant]: K }) => ΔT! / (i! * K!),
      i: ({ ΔT, m, [constant]: K }) => ΔT! / (K! * m!),
    },
    filler: filler(`${point}|${change}|ΔT_?${letter}?|K_?${letter}|i|m|molality|constant|${SOLUTES}`),
    substance: 'i',
    example: `write e.g. ${point.replace('[- ]', ' ')} ${change.split('|')[0]}: i = 2, ${constant} = ${water}, m = 0.5`,
  };
}

const LAWS: readonly Law[] = [
  {
    about:
      /\bspecific\s+heat\b|\bq\s*=[\s\S]*\bm\s*=|\bm\s*=[\s\S]*\bc_?p?\s*=\s*[\d.]+\s*k?J|\bq\s*=\s*m\s*[·*]?\s*c|\bheat\s+(?:needed|required|absorbed|released|gained|lost|to\s+(?:raise|heat|warm|cool))\b|\b(?:raise|heat|warm|cool)s?\s.{0,40}?\d\s*k?g(?:rams)?\b.{0,60}?\bfrom\s.{1,20}?\bto\b/i,
    formula: 'q = m c ΔT',
    quantities: {
      c: {
        names: 'c_?p?|[Ss]pecific\\s+heat(?:\\s+capacity)?(?:\\s*\\(?c_?p?\\)?)?',
        unit: String.raw`(k?J|k?cal)\s*\/?\s*\(?\s*(k?g)(?:\^?-1)?\s*[·*\s/-]?\s*(?:K|°\s*C|deg\s?C|C)(?:\^?-1)?\s*\)?(?![A-Za-z])`,
        base: (value, energy = 'J', mass = 'g') => (kilojoules(value, energy) * 1000) / (mass === 'kg' ? 1000 : 1),
        shown: 'J/(g K)',
        bare: (value) => Math.abs(value - 4.184) < 0.01,
      },
      ΔT: {
        signed: true,
        names:
          'ΔT|[Tt]emperature\\s+(?:change|rise|increase)|[Tt]emperature\\s+by|(?:raise|warm|heat|cool)(?:ed|s)?(?:\\s+it)?\\s+by|by',
        unit: String.raw`(K|°\s*C|deg\s?C|C|degrees?(?:\s+(?:Celsius|C))?)(?![A-Za-z])`,
        base: (x) => x,
        shown: 'K',
        bare: () => true,
      },
      q: {
        signed: true,
        alone: true,
        names: 'q|[Hh]eat(?:\\s+(?:of|absorbed|released|added))?|[Ee]nergy|[Aa]bsorbs|[Rr]eleases',
        unit: `${ENERGY_UNIT}(?![A-Za-z/])`,
        base: (value, unit) => kilojoules(value, unit) * 1000,
        shown: 'J',
      },
      m: {
        names: 'm|[Mm]ass|raise|heat|warm|cool|of|to',
        alone: true,
        unit: '(kg|g|grams?)(?![A-Za-z/])',
        base: (value, unit) => (unit === 'kg' ? value * 1000 : value),
        shown: 'g',
      },
    },
    between: 'ΔT',
    standard: { c: [4.184, 'of water', /^(?!.*\b(?:metal|substance|sample|object|block|calorimeter)\b).*\bwater\b/is] },
    solve: {
      q: ({ m, c, ΔT }) => m! * c! * ΔT!,
      m: ({ q, c, ΔT }) => q! / (c! * ΔT!),
      c: ({ q, m, ΔT }) => q! / (m! * ΔT!),
      ΔT: ({ q, m, c }) => q! / (m! * c!),
    },
    filler: filler(
      'q\\s*=\\s*m\\s*[·*]?\\s*c\\s*[·*]?\\s*ΔT|q|m|c|ΔT|heat(?:ed|s|ing)?|warms?|cools?|when|specific|capacity|energy|raise|warm|cool|temperature|mass|substance|metal|sample|grams|absorbed|released|gained|lost|its',
    ),
    substance: 'c',
    example: 'write e.g. heat: m = 100 g, c = 4.184 J/(g K), ΔT = 20 K',
  },
  {
    about: /(?:Δ|∆|\\Delta\s*|\b[Dd]elta\s*|\bd)H\b[\s\S]*(?:Δ|∆|\\Delta\s*|\b[Dd]elta\s*|\bd)S\b/,
    formula: 'ΔG = ΔH - TΔS',
    quantities: {
      ΔG: freeEnergy,
      ΔH: {
        signed: true,
        names: 'ΔH°?|[Ee]nthalpy(?:\\s+change)?',
        unit: `${ENERGY_UNIT}${PER_MOLE}(?![A-Za-z/])`,
        base: kilojoules,
        shown: 'kJ',
      },
      ΔS: {
        signed: true,
        names: 'ΔS°?|[Ee]ntropy(?:\\s+change)?',
        unit: String.raw`${ENERGY_UNIT}\s*(?:\/|per)?\s*\(?\s*(?:mol(?:e)?(?:\^?-1)?\s*[·*\s/-]?\s*)?(?:K|kelvin)(?:\^?-1)?(?:\s*[·*\s/-]?\s*mol(?:\^?-1)?)?\s*\)?(?![A-Za-z])`,
        base: kilojoules,
        shown: 'kJ/K',
      },
      T: TEMPERATURE,
    },
    standard: {
      ΔG: [
        0,
        'ΔG = 0: above or below this temperature the sign of ΔG changes',
        /\btemperature\b|\bspontaneous\b|\bequilibrium\b|\bboiling\b|\bmelting\b/i,
      ],
    },
    solve: {
      ΔG: ({ ΔH, ΔS, T }) => ΔH! - T! * ΔS!,
      ΔH: ({ ΔG, ΔS, T }) => ΔG! + T! * ΔS!,
      ΔS: ({ ΔG, ΔH, T }) => (ΔH! - ΔG!) / T!,
      T: ({ ΔG, ΔH, ΔS }) => (ΔH! - ΔG!) / ΔS!,
    },
    filler: filler(
      'ΔG°?\\s*=\\s*ΔH°?\\s*-\\s*T\\s*[·*]?\\s*ΔS°?|ΔG°?|ΔH°?|ΔS°?|T|gibbs|free|energy|enthalpy|entropy|temperature|spontaneous|becomes?|does|which|above|below|point|boiling|melting',
    ),
    example: 'write e.g. ΔG: ΔH = -100 kJ/mol, ΔS = -0.2 kJ/(mol K), T = 298 K',
  },
  {
    about: /\bnernst\b|(?<![A-Za-z])E(?:_?cell)?\s*=\s*E\S*\s*-[\s\S]*\bQ\s*=/i,
    formula: 'E = E° - (RT/nF) ln Q',
    quantities: {
      'E°': potential('E°|E_?0|[Ss]tandard\\s+(?:cell\\s+)?potential'),
      E: potential('E(?:_?cell)?(?![°\\d])|[Cc]ell\\s+potential'),
      n: count,
      Q: { names: 'Q|[Rr]eaction\\s+quotient', shown: '' },
      T: TEMPERATURE,
    },
    standard: { T: room },
    solve: {
      E: ({ 'E°': E0, n, Q, T }) => E0! - ((R * T!) / (n! * F)) * Math.log(Q!),
      'E°': ({ E, n, Q, T }) => E! + ((R * T!) / (n! * F)) * Math.log(Q!),
      Q: ({ E, 'E°': E0, n, T }) => Math.exp(((E0! - E!) * n! * F) / (R * T!)),
    },
    filler: filler('nernst|E(?:_?cell)?°?|cell|potential|Q|n|T|temperature|quotient|electrons|transferred|°'),
    example: 'write e.g. Nernst: E° = 1.10 V, n = 2, Q = 0.01',
  },
  {
    about:
      /(?:ΔG|∆G|\b[Dd]elta\s*G|\bdG\b|[Ff]ree\s+energy)[\s\S]*(?<![A-Za-z])E°?\s*(?:_?cell\s*)?(?:=|is|of)\s*-?[\d.]|(?<![A-Za-z])E°?\s*(?:_?cell\s*)?=\s*-?[\d.][\s\S]*(?:ΔG|∆G|\b[Dd]elta\s*G|[Ff]ree\s+energy)/,
    formula: 'ΔG = -nFE',
    quantities: { ΔG: freeEnergy, n: count, E: potential('E(?:_?cell)?°?') },
    solve: {
      ΔG: ({ n, E }) => (-n! * F * E!) / 1000,
      E: ({ ΔG, n }) => (-ΔG! * 1000) / (n! * F),
      n: ({ ΔG, E }) => (-ΔG! * 1000) / (F * E!),
    },
    filler: filler(
      'ΔG°?\\s*=\\s*-\\s*n\\s*F\\s*E°?|ΔG°?|E(?:_?cell)?°?|n|F|gibbs|free|energy|cell|potential|electrons|transferred',
    ),
    example: 'write e.g. ΔG: n = 2, E = 1.10 V',
  },
  {
    about:
      /(?:ΔG|∆G|\b[Dd]elta\s*G|\bdG\b|[Ff]ree\s+energy)[\s\S]*(?:\bK(?:_?eq|_?p|_?c)?\s*(?:=|is|of)|\bln\s*\(?K|\bequilibrium\s+constant|(?<!\d\s?)\bK(?:_?eq|_?p|_?c)?(?=\s*(?:$|[?,]|at\b)))|(?:\bK(?:_?eq|_?p|_?c)?\s*=|\bequilibrium\s+constant)[\s\S]*(?:ΔG|∆G|\b[Dd]elta\s*G|[Ff]ree\s+energy)/,
    formula: 'ΔG° = -RT ln K',
    quantities: {
      ΔG: freeEnergy,
      K: { names: 'K(?:_?eq|_?p|_?c)?|[Ee]quilibrium\\s+constant(?:\\s*\\(?K\\)?)?', shown: '' },
      T: TEMPERATURE,
    },
    standard: { T: room },
    solve: {
      ΔG: ({ K, T }) => (-R * T! * Math.log(K!)) / 1000,
      K: ({ ΔG, T }) => Math.exp((-ΔG! * 1000) / (R * T!)),
      T: ({ ΔG, K }) => (-ΔG! * 1000) / (R * Math.log(K!)),
    },
    filler: filler(
      'ΔG°?\\s*=\\s*-\\s*R\\s*T\\s*ln\\s*\\(?K\\)?|ΔG°?|K(?:_?eq|_?p|_?c)?|T|gibbs|free|energy|equilibrium|constant|temperature',
    ),
    example: 'write e.g. ΔG: K = 1e5, T = 298 K',
  },
  {
    about: /\bhenderson\b|\bpKa?\b[\s\S]*\[A\^?-\]/i,
    formula: 'pH = pKa + log([A-]/[HA])',
    quantities: {
      pH: { signed: true, names: 'pH', shown: '' },
      pKa: { signed: true, names: 'pK_?a', shown: '' },
      'A-': molar('\\[A\\^?-\\]|A-'),
      HA: molar('\\[HA\\]|HA'),
    },
    solve: {
      pH: ({ pKa, 'A-': base, HA }) => pKa! + Math.log10(base! / HA!),
      pKa: ({ pH, 'A-': base, HA }) => pH! - Math.log10(base! / HA!),
      'A-': ({ pH, pKa, HA }) => HA! * 10 ** (pH! - pKa!),
      HA: ({ pH, pKa, 'A-': base }) => base! / 10 ** (pH! - pKa!),
    },
    filler: filler(
      'pH\\s*=\\s*pKa\\s*\\+\\s*log\\s*\\(?\\[A-\\]\\s*\\/\\s*\\[HA\\]\\)?|henderson[- ]?hasselbalch|pH|pKa|buffer|A-|HA',
    ),
    example: 'write e.g. Henderson-Hasselbalch: pKa = 4.76, [A-] = 0.2 M, [HA] = 0.1 M',
  },
  colligative('freezing[- ]point', 'depression|lowering', 'f', 'lowered', 1.86),
  colligative('boiling[- ]point', 'elevation', 'b', 'raised', 0.512),
  {
    about: /\bosmotic\s+pressure\b/i,
    formula: 'Π = i M R T, R = 0.082057 L atm/(mol K)',
    quantities: {
      Π: {
        names:
          'Π|π|[Oo]smotic\\s+pressure(?!\\s*[:,]?\\s*[\\d.]+\\s*m?M)|[Pp]ressure(?!\\s*[:,]?\\s*(?:of\\s+)?[\\d.]+\\s*m?M)',
        unit: '(atm)(?![A-Za-z])',
        base: (x) => x,
        shown: 'atm',
      },
      i: factor,
      M: { ...molar('M|[Mm]olarity|[Cc]oncentration|c'), alone: true },
      T: TEMPERATURE,
    },
    standard: NO_IONS,
    solve: {
      Π: ({ i, M, T }) => i! * M! * GAS_CONSTANT_ATM * T!,
      M: ({ Π, i, T }) => Π! / (i! * GAS_CONSTANT_ATM * T!),
      T: ({ Π, i, M }) => Π! / (i! * M! * GAS_CONSTANT_ATM),
    },
    filler: filler(`osmotic|pressure|Π|i|M|T|molarity|concentration|temperature|${SOLUTES}`),
    substance: 'i',
    example: 'write e.g. osmotic pressure: i = 1, M = 0.1 M, T = 298 K',
  },
];

export function chemicalLaw(text: string): string | null {
  const law = LAWS.find(({ about }) => about.test(text));
  if (law === undefined) return null;
  // What is cooled by 10 °C has a ΔT of -10 K.
  const cooled = law.between === 'ΔT' && /\bcool\w*\b/i.test(text);
  return answerLaw(law, cooled ? text.replace(/\bby\s+(?=\d)/i, 'by -') : text);
}
