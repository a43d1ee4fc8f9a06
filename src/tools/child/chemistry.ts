/**
 * The tool `chemistry`: finds what is asked in a short text and gives it to the parts that know: masses and amounts
 * (substances.ts), reactions, names, oxidation numbers, shapes, electrons, pH, gases, structures. A text in which
 * something is left over that no part understands is refused.
 */
import type { Evaluate } from '../hostProtocol.js';
import { balanceReaction, isReaction } from './balance.js';
import { chemicalLaw } from './chemicalLaws.js';
import { empirical } from './empirical.js';
import { answerGas, isAboutGas } from './gases.js';
import { answerRates, isAboutRates } from './kinetics.js';
import { closing, unwrapped } from './normalize.js';
import { answerSolubility, isAboutSolubility } from './solubility.js';
import { answerSolutions, isAboutSolutions } from './solutionAmounts.js';
import { answerPh, isAboutPh } from './solutions.js';
import { answerYield, isAboutYield } from './stoichiometry.js';
import { structure } from './structures.js';
import * as substances from './substances.js';

export const CHEMISTRY_HELP =
  'write e.g. mass H2O, balance H2 + O2 -> H2O, pH of 0.01 M HCl, name AlBr3, smiles CCO, or element Fe';

type Rule = readonly [pattern: RegExp, answer: (...groups: string[]) => string];

const OF = String.raw`\s*(?:\bof\b|\bfor\b|:|=)?\s*(?:the\s+)?`;
const ofWhat = (words: string, end = ''): RegExp => new RegExp(`^(?:${words})\\b${OF}(.+?)${end}$`, 'is');
const MASS = String.raw`molar\s*mass|molecular\s*(?:weight|mass)|formula\s*(?:weight|mass)|molecular\s*wt|mass|weight|MW`;

/** In this order; the first that fits answers. */
const RULES: readonly Rule[] = [
  [/^smiles\b\s*(?:of\s+)?[:=]?\s*(.*)$/is, (text) => structure(bare(text))],
  [
    /^(?:number of )?(protons|neutrons|electrons)\s+(?:in|of)\s+(.+)$/is,
    (what, text) => substances.particles(what.toLowerCase(), text),
  ],
  [/^(.+?)\s+(protons|neutrons|electrons)$/is, (text, what) => substances.particles(what.toLowerCase(), text)],
  [ofWhat('(?:ground[- ]state\\s+)?electron(?:ic)?\\s+config(?:uration)?'), (text) => substances.electrons(text)],
  [/^(.+?)\s+(?:electron(?:ic)?\s+configuration)$/is, (text) => substances.electrons(text)],
  [ofWhat('(?:1st|first)?\\s*ioni[sz]ation\\s+(?:energy|potential)'), (text) => substances.ionization(text)],
  [ofWhat('(?:pauling\\s+)?electronegativity'), (text) => substances.electronegativity(text)],
  [ofWhat('half[- ]?life'), (text) => substances.halfLife(text)],
  [ofWhat('(?:standard\\s+)?atomic\\s*(?:mass|weight)'), (text) => substances.atomicMass(text)],
  [
    ofWhat('(?:element\\s+with\\s+)?atomic\\s*number|(?:chemical\\s+)?symbol|element'),
    (text) => substances.element(text),
  ],
  [
    /^oxidation\s*(?:numbers?|states?)\b\s*(?:of|for|:)?\s*(?:the\s+)?(?:element\s+)?([A-Za-z]+)\s+(?:in|of)\s+(.+)$/is,
    (symbol, text) => substances.oxidation(text, symbol),
  ],
  [
    /^([A-Z][a-z]?)\s+oxidation\s*(?:number|state)s?\s+(?:in|of)\s+(.+)$/s,
    (symbol, text) => substances.oxidation(text, symbol),
  ],
  [ofWhat('oxidation\\s*(?:numbers?|states?)(?:\\s*(?:in))?'), (text) => substances.oxidation(text)],
  [
    /^hybridi[sz]ation\s+(?:of|for)\s+(?:the\s+)?([A-Za-z]+)\s+(?:atom\s+)?in\s+(.+)$/is,
    (symbol, text) => substances.shape(text, symbol),
  ],
  [
    ofWhat('(?:molecular|electron|vsepr)?\\s*(?:geometry|shape)|hybridi[sz]ation|vsepr'),
    (text) => substances.shape(text),
  ],
  [/^(.+?)\s+(?:molecular\s+)?(?:geometry|shape)$/is, (text) => substances.shape(text)],
  [
    /^(?:percent(?:age)?|mass percent|%)\s*(?:by mass\s*)?(?:composition\s*)?(?:of\s+)?([A-Za-z]+)\s+(?:by mass\s+)?in\s+(.+)$/is,
    (symbol, text) => substances.percent(symbol, text),
  ],
  [ofWhat('(?:percent(?:age)?\\s+|mass\\s+)?composition(?:\\s+by\\s+mass)?'), (text) => substances.composition(text)],
  [ofWhat('(?:iupac\\s+|chemical\\s+|systematic\\s+)*name'), (text) => substances.name(text)],
  [ofWhat('(?:chemical\\s+|molecular\\s+)?formula'), (text) => substances.formulaFor(text)],
  [
    /^(?:convert\s+)?(.+?\s(?:g|grams?|kg|mg|moles?|mol|mmol)\s+(?:of\s+)?.+?)\s+(?:to|into|in)\s+(g|grams?|kg|mg|moles?|mol|mmol|molecules|atoms)$/is,
    (from, to) => substances.convert(from, to),
  ],
  [
    /^(?:number of\s+)?(moles?|mol|grams?|molecules|atoms|mass)\s+(?:in|of)\s+(\S+\s*(?:g|grams?|kg|mg|mol|moles?|mmol)\b.+)$/is,
    (to, from) => substances.convert(from, to),
  ],
  [
    /^(?:number of\s+)?(moles?|mol|grams?|molecules|atoms|mass)\s+of\s+(\S+)\s+(?:(?:are|is)\s+)?(?:there\s+|present\s+|contained\s+)?in\s+(\S+\s*(?:g|grams?|kg|mg|mol|moles?|mmol))$/is,
    (to, text, amount) => substances.convert(`${amount} ${text}`, to),
  ],
  [ofWhat(MASS, '\\s+and\\s+(\\S+)'), (texts, last) => several([...texts.split(/\s*,\s*(?:$|(?=\S))/), last])],
  [ofWhat(MASS), (text) => substances.molarMass(text)],
  [new RegExp(`^(.+?)\\s+(?:${MASS})$`, 'is'), (text) => substances.molarMass(text)],
];

const QUESTION =
  /^(?:please\s+)?(?:what\s+(?:is|are)|what's|calculate|compute|find|determine|give|state|get|look\s*up|tell me|how many)\b\s*(?:me\s+)?(?:the\s+)?/i;

const several = (texts: readonly string[]): string =>
  texts
    .filter((text) => text !== '')
    .map((text) => substances.molarMass(text))
    .join('; ');

export function createChemistry(): Evaluate {
  return (input) => {
    const text = plainText(input);
    if (text === '') throw new Error(CHEMISTRY_HELP);
    if (!/^smiles\b/i.test(text)) {
      const found = chemicalLaw(text);
      if (found !== null) return found;
      if (isAboutYield(text)) return answerYield(text);
      if (isReaction(text)) return balanceReaction(text);
      if (isAboutSolubility(text)) return answerSolubility(text);
      if (isAboutRates(text)) return answerRates(text);
      if (/\bempirical\s+formula\b/i.test(text)) return empirical(text);
      if (!isAboutPh(text) && isAboutSolutions(text)) return answerSolutions(text);
      if (isAboutPh(text)) return answerPh(text);
      if (isAboutGas(text)) return answerGas(text);
    }
    try {
      for (const [pattern, answer] of RULES) {
        const match = pattern.exec(text);
        if (match !== null) return answer(...match.slice(1).map((group) => bare(group ?? '')));
      }
      if (/^(?:mass|formula|element|name|smiles|weight)$/i.test(text)) throw new Error('of what?');
      return substances.molarMass(text);
    } catch (error) {
      const { message } = error as Error;
      throw /\b(?:write|ask|give)\b/.test(message) ? error : new Error(`${message}; ${CHEMISTRY_HELP}`);
    }
  };
}

/** Without fences, quotes, LaTeX around numbers, and the words of a question. SMILES stay as they are. */
function plainText(input: string): string {
  let text = unwrapped(input, 'chemistry');
  const question = text.replace(QUESTION, '');
  if (!/^smiles\b/i.test(question)) {
    text = question
      .replace(/\\times/g, '×')
      .replace(/[−–]/g, '-')
      .replace(/\\(?:longrightarrow|rightarrow|to|rightleftharpoons)\b/g, '->')
      .replace(/[$~]/g, ' ')
      .replace(/\\(?:mathrm|text|ce|mathbf|rm)\s*\{((?:[^{}]|\{[^{}]*\})*)\}/g, '$1')
      .replace(/_\{(\w+)\}/g, '$1')
      .replace(/\^\{([^{}]*)\}/g, '^$1')
      .replace(/\s+/g, ' ')
      .trim();
  } else text = question;
  return text
    .replace(/\s*[?!]+$/, '')
    .replace(/\s+in\s+(?:g\s*\/\s*mol|grams per mole|amu|u)\.?$/i, '')
    .replace(/\.$/, '')
    .trim();
}

/** `mass(H2O)`: brackets and quotes around the whole; not in `(NH4)2SO4` or `Ca(OH)2`. */
function bare(group: string): string {
  const text = group.trim();
  const whole = text.startsWith('(') && closing(text, 0) === text.length - 1;
  return (whole ? text.slice(1, -1) : text).trim().replace(/^["'`]|["'`]$/g, '');
}
