/**
 * Solubility product and molar solubility of a salt, one from the other, in pure water or beside a common ion. Ksp is never
 * assumed. As in textbooks, activities and the ions' own reactions with water are left out, which is said.
 */
import { formulaOfName, ionsOfSalt, type SaltIons } from './compoundNames.js';
import { STRONG_ACIDS } from './constants.js';
import { isElement, massOfAtoms } from './elementTable.js';
import { parseFormula, plainFormula } from './formula.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { IS, MOLAR, Taking } from './taking.js';

const KW = 1e-14;
const FORMS = 'write e.g. molar solubility of PbI2, Ksp = 7.1e-9, in 0.1 M NaI, or Ksp of AgCl, solubility = 1.3e-5 M';
/** What does more than bring an ion of its own: it binds silver or copper. */
const BINDS = /\b(?:NH3|ammonia|Na2S2O3|EDTA|NaCN|KCN)\b/;
const FILLER =
  /\b(?:what|is|are|the|of|an?|in|at|for|to|has|have|having|if|and|when|with|given|find|calculate|compute|determine|its|it|by|using|from|solutions?|saturated|aqueous|pure|water|molar|solubility(?:\s+product)?(?:\s+constant)?|product|constant|ksp|sp|s|value|salt|that|which|containing|contains|presence|dissolved|common|ion|effect|25\s*°\s*C|M|mol\/L|g\/L|buffered|buffer|how|many|much|moles|grams|per|liter|litre|dissolves?|will|can|be)\b|\[[A-Z][^\]]*\]|25\s*°?\s*C\b/gi;
const FORMULA = String.raw`(\(?[A-Z][A-Za-z0-9()]*(?:\^?\d*[+-])?)`;
/** `[Ag+] = 1e-5 M`, `concentration of Ag+ is 1e-5 M`, `I- concentration = 2e-3 M`. */
const ION_VALUE = String.raw`(?:\[${FORMULA}\]${IS}(${NUMBER})(?:${MOLAR})?|(?<![\w[)])(\(?[A-Z][A-Za-z0-9()]*\^?\d*[+-])(?:\s+ions?)?(?:\s+concentration)?${IS}(${NUMBER})${MOLAR})`;
/** With more hydroxide they dissolve again, as hydroxo complexes. */
const AMPHOTERIC = /^(?:Al|Zn|Pb|Sn|Cr|Be)$/;

export const isAboutSolubility = (text: string): boolean =>
  /\bK_?\{?\s*sp\}?(?![a-z])/i.test(text) || /\b(?:molar\s+)?solubility\b/i.test(text);

interface Concentration {
  readonly formula: string;
  /** mol/L. */
  readonly concentration: number;
}

const UNCLEAR_ION =
  'a concentration of an ion beside another value, without Ksp, can be read in two ways; give the solubility alone, one ion alone, or both ions as [Ag+] = 1.3e-5 M, [Cl-] = 1.3e-5 M';

interface Given {
  readonly product?: number;
  /** mol/L. */
  readonly solubility?: number;
  /** What was there before: the ion's own formula and its concentration. */
  readonly common?: Concentration;
  readonly pH?: number;
}

export function answerSolubility(input: string): string {
  if (BINDS.test(input))
    throw new Error('an ion that binds the metal changes the solubility in its own way; that is not computed here');
  const words = new Taking(normalized(input));
  const pKsp = words.take(String.raw`\bpKsp${IS}(${NUMBER})`);
  const product = words.take(String.raw`\bKsp\b${IS}(${NUMBER})(?!${MOLAR}|\s*m?g\b)`);
  const pH = words.take(String.raw`\bpH${IS}(${NUMBER})`);
  const weighed = words.take(String.raw`(${NUMBER})\s*(m?g)\s*(?:\/|per)\s*(100\s*mL|L|lit(?:er|re)|mL)(?![A-Za-z])`);
  const ions = words
    .all(ION_VALUE, '')
    .map((one): Concentration => ({ formula: (one[1] ?? one[3])!, concentration: numberFrom((one[2] ?? one[4])!) }));
  const beside = words.take(
    String.raw`(${NUMBER})${MOLAR}\s*(?:in\s+|of\s+|solution\s+of\s+|aqueous\s+)*${FORMULA}`,
    '',
  );
  const molar =
    words.take(`(${NUMBER})${MOLAR}`, '') ??
    words.take(String.raw`\bmolar\s+solubility${IS}(${NUMBER})(?!\s*(?:[mµun]?(?:g|M|mol)|%|ppm)(?![A-Za-z]))`);
  const salt = saltOf(words);
  // Concentrations of its own ions are part of every answer.
  const mentioned = words.all(
    String.raw`(?:\bconcentration\s+of\s+)?(?<![A-Za-z\d])\[?(?:${salt.cation}|${salt.anion})\s*\^?\d*[+-](?!\d)\]?(?:\s+(?:ions?|concentration))?|\bconcentration\b|\bpH\b(?=\s+of\b)`,
    '',
  );
  const rest = words.rest(FILLER);
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
  if (pKsp !== null && product !== null) throw new Error('Ksp is given twice');
  const other = beside !== null || pH !== null || molar !== null || weighed !== null;
  const askedProduct = pKsp === null && product === null && /\bp?Ksp\b/.test(normalized(input));
  const named = mentioned.some(([one]) => /[+-]|\bions?\b/.test(one)) || /(?<!common )\bions?\b/i.test(input);
  if (askedProduct && ions.length > 0 && !other) {
    if (named && mentioned.some(([one]) => /[+-]/.test(one))) throw new Error(UNCLEAR_ION);
    return productOfIons(salt, ions, input);
  }
  // A saturated solution's own ions are no common ion, which would count them twice.
  if (pKsp === null && product === null && (molar !== null || weighed !== null))
    if (ions.length > 0 || named || (beside !== null && /[+-]$/.test(beside[2]!))) throw new Error(UNCLEAR_ION);
  if (ions.length + (beside === null ? 0 : 1) + (pH === null ? 0 : 1) > 1)
    throw new Error('one common ion alone is computed');
  const common =
    ions[0] !== undefined
      ? ions[0]
      : beside !== null
        ? { formula: beside[2]!, concentration: numberFrom(beside[1]!) }
        : undefined;
  const solubility = molar !== null ? numberFrom(molar[1]!) : weighed !== null ? perLitre(weighed, salt) : undefined;
  if (molar !== null && weighed !== null) throw new Error('the solubility is given twice');
  return answer(salt, {
    ...(product !== null && { product: numberFrom(product[1]!) }),
    ...(pKsp !== null && { product: 10 ** -numberFrom(pKsp[1]!) }),
    ...(solubility !== undefined && { solubility }),
    ...(common !== undefined && { common }),
    ...(pH !== null && { pH: numberFrom(pH[1]!) }),
  });
}

/** `K_{sp}`, `K sp` are Ksp; charges without `^`. */
function normalized(input: string): string {
  return (
    input
      .replace(/K_?\{?\s*sp\}?(?![a-z])/gi, 'Ksp')
      .replace(/p\s+Ksp/g, 'pKsp')
      .replace(/\bsolubility product(?:\s+constant)?(?:\s*\(?Ksp\)?)?/gi, 'Ksp')
      .replace(/_/g, '')
      // The salt stands between Ksp and its value; after these words the value is of something else.
      .replace(
        /\bKsp\)?\s*(?:of|for)\s+((?:the\s+)?(?:(?!\b(?:if|given|when|where|whose|which|with|its|has|pO?H|dissolv\w*|moles|grams|molar|common|contain\w*|ions?|concentration|solubility|solutions?)\b)[A-Za-z0-9() ])+?)\s*(?=(?:=|\bis\b|:)\s*[\d.])/g,
        ' $1 Ksp ',
      )
      .replace(/(?<=\d)\s*(?:mol|moles)\s+per\s+(?:L|lit(?:er|re))\b/g, ' mol/L')
  );
}

interface Salt extends SaltIons {
  readonly formula: string;
  /** g/mol. */
  readonly mass: number;
}

/** The salt by its formula or its name; other formulas have been taken out with their concentrations. */
function saltOf(words: Taking): Salt {
  const byName = named(words);
  const formulas = words.all(
    String.raw`(?<![\w[])(\(?[A-Z][A-Za-z]?\d?[A-Za-z0-9()]*[A-Z)][A-Za-z0-9()]*)(?![\w\]^+-])`,
    '',
  );
  const found = formulas.map(([, formula]) => formula!).filter((formula) => !/^(?:Ksp|M)$/.test(formula));
  const different = [...new Set(found)];
  if (different.length > 1) throw new Error(`${different.join(' and ')}: one salt at a time; ${FORMS}`);
  if (byName !== undefined && different.length > 0 && !different.includes(byName))
    throw new Error(`${byName} and ${different[0]}: one salt at a time; ${FORMS}`);
  const formula = different[0] ?? byName;
  if (formula === undefined) throw new Error(`of which salt? ${FORMS}`);
  const ions = ionsOfSalt(plainFormula(formula));
  if (ions === undefined) throw new Error(`the ions of ${formula} are not known here; ${FORMS}`);
  return { ...ions, formula, mass: massOfAtoms(parseFormula(formula, isElement).atoms) };
}

/** Takes the first two words that are the name of a salt. */
function named(words: Taking): string | undefined {
  const two = String.raw`\b[a-z]+(?:\s?\([iv]+\))?\s+(?:hydrogen\s+)?[a-z]+(?:ide|ate|ite)\b`;
  const found = words
    .found(two)
    .map((name) => ({
      name,
      formula: formulaOfName(name.toLowerCase().replace(/\s*\([iv]+\)/, (roman) => roman.trim().toUpperCase())),
    }))
    .find(({ formula }) => formula !== undefined);
  if (found === undefined) return undefined;
  words.take(found.name.replace(/[()]/g, '\\$&'));
  return found.formula;
}

function perLitre([, value, unit, volume]: RegExpExecArray, { mass }: Salt): number {
  const grams = numberFrom(value!) * (unit!.toLowerCase() === 'mg' ? 1e-3 : 1);
  return (grams * (/^100/.test(volume!) ? 10 : /^mL$/i.test(volume!) ? 1000 : 1)) / mass;
}

function answer(salt: Salt, { product, solubility, common, pH }: Given): string {
  if (product !== undefined && !(product > 0)) throw new Error('Ksp must be above 0');
  if (product === undefined && solubility === undefined) throw new Error(`Ksp is needed, as tables differ; ${FORMS}`);
  if (product !== undefined && solubility !== undefined)
    throw new Error('Ksp and a solubility are given; ask for one from the other');
  const before = pH === undefined ? commonIon(salt, common) : hydroxide(salt, pH);
  refuseAmphoteric(salt, before, pH);
  if (solubility !== undefined) return `${productFrom(salt, solubility, before)} (${salt.formula}: ${shownIons(salt)})`;
  const dissolved = solve(salt, product!, before);
  const own = before.concentration === 0 ? waterNote(salt, product!, dissolved) : '';
  const beside =
    before.concentration === 0
      ? ''
      : ` with [${before.shown}] = ${significant(before.concentration)} M${before.fixed ? ' held' : ' before'}`;
  return `molar solubility of ${salt.formula}${beside}: ${significant(dissolved)} M = ${significant(dissolved * salt.mass)} g/L (Ksp = ${shownProduct(salt)} = ${significant(product!)}${own})${concentrations(salt, dissolved, before)}`;
}

interface Before {
  readonly ion: 'cation' | 'anion';
  readonly concentration: number;
  readonly shown: string;
  /** A buffer keeps the ion, always OH-, where it is. */
  readonly fixed: boolean;
}

/** Ksp of a saturated solution: of both its ions as they are, or of one, with which the other comes in the salt's ratio. */
function productOfIons(salt: Salt, ions: readonly Concentration[], input: string): string {
  const place = ({ formula }: Concentration): 'cation' | 'anion' => {
    const bare = formula.replace(/\^/g, '');
    if (bare.replace(/\d*\+$/, '') === salt.cation && !bare.endsWith('-')) return 'cation';
    if (bare === salt.anion || new RegExp(`^${salt.anion}\\d?-$`).test(bare)) return 'anion';
    throw new Error(`${formula} is no ion of ${salt.formula}`);
  };
  const of = new Map(ions.map((one) => [place(one), one.concentration]));
  if (of.size < ions.length) throw new Error('an ion is given twice');
  if (of.size === 1 && /\b(?:common|presence|buffer(?:ed)?|before|initial(?:ly)?)\b/i.test(input))
    throw new Error('with an ion that was there before, the solubility is needed too');
  const given = of.get('cation');
  const s = given === undefined ? of.get('anion')! / salt.anions : given / salt.cations;
  const [positive, negative] = [given ?? s * salt.cations, of.get('anion') ?? s * salt.anions];
  if (!(positive > 0 && negative > 0)) throw new Error('concentrations of the ions above 0 expected');
  return `${shownProductOf(salt, positive, negative)} (${salt.formula}: ${shownIons(salt)})`;
}

/** A refusal, as more hydroxide makes these dissolve again. */
function refuseAmphoteric(salt: Salt, before: Before, pH: number | undefined): void {
  if (salt.anion !== 'OH' || !AMPHOTERIC.test(salt.cation)) return;
  if (pH === undefined ? before.ion === 'anion' && before.concentration > 0 : pH >= 7)
    throw new Error(`${salt.formula} dissolves in more hydroxide as a hydroxo complex; that is not computed here`);
}

const NOTHING: Before = { ion: 'anion', concentration: 0, shown: '', fixed: false };

function hydroxide(salt: Salt, pH: number): Before {
  if (salt.anion !== 'OH')
    throw new Error(`the pH changes the solubility of a hydroxide; for ${salt.formula} that is not computed here`);
  return { ion: 'anion', concentration: 10 ** (pH - 14), shown: 'OH-', fixed: true };
}

/** What `0.1 M CaCl2`, or `0.1 M Cl-`, brings of the salt's own ions. */
function commonIon(salt: Salt, common: Given['common']): Before {
  if (common === undefined) return NOTHING;
  if (!(common.concentration >= 0)) throw new Error('a concentration is 0 or more');
  const formula = common.formula.replace(/\^/g, '');
  const single = formula.replace(/\d*[+-]$/, '');
  const charged = /[+-]$/.test(formula);
  if (charged && formula.endsWith('+') && single === salt.cation)
    return { ion: 'cation', concentration: common.concentration, shown: shownIon(salt, 'cation'), fixed: false };
  if (charged && new RegExp(`^${salt.anion}\\d?-$`).test(formula))
    return { ion: 'anion', concentration: common.concentration, shown: shownIon(salt, 'anion'), fixed: false };
  const acid = Object.hasOwn(STRONG_ACIDS, formula) ? STRONG_ACIDS[formula] : undefined;
  const other =
    acid === undefined
      ? ionsOfSalt(formula)
      : { cation: 'H', cations: 1, anion: acid, anions: 1, charge: 1, anionCharge: -1 };
  if (other !== undefined && !charged) {
    if (other.anion === salt.anion && other.cation !== salt.cation)
      return {
        ion: 'anion',
        concentration: common.concentration * other.anions,
        shown: shownIon(salt, 'anion'),
        fixed: false,
      };
    if (other.cation === salt.cation && other.charge === salt.charge && other.anion !== salt.anion)
      return {
        ion: 'cation',
        concentration: common.concentration * other.cations,
        shown: shownIon(salt, 'cation'),
        fixed: false,
      };
  }
  throw new Error(
    `${common.formula} brings no ion of ${salt.formula}; a common ion is needed, e.g. 0.1 M NaCl for AgCl`,
  );
}

/** (c + m s)^m (d + n s)^n = Ksp, where c or d was there before: by bisection in log s. */
function solve({ cations, anions }: Salt, product: number, before: Before): number {
  const [c, d] = before.ion === 'cation' ? [before.concentration, 0] : [0, before.concentration];
  const excess = (log: number): number => {
    const s = Math.exp(log);
    const positive = cations * Math.log(c + cations * s);
    return positive + anions * Math.log(d + (before.fixed ? 0 : anions * s)) - Math.log(product);
  };
  let [low, high] = [-700, 60];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (excess(middle) > 0) high = middle;
    else low = middle;
  }
  return Math.exp(low);
}

function concentrations(salt: Salt, s: number, before: Before): string {
  if (before.fixed) return `; [${shownIon(salt, 'cation')}] = ${significant(salt.cations * s)} M`;
  const [c, d] = before.ion === 'cation' ? [before.concentration, 0] : [0, before.concentration];
  return `; [${shownIon(salt, 'cation')}] = ${significant(c + salt.cations * s)} M, [${shownIon(salt, 'anion')}] = ${significant(d + salt.anions * s)} M`;
}

function productFrom(salt: Salt, s: number, before: Before): string {
  if (!(s > 0)) throw new Error('a solubility must be above 0');
  const positive = salt.cations * s + (before.ion === 'cation' ? before.concentration : 0);
  const negative = before.fixed
    ? before.concentration
    : salt.anions * s + (before.ion === 'anion' ? before.concentration : 0);
  return shownProductOf(salt, positive, negative);
}

function shownProductOf(salt: Salt, positive: number, negative: number): string {
  return `Ksp = ${shownProduct(salt)} = ${significant(positive)}${power(salt.cations)} * ${significant(negative)}${power(salt.anions)} = ${significant(positive ** salt.cations * negative ** salt.anions)}`;
}

/** Of a hydroxide that hardly dissolves, the OH- of water is more than its own. */
function waterNote(salt: Salt, product: number, s: number): string {
  if (salt.anion !== 'OH')
    return /^(?:CO3|PO4|S|SO3)$/.test(salt.anion) ? '; reactions of its ions with water left out' : '';
  if (salt.anions * s > 2e-6)
    return `; [OH-] = ${significant(salt.anions * s)} M, pH = ${(14 + Math.log10(salt.anions * s)).toFixed(2)}`;
  const neutral = solve(salt, product, { ion: 'anion', concentration: Math.sqrt(KW), shown: 'OH-', fixed: true });
  return `, with its own OH- alone; at pH 7, where water has more, ${significant(neutral)} M`;
}

const power = (exponent: number): string => (exponent === 1 ? '' : `^${exponent}`);
const signed = (charge: number): string => `${Math.abs(charge) === 1 ? '' : Math.abs(charge)}${charge > 0 ? '+' : '-'}`;

function shownIon(salt: Salt, which: 'cation' | 'anion'): string {
  const [ion, charge] = which === 'cation' ? [salt.cation, salt.charge] : [salt.anion, salt.anionCharge];
  return `${ion}${Math.abs(charge) === 1 ? '' : '^'}${signed(charge)}`;
}

const shownProduct = (salt: Salt): string =>
  `[${shownIon(salt, 'cation')}]${power(salt.cations)}[${shownIon(salt, 'anion')}]${power(salt.anions)}`;

const shownIons = (salt: Salt): string =>
  `${salt.cations === 1 ? '' : `${salt.cations} `}${shownIon(salt, 'cation')} + ${salt.anions === 1 ? '' : `${salt.anions} `}${shownIon(salt, 'anion')}`;
