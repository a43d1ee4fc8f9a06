/** What a formula is turned into: its negation with ¬ moved inwards, the contrapositive, converse and inverse of a conditional. */
import { type Formula, shown } from './logicFormula.js';

export type Rewriting = 'negation' | 'contrapositive' | 'converse' | 'inverse';

export function rewritten(formula: Formula, how: Rewriting): string {
  if (how === 'negation') return shown(negated(formula));
  if (formula.op !== 'implies') throw new Error(`only a conditional has a ${how}; write e.g. ${how} of p -> q`);
  const { left, right } = formula;
  switch (how) {
    case 'contrapositive':
      return shown({ op: 'implies', left: opposite(right), right: opposite(left) });
    case 'converse':
      return shown({ op: 'implies', left: right, right: left });
    default:
      return shown({ op: 'implies', left: opposite(left), right: opposite(right) });
  }
}

const opposite = (formula: Formula): Formula => (formula.op === 'not' ? formula.of : { op: 'not', of: formula });

const COMPARED = { '=': '!=', '!=': '=', '<': '>=', '>=': '<', '>': '<=', '<=': '>' } as const;

/** ¬ before single statements alone. */
function negated(formula: Formula): Formula {
  switch (formula.op) {
    case 'truth':
      return { op: 'truth', value: !formula.value };
    case 'not':
      return inward(formula.of);
    case 'and':
      return { op: 'or', left: negated(formula.left), right: negated(formula.right) };
    case 'or':
      return { op: 'and', left: negated(formula.left), right: negated(formula.right) };
    case 'implies':
      return { op: 'and', left: inward(formula.left), right: negated(formula.right) };
    case 'iff':
      return { op: 'xor', left: formula.left, right: formula.right };
    case 'xor':
      return { op: 'iff', left: formula.left, right: formula.right };
    case 'forall':
      return { ...formula, op: 'exists', body: negated(formula.body) };
    case 'exists':
      return { ...formula, op: 'forall', body: negated(formula.body) };
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { ...formula, op: COMPARED[formula.op] };
    default:
      return { op: 'not', of: formula };
  }
}

/** The same formula, with the negations inside it moved inwards. */
function inward(formula: Formula): Formula {
  if (formula.op === 'not') return negated(formula.of);
  if (formula.op === 'and' || formula.op === 'or' || formula.op === 'implies')
    return { op: formula.op, left: inward(formula.left), right: inward(formula.right) };
  if (formula.op === 'forall' || formula.op === 'exists') return { ...formula, body: inward(formula.body) };
  return formula;
}
