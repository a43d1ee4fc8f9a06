/** pH, pOH, concentrations of hydrogen ions, Ka and pKa, buffers: at 25 °C, where Kw is 1.0e-14. Whatever the text says beside these is refused. */
import { STRONG_ACIDS } from './constants.js';
import { NUMBER, numberFrom, significant } from './quantities.js';

const KW = 1e-14;
const STRONG_BASES: Readonly<Record<string, number>> = {
  LiOH: 1,
  NaOH: 1,
  KOH: 1,
  RbOH: 1,
  CsOH: 1,
  'Ca(OH)2': 2,
  'Sr(OH)2': 2,
  'Ba(OH)2': 2,
};
const NAMED: Readonly<Record<string, string>> = {
  ...{ 'hydrochloric acid': 'HCl', 'nitric acid': 'HNO3', 'hydrobromic acid': 'HBr', 'perchloric acid': 'HClO4' },
  ...{
    'acetic acid': 'CH3COOH',
    'formic acid': 'HCOOH',
    ammonia: 'NH3',
    'hydrofluoric acid': 'HF',
    'sodium hydroxide': 'NaOH',
    'potassium hydroxide': 'KOH',
    'calcium hydroxide': 'Ca(OH)2',
    'barium hydroxide': 'Ba(OH)2',
  },
};
/** Words that say nothing more than what is asked. */
const FILLER =
  /\b(?:what|is|the|of|an?|in|with|if|given|at|for|to|has|having|calculate|find|compute|determine|convert|solution|aqueous|water|from|when|and|its|concentration|conc|ions?|hydrogen|hydronium|hydroxide|proton|strong|acid|base|buffer|containing|weak|pH|pOH|pKa|pKb|Ka|Kb|M|25\s*°?\s*C)\b|\[(?:H\+|H3O\+|OH-)\]|[,;:?=.()]|°C/gi;

export const isAboutPh = (text: string): boolean =>
  /\bp(?:H|OH|Ka|Kb)\b|\[(?:H\^?\+|H_?3O\^?\+|OH\^?-)\]|\bK[ab]\b|\b(?:hydrogen|hydronium|hydroxide)[- ]ion concentration/i.test(
    text,
  );

export function answerPh(input: string): string {
  let text = input
    .replace(/\bH_?3_?O\s*\^?\+/g, 'H3O+')
    .replace(/\bH\^\+/g, 'H+')
    .replace(/\bOH\^-/g, 'OH-')
    .replace(/K_\{?([abw])\}?/g, 'K$1')
    .replace(/pK_?\{?([ab])\}?/g, 'pK$1')
    .replace(/_/g, '');
  for (const [name, formula] of Object.entries(NAMED))
    text = text.replace(new RegExp(`\\b${name}\\b`, 'gi'), ` ${formula} `);
  const take = (pattern: string, flags = 'i'): RegExpExecArray | null => {
    const match = new RegExp(pattern, flags).exec(text);
    if (match !== null) text = `${text.slice(0, match.index)} ; ${text.slice(match.index + match[0].length)}`;
    return match;
  };
  const is = String.raw`\s*(?:=|of|is|:)?\s*`;
  const molar = String.raw`\s*(?:M|mol\s*\/\s*(?:L|dm\^?3)|mol\s*L\^?-1|molar)\b`;
  const number = (match: RegExpExecArray | null): number | undefined =>
    match === null ? undefined : numberFrom(match[1]!);
  const given = {
    pKa: number(take(String.raw`\bpKa${is}(${NUMBER})`)),
    pKb: number(take(String.raw`\bpKb${is}(${NUMBER})`)),
    Ka: number(take(String.raw`(?<!p)\bKa${is}(${NUMBER})`)),
    Kb: number(take(String.raw`(?<!p)\bKb${is}(${NUMBER})`)),
    pOH: number(take(String.raw`\bpOH${is}(${NUMBER})(?!${molar})`)),
    pH: number(take(String.raw`\bpH${is}(${NUMBER})(?!${molar}|\s*[Mm]?\s*[A-Z])`)),
    H: number(
      take(String.raw`(?:\[H(?:3O)?\+\]|(?:hydrogen|hydronium)[- ]ion concentration)${is}(${NUMBER})(?:${molar})?`),
    ),
    OH: number(take(String.raw`(?:\[OH-\]|hydroxide[- ]ion concentration)${is}(${NUMBER})(?:${molar})?`)),
  };
  const doses: Dose[] = [];
  const formula = String.raw`(\(?[A-Z][A-Za-z0-9()]*(?:\^?\d?[+-])?)`;
  for (;;) {
    const dose = take(String.raw`(${NUMBER})${molar}(?:\s+(?:of|solution of|aqueous))*\s*${formula}`, '') ?? undefined;
    if (dose === undefined) break;
    doses.push({ concentration: numberFrom(dose[1]!), formula: dose[2]!.replace(/\^\d?/, '') });
  }
  const rest = text.replace(FILLER, ' ').trim();
  if (rest !== '')
    throw new Error(
      `cannot read "${rest.slice(0, 40)}"; write e.g. pH of 0.01 M HCl, pH if [H+] = 1e-3 M, or pH of 0.1 M HA, Ka = 1.8e-5`,
    );
  return answer(given, doses);
}

interface Dose {
  /** mol/L. */
  readonly concentration: number;
  readonly formula: string;
}

type Given = Readonly<Record<'pKa' | 'pKb' | 'Ka' | 'Kb' | 'pOH' | 'pH' | 'H' | 'OH', number | undefined>>;

function answer(given: Given, doses: readonly Dose[]): string {
  const { pKa, pKb, Ka, Kb, pOH, pH, H, OH } = given;
  const strengths = [pKa, pKb, Ka, Kb].filter((one) => one !== undefined);
  const direct = [pOH, pH, H, OH].filter((one) => one !== undefined);
  if (strengths.length > 1 || direct.length > 1 || direct.length + doses.length > 2)
    throw new Error('more is given than is needed; ask for one solution');
  for (const [name, value] of Object.entries({ Ka, Kb, H, OH })) {
    if (value !== undefined && !(value > 0)) throw new Error(`${name} must be above 0`);
  }
  const acid = pKa !== undefined ? 10 ** -pKa : Ka;
  const base = pKb !== undefined ? 10 ** -pKb : Kb;
  if (direct.length === 1 && doses.length + strengths.length > 0)
    throw new Error('pH together with a solution; ask for one of them');
  if (direct.length === 1)
    return concentrations(pH !== undefined ? 10 ** -pH : pOH !== undefined ? KW * 10 ** pOH : (H ?? KW / OH!));
  if (doses.length === 0) {
    if (acid !== undefined)
      return `Ka = ${significant(acid)}, pKa = ${significant(-Math.log10(acid))}; conjugate base Kb = ${significant(KW / acid)}`;
    if (base !== undefined)
      return `Kb = ${significant(base)}, pKb = ${significant(-Math.log10(base))}; conjugate acid Ka = ${significant(KW / base)}`;
    throw new Error('nothing to compute from; write e.g. pH of 0.01 M HCl, or pH if [H+] = 1e-3 M');
  }
  return ofSolution(doses, acid, base);
}

function ofSolution(doses: readonly Dose[], acid: number | undefined, base: number | undefined): string {
  const [first, second] = doses as [Dose, Dose?];
  if (doses.some(({ concentration }) => !(concentration > 0))) throw new Error('a concentration must be above 0');
  if (second !== undefined) return buffer(first, second, base === undefined ? acid : KW / base);
  const { concentration, formula } = first;
  if (acid !== undefined || base !== undefined) return ofWeak(concentration, formula, acid, base);
  const protons = Object.hasOwn(STRONG_ACIDS, formula)
    ? 1
    : -(Object.hasOwn(STRONG_BASES, formula) ? STRONG_BASES[formula]! : 0);
  if (formula === 'H2SO4') {
    const [full, partial] = [2 * concentration, concentration];
    throw new Error(
      `books differ on H2SO4: pH ${(-Math.log10(full)).toFixed(2)} if both protons are free, ${(-Math.log10(partial)).toFixed(2)} if one is; give [H+] instead`,
    );
  }
  if (protons === 0)
    throw new Error(
      `${formula} is no strong acid or base known here; give its Ka or Kb: pH of ${concentration} M ${formula}, Ka = …`,
    );
  const excess = protons * concentration;
  const larger = (Math.abs(excess) + Math.sqrt(excess * excess + 4 * KW)) / 2;
  return concentrations(excess > 0 ? larger : KW / larger, `strong ${excess > 0 ? 'acid' : 'base'} ${formula}, `);
}

/** An anion, or a salt of one whose metal takes no part. */
const ANION = /-$|^(?:Na|K|Li|Rb|Cs)(?![a-z])|(?:Na|K|Li)$/;
/** A cation, or a salt of one with the anion of a strong acid. */
const CATION = /\+$|(?:Cl|Br|I|NO3|ClO4)$/;
/** Anions that still have a proton of an acid to give, which formate has not. */
const ACID_SALT = /^(?:(?:Na|K|Li)\d?)?H\d?(?!COO)[A-Z]/;

/** A base given by the Ka of its acid, or an acid by the Kb of its base, is what its formula says. */
function ofWeak(concentration: number, formula: string, acid: number | undefined, base: number | undefined): string {
  if (/^(?:Mg|Ca|Sr|Ba)[A-Z(]|^\(NH4\)/.test(formula))
    throw new Error(`one ${formula} gives several ions; give the concentration of the one that reacts, e.g. 0.2 M F-`);
  const strongParent = /HSO4/.test(formula);
  if (ANION.test(formula) && ACID_SALT.test(formula) && !strongParent)
    throw new Error(`${formula} can give and take a proton: its pH is about the mean of the two pKa`);
  const isBase =
    acid === undefined ? !CATION.test(formula) : (ANION.test(formula) && !strongParent) || /NH[23]$/.test(formula);
  const strength = isBase ? (base ?? KW / acid!) : (acid ?? KW / base!);
  const other = (base !== undefined) !== isBase ? `, K${isBase ? 'b' : 'a'} = ${significant(strength)}` : '';
  const step = !isBase && /^H[23]/.test(formula) ? ', its first step alone' : '';
  const ions = weak(concentration, strength);
  return concentrations(isBase ? KW / ions : ions, `weak ${isBase ? 'base' : 'acid'} ${formula}${other}${step}, `);
}

/** Concentration of the ion that a weak acid or base of one step gives, with water's own: by bisection of the charge balance. */
function weak(concentration: number, strength: number): number {
  const charge = (log: number): number =>
    10 ** log - KW / 10 ** log - (strength * concentration) / (strength + 10 ** log);
  let [low, high] = [-14, 2];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (charge(middle) > 0) high = middle;
    else low = middle;
  }
  return 10 ** low;
}

/** The acid has one hydrogen more than its base, and both are otherwise the same: read from the formulas. */
function buffer(first: Dose, second: Dose, acid: number | undefined): string {
  if (acid === undefined) throw new Error('a buffer needs the pKa or Ka of its acid');
  const strong = [first, second].find(
    ({ formula }) => Object.hasOwn(STRONG_ACIDS, formula) || Object.hasOwn(STRONG_BASES, formula),
  );
  if (strong !== undefined)
    throw new Error(`${strong.formula} is no part of a buffer; give the amounts after it has reacted`);
  const more = hydrogens(first.formula) - hydrogens(second.formula);
  if (Math.abs(more) !== 1 || skeleton(first.formula) !== skeleton(second.formula)) {
    throw new Error(
      `which of ${first.formula} and ${second.formula} is the acid of the other? Write e.g. 0.1 M HA and 0.2 M A-`,
    );
  }
  const [weakAcid, conjugate] = more === 1 ? [first, second] : [second, first];
  const pKa = -Math.log10(acid);
  const pH = pKa + Math.log10(conjugate.concentration / weakAcid.concentration);
  return `pH = pKa + log([${conjugate.formula}]/[${weakAcid.formula}]) = ${significant(pKa)} + log(${significant(conjugate.concentration / weakAcid.concentration)}) = ${pH.toFixed(2)}`;
}

const hydrogens = (formula: string): number =>
  [...formula.matchAll(/H(?![a-z])(\d*)/g)].reduce((sum, [, count]) => sum + Number(count || 1), 0);

/** Without hydrogen, charge, and the ions that take no part. */
const skeleton = (formula: string): string =>
  formula.replace(/^(?:Na|K|Li)\d?(?![a-z])|(?:Na|K|Li|[+-]|Cl|Br|NO3)$/g, '').replace(/H(?![a-z])\d*/g, '');

function concentrations(h: number, about = ''): string {
  const pH = -Math.log10(h);
  if (!Number.isFinite(pH) || Math.abs(pH - 7) > 16) throw new Error('no solution has such a pH');
  const nature = Math.abs(pH - 7) < 1e-6 ? 'neutral' : pH < 7 ? 'acidic' : 'basic';
  return `${about}pH = ${twoPlaces(pH)}, pOH = ${twoPlaces(14 - pH)}, [H+] = ${significant(h)} M, [OH-] = ${significant(KW / h)} M, ${nature} (25 °C)`;
}

const twoPlaces = (value: number): string =>
  Object.is(Math.round(value * 1000), -0) ? '0' : value.toFixed(3).replace(/0$/, '');
