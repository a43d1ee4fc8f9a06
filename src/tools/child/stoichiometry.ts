/**
 * Amounts in a reaction: which reactant is used up first, how much of the products there can be, what is left, percent yield.
 * The equation is balanced here where it is not; amounts have units and formulas, as in `28 g N2`.
 */
import { ARROW, type Balanced, balanced } from './balance.js';
import { formulaOfName } from './compoundNames.js';
import { findElement, massOfAtoms } from './elementTable.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { IS, MOLAR, Taking } from './taking.js';

const FORMS = 'write e.g. limiting reactant: N2 + 3 H2 -> 2 NH3, 28 g N2, 10 g H2';
const FORMULA = String.raw`[A-Z][A-Za-z0-9()[\]]*(?:\s*\((?:aq|s|l|g)\))?`;
const TERM = String.raw`(?:\d+\s*)?${FORMULA}`;
const SIDE = String.raw`${TERM}(?:\s*\+\s*${TERM})*`;
const UNITS: Readonly<Record<string, readonly [kind: 'mass' | 'amount', factor: number]>> = {
  g: ['mass', 1],
  gram: ['mass', 1],
  grams: ['mass', 1],
  kg: ['mass', 1e3],
  mg: ['mass', 1e-3],
  mol: ['amount', 1],
  mole: ['amount', 1],
  moles: ['amount', 1],
  mmol: ['amount', 1e-3],
};
const UNIT = `(?:${Object.keys(UNITS)
  .sort((a, b) => b.length - a.length)
  .join('|')})(?![A-Za-z/])`;
const FILLER =
  /\b(?:what|which|is|are|was|were|the|of|an?|in|for|to|and|if|when|with|from|by|how|many|much|given|find|calculate|compute|determine|identify|limiting|excess|reactants?|reagents?|theoretical|maximum|actual|percent(?:age)?|yields?|yielded|mass(?:es)?|amounts?|moles?|mol|grams?|g|kg|produced?|produces|products?|formed|forms?|form|made|make|needed|required|remaining|remains?|left|over|reacts?|reacting|reaction|equation|balanced|chemical|start(?:ing)?|using|used|use|can|be|will|there|that|on|each|complete(?:ly)?|combustion|burn(?:ed|t|ing)?|mixed|between|stoichiometry|its|have|has|we|you|i|present|available|consumed)\b|%/gi;

const LEFT = String.raw`(?:left(?:\s*over)?|over|remain\w*|unreacted|(?:in\s+)?excess(?!\s+(?:of\s+)?[A-Z]))\b`;
/** `1 mol O2 left over`, `left over is 1 mol O2`: what is there at the end, not at the start. */
const AT_END = new RegExp(
  String.raw`(?:${NUMBER}\s*${UNIT}\s+(?:of\s+)?|${MOLAR}\s*)(?:${FORMULA}|[a-z]+)(?:\s+|\s*\(\s*)(?:(?:is|are|was|were|has|have|been|still)\s+)*${LEFT}|\b(?:left(?:\s*over)?|remain\w*|excess)\s+(?:(?:is|are|was|were|of)\s+)?=?\s*${NUMBER}\s*${UNIT}`,
);

export const isAboutYield = (text: string): boolean =>
  /\blimiting\b|\b(?:theoretical|percent(?:age)?|maximum)\s+yield\b|\bstoichiometry\b/i.test(text) ||
  ((ARROW.test(text) || new RegExp(String.raw`\s\+\s*${TERM}\s+=\s+${TERM}`).test(text)) &&
    new RegExp(String.raw`(?<![\w.])${NUMBER}\s*${UNIT}`).test(text));

interface Portion {
  readonly index: number;
  readonly moles: number;
}

export function answerYield(input: string): string {
  const amounts: (readonly [value: string, unit: string, formula: string])[] = [];
  const solutions: (readonly [volume: string, unit: string, molar: string, formula: string])[] = [];
  const plain = input.replace(/_/g, '').replace(new RegExp(ARROW, 'g'), ' -> ');
  if (AT_END.test(plain))
    throw new Error(
      `an amount that is left over is read as none at the start; give the amounts at the start; ${FORMS}`,
    );
  const words = new Taking(plain.includes('->') ? plain : plain.replace(/\s=\s(?=\d*\s*[A-Z])/, ' -> '));
  const got = words.take(
    String.raw`(?:actual\s+yield|(?:only\s+)?(?:obtained|isolated|collected|recovered))${IS}(${NUMBER})\s*(${UNIT})(?:\s+(?:of\s+)?(${FORMULA}))?(?:\s+(?:is|was|are|were)\s+(?:obtained|isolated|collected|recovered))?`,
  );
  const inside = (text: string): string =>
    text.replace(
      new RegExp(String.raw`(${NUMBER})\s*(${UNIT})\s+(?:of\s+)?(${FORMULA})`, 'g'),
      (_, value, unit, formula) => {
        amounts.push([value, unit, formula]);
        return formula;
      },
    );
  const equation = words.take(
    String.raw`(?:(?:${NUMBER}\s*${UNIT}\s+(?:of\s+)?)?${TERM}\s*\+\s*)*(?:${NUMBER}\s*${UNIT}\s+(?:of\s+)?)?${TERM}\s*->\s*${SIDE}`,
    '',
  );
  if (equation === null) throw new Error(`the equation is needed; ${FORMS}`);
  const [left, right] = inside(equation[0]).split('->') as [string, string];
  const reaction = balanced(left.trim(), right.trim());
  for (const [, volume, unit, molar, formula] of words.all(
    String.raw`(${NUMBER})\s*(m?L)\s+(?:of\s+)?(?:an?\s+)?(${NUMBER})${MOLAR}\s*(${FORMULA})`,
    '',
  ))
    solutions.push([volume!, unit!, molar!, formula!]);
  for (const [, value, unit, formula] of words.all(String.raw`(${NUMBER})\s*(${UNIT})\s+(?:of\s+)?(${FORMULA})`, ''))
    amounts.push([value!, unit!, formula!]);
  for (const [, formula, value, unit] of words.all(String.raw`(${FORMULA})\s*(?:=|:)\s*(${NUMBER})\s*(${UNIT})`, ''))
    amounts.push([value!, unit!, formula!]);
  for (const [, value, unit, name] of words.all(
    String.raw`(${NUMBER})\s*(${UNIT})\s+(?:of\s+)?([a-z]+(?:\s+[a-z]+(?:ide|ate|ite|gas|acid))?)\b`,
    '',
  ))
    amounts.push([value!, unit!, byName(name!, reaction)]);
  const asked = words
    .all(String.raw`(?<![\w])(${FORMULA})(?![\w])`, '')
    .map(([, formula]) => place(formula!, reaction));
  const rest = words.rest(FILLER);
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
  const portions = [
    ...amounts.map((one) => portion(one, reaction)),
    ...solutions.map((one) => dissolved(one, reaction)),
  ];
  return answer(reaction, portions, asked, got);
}

function byName(name: string, reaction: Balanced): string {
  const meant = [formulaOfName(name), formulaOfName(`molecular ${name}`), findElement(name)];
  const known = reaction.species.find(({ shown }) => meant.includes(shown));
  if (known === undefined) throw new Error(`${name} is not in the equation by that name; write its formula`);
  return known.shown;
}

function place(formula: string, { species }: Balanced): number {
  const bare = formula.replace(/\s*\((?:aq|s|l|g)\)$/, '');
  const index = species.findIndex(({ shown }) => shown === bare);
  if (index < 0) throw new Error(`${bare} is not in the equation; ${FORMS}`);
  return index;
}

const massOf = ({ species }: Balanced, index: number): number => massOfAtoms(species[index]!.atoms);

function portion([value, unit, formula]: readonly [string, string, string], reaction: Balanced): Portion {
  const index = place(formula, reaction);
  const [kind, factor] = UNITS[unit]!;
  const number = numberFrom(value) * factor;
  if (!(number > 0)) throw new Error(`an amount of ${formula} above 0 expected`);
  return { index, moles: kind === 'mass' ? number / massOf(reaction, index) : number };
}

function dissolved(
  [volume, unit, molar, formula]: readonly [string, string, string, string],
  reaction: Balanced,
): Portion {
  const moles = numberFrom(volume) * (unit === 'mL' ? 1e-3 : 1) * numberFrom(molar);
  if (!(moles > 0)) throw new Error(`an amount of ${formula} above 0 expected`);
  return { index: place(formula, reaction), moles };
}

function answer(
  reaction: Balanced,
  portions: readonly Portion[],
  asked: readonly number[],
  got: RegExpExecArray | null,
): string {
  const { species, numbers } = reaction;
  if (portions.length === 0) throw new Error(`amounts are needed; ${FORMS}`);
  if (new Set(portions.map(({ index }) => index)).size < portions.length) throw new Error('an amount is given twice');
  const turns = ({ index, moles }: Portion): number => moles / numbers[index]!;
  const products = portions.filter(({ index }) => species[index]!.side === -1);
  if (products.length > 0 && portions.length > 1)
    throw new Error('amounts of reactants and of a product; for a percent yield write "actual yield 30 g NH3"');
  const limiting = portions.reduce((least, one) => (turns(one) < turns(least) ? one : least));
  const extent = turns(limiting);
  const name = (index: number): string => species[index]!.shown;
  const much = (index: number, moles: number): string =>
    `${name(index)} ${significant(moles)} mol = ${significant(moles * massOf(reaction, index))} g`;
  const others = species.map((_, index) => index).filter((index) => index !== limiting.index);
  const wanted = asked.filter((index) => index !== limiting.index && !portions.some((one) => one.index === index));
  if (portions.length === 1) {
    const shown = (wanted.length > 0 ? wanted : others).map((index) => much(index, extent * numbers[index]!));
    return `${reaction.shown}: with ${much(limiting.index, limiting.moles)}: ${shown.join(', ')}${products.length > 0 ? '' : percentYield(reaction, extent, wanted, got)}`;
  }
  const left = portions
    .filter((one) => one !== limiting)
    .map((one) => ({ index: one.index, moles: one.moles - extent * numbers[one.index]! }));
  const exact = left.every(({ moles, index }) => Math.abs(moles) < 1e-9 * (extent * numbers[index]!));
  const made = (wanted.some((index) => species[index]!.side === -1) ? wanted : others).filter(
    (index) => species[index]!.side === -1,
  );
  const first = exact
    ? 'nothing is in excess'
    : `${name(limiting.index)} is limiting (${significant(limiting.moles)} mol)`;
  const over = exact
    ? ''
    : `; left over: ${left.map(({ index, moles }) => much(index, Math.max(0, moles))).join(', ')}`;
  return `${reaction.shown}: ${first}; at most ${made.map((index) => much(index, extent * numbers[index]!)).join(', ')}${over}${percentYield(reaction, extent, made, got)}`;
}

function percentYield(
  reaction: Balanced,
  extent: number,
  asked: readonly number[],
  got: RegExpExecArray | null,
): string {
  if (got === null) return '';
  const [, value, unit, formula] = got;
  const products = reaction.species.flatMap(({ side }, index) => (side === -1 ? [index] : []));
  const candidates = formula !== undefined ? [place(formula, reaction)] : asked.length === 1 ? asked : products;
  if (candidates.length !== 1 || !products.includes(candidates[0]!))
    throw new Error('a yield of which product? write e.g. actual yield 30 g NH3');
  const index = candidates[0]!;
  const { moles } = portion([value!, unit!, reaction.species[index]!.shown], reaction);
  return `; percent yield ${significant((100 * moles) / (extent * reaction.numbers[index]!))} %`;
}
