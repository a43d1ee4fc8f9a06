/** Formulas of the tool `logic` as trees, and how they are shown: in the symbols of textbooks, with brackets wherever two readers could differ. */

export type Connective = 'and' | 'or' | 'xor' | 'implies' | 'iff';
export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';
export type Arithmetic = '+' | '-' | '*' | '/' | 'mod' | '^';
export type Quantifier = 'forall' | 'exists' | 'unique';
/** What a bound variable ranges over: the things of an interpretation, or numbers. */
export type Domain = 'thing' | 'real' | 'int';

export type Formula =
  | { readonly op: 'truth'; readonly value: boolean }
  | { readonly op: 'number'; readonly text: string }
  /** A proposition, predicate, function, constant or bound variable. */
  | { readonly op: 'name'; readonly name: string; readonly args: readonly Formula[] }
  | { readonly op: 'not' | 'negative'; readonly of: Formula }
  | { readonly op: Connective | Comparison | Arithmetic; readonly left: Formula; readonly right: Formula }
  | { readonly op: Quantifier; readonly variable: string; readonly domain: Domain; readonly body: Formula };

const SIGNS: Readonly<Record<Connective | Comparison | Arithmetic, string>> = {
  ...{ and: '∧', or: '∨', xor: '⊕', implies: '→', iff: '↔' },
  ...{ '=': '=', '!=': '≠', '<': '<', '<=': '≤', '>': '>', '>=': '≥' },
  ...{ '+': '+', '-': '-', '*': '*', '/': '/', mod: 'mod', '^': '^' },
};
const QUANTIFIERS: Readonly<Record<Quantifier, string>> = { forall: '∀', exists: '∃', unique: '∃!' };
const RANGES: Readonly<Record<Domain, string>> = { thing: '', real: '∈ℝ ', int: '∈ℤ ' };

export function shown(formula: Formula): string {
  switch (formula.op) {
    case 'truth':
      return String(formula.value);
    case 'number':
      return formula.text;
    case 'name':
      return formula.args.length === 0 ? formula.name : `${formula.name}(${formula.args.map(shown).join(', ')})`;
    case 'not':
      return `¬${inside(formula.of)}`;
    case 'negative':
      return `-${inside(formula.of)}`;
    case 'forall':
    case 'exists':
    case 'unique': {
      const body = shown(formula.body);
      const head = `${QUANTIFIERS[formula.op]}${formula.variable}${RANGES[formula.domain]}`;
      return isBinary(formula.body) ? `${head}(${body})` : `${head} ${body}`;
    }
    default:
      return `${within(formula.left, formula.op, false)} ${SIGNS[formula.op]} ${within(formula.right, formula.op, true)}`;
  }
}

/** Arithmetic binds as in school, and stands without brackets in comparisons. */
const STRENGTH: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, mod: 2, '^': 3 };

function within(part: Formula, op: string, right: boolean): string {
  const [inner, outer] = [STRENGTH[part.op], STRENGTH[op] ?? 0];
  if (part.op === 'negative') return outer === 0 ? shown(part) : `(${shown(part)})`;
  if (inner === undefined) return inside(part);
  return inner > outer || (inner === 1 && outer === 1 && !right) ? shown(part) : `(${shown(part)})`;
}

function inside(formula: Formula): string {
  return isBinary(formula) ? `(${shown(formula)})` : shown(formula);
}

function isBinary(formula: Formula): formula is Extract<Formula, { left: Formula }> {
  return 'left' in formula;
}

/** The parts of a formula that are formulas. */
export function partsOf(formula: Formula): readonly Formula[] {
  if ('left' in formula) return [formula.left, formula.right];
  if ('of' in formula) return [formula.of];
  if ('body' in formula) return [formula.body];
  return formula.op === 'name' ? formula.args : [];
}
