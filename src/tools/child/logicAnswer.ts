/** Answers questions about formulas: is the argument valid, are they consistent, a tautology, equivalent; truth tables, solutions. */

import { EvaluationFailure } from '../hostProtocol.js';
import { LOGIC_HELP } from './logicCursor.js';
import { type Formula, partsOf, shown } from './logicFormula.js';
import { type Found, findModels, type Run, SECONDS } from './logicModels.js';
import { type Parsed, parseLogic } from './logicParser.js';
import { type Rewriting, rewritten } from './logicRewrite.js';
import { Sorts } from './logicSorts.js';
import { type Command, readAsked } from './logicText.js';

const MOST = 4;

/** No fault of the input's: z3 found neither a proof nor a model. */
const undecided = () => new EvaluationFailure(`undecided within ${SECONDS} s; try a simpler formula`);

/** The answer to formulas in infix form. What was understood is added wherever the reading rests on a convention. */
export async function answerFormulas(input: string, run: Run): Promise<string> {
  if (/^\s*(?:from|import)\s+\w/m.test(input))
    throw new Error('this tool takes formulas and SMT-LIB scripts, no Python');
  const { command, text, note } = readAsked(input);
  const parsed = parseLogic(text);
  if (isRewriting(command)) return rewritten(only(parsed), command);
  const { premises, conclusions, relation } = parsed;
  const sorts = new Sorts([...premises, ...conclusions], parsed);
  if (sorts.propositions.length > 0 && sorts.propositions.every((name) => /^[TF]$/.test(name))) {
    throw new Error('T and F can be propositions or truth values; write true and false, or P and Q');
  }
  const answer = await answerOf(kindOf(command, parsed), parsed, sorts, run);
  const where = sorts.divides ? ' (divisors not 0)' : '';
  // A table shows the formulas as they were read.
  const said = note ? `; ${note}` : '';
  if ((!parsed.assumed && note === undefined) || command === 'table' || command === 'value') return `${answer}${where}`;
  const between = relation === 'equivalent' ? ' ⊣⊢ ' : ' ⊢ ';
  const reading =
    premises.map(shown).join(', ') + (relation === null ? '' : between + conclusions.map(shown).join(', '));
  return `${answer}${where}; read as ${reading.trim()}${said}`;
}

const isRewriting = (command: Command): command is Rewriting =>
  /^(?:negation|contrapositive|converse|inverse)$/.test(command);

function only({ premises, conclusions }: Parsed): Formula {
  const [formula, ...more] = [...premises, ...conclusions];
  if (formula === undefined || more.length > 0) throw new Error(`one formula expected; ${LOGIC_HELP}`);
  return formula;
}

type Kind = 'argument' | 'consistent' | 'formula' | 'equivalent' | 'table' | 'solutions';

function kindOf(command: Command, { premises, conclusions, relation, arithmetic }: Parsed): Kind {
  const all = premises.length + conclusions.length;
  if (all === 0) throw new Error(`no formula; ${LOGIC_HELP}`);
  if (relation === 'entails') {
    if (conclusions.length !== 1) throw new Error('one conclusion expected after |-');
    if (command !== 'any' && command !== 'valid' && command !== 'table')
      throw new Error(`an argument is valid or not; ${LOGIC_HELP}`);
    return command === 'table' ? 'table' : 'argument';
  }
  if (relation === 'equivalent' || command === 'equivalent') {
    if (all !== 2) throw new Error(`two formulas expected, got ${all}; write e.g. p -> q -||- ~q -> ~p`);
    return 'equivalent';
  }
  if (command === 'table') return 'table';
  if (command === 'value') return 'solutions';
  if ((command === 'valid' || command === 'tautology') && all > 1) {
    throw new Error(`${command} of ${all} formulas? Mark the conclusion: p -> q, p |- q`);
  }
  if (command === 'valid' || command === 'tautology') return 'formula';
  // Of a conditional one asks whether it always holds, not for which numbers.
  const conditional = all === 1 && /^(?:implies|iff)$/.test(premises[0]!.op);
  if (arithmetic && command !== 'consistent' && !conditional) return 'solutions';
  return all > 1 || command === 'consistent' ? 'consistent' : 'formula';
}

const not = (of: Formula): Formula => ({ op: 'not', of });

async function answerOf(kind: Kind, parsed: Parsed, sorts: Sorts, run: Run): Promise<string> {
  const { premises, conclusions, arithmetic } = parsed;
  const find = (formulas: readonly Formula[], most = MOST) => findModels(formulas, sorts, run, most);
  const over = arithmetic ? overNumbers(sorts) : '';
  switch (kind) {
    case 'argument': {
      const found = await find([...premises, not(conclusions[0]!)]);
      if (found.verdict === 'unknown') throw undecided();
      if (found.verdict === 'sat') return `not valid${over}: ${listed(found)}`;
      const possible = await find(premises, 1);
      return possible.verdict === 'unsat' && premises.length > 0
        ? `valid${over}, as the premises contradict each other`
        : `valid${over}`;
    }
    case 'consistent':
    case 'solutions':
      if (kind === 'solutions' && sorts.propositions.length > 0 && sorts.numbers.length === 0 && !arithmetic)
        throw new Error(`the value of ${sorts.propositions.join(' and ')} is not given`);
      if (kind === 'solutions' && sorts.numbers.length + sorts.propositions.length === 0)
        return truth(await find(premises));
      return together(await find(premises), over, kind === 'solutions' && sorts.numbers.length > 0);
    case 'formula':
      return formulaKind(premises[0]!, find, over);
    case 'equivalent': {
      const [left, right] = [...premises, ...conclusions] as [Formula, Formula];
      const found = await find([{ op: 'xor', left, right }]);
      if (found.verdict === 'unknown') throw undecided();
      return found.verdict === 'unsat'
        ? `equivalent${over}`
        : `not equivalent${over}: they differ for ${listed(found)}`;
    }
    case 'table':
      return truthTable([...premises, ...conclusions], sorts, conclusions.length > 0);
  }
}

/** Of statements without names. */
function truth(found: Found): string {
  if (found.verdict === 'unknown') throw undecided();
  return found.verdict === 'sat' ? 'true' : 'false';
}

function together(found: Found, over: string, solutions: boolean): string {
  if (found.verdict === 'unknown') throw undecided();
  if (found.verdict === 'unsat') return `inconsistent (unsatisfiable)${over}`;
  if (!solutions) return `consistent (satisfiable)${over}: ${listed(found)}`;
  const several = found.models.length > 1;
  if (found.more) return `satisfiable${over}, with other solutions too: ${found.models.join('; ')}`;
  return `satisfiable${over}: ${found.models.join(' or ')} (${several ? 'no other solutions' : 'the only solution'})`;
}

async function formulaKind(
  formula: Formula,
  find: (formulas: readonly Formula[]) => Promise<Found>,
  over: string,
): Promise<string> {
  const [can, cannot] = [await find([formula]), await find([not(formula)])];
  if (cannot.verdict === 'unsat') return `tautology${over}: true in every case`;
  if (can.verdict === 'unsat') return `unsatisfiable${over}: a contradiction, false in every case`;
  if (can.verdict === 'unknown' || cannot.verdict === 'unknown') throw undecided();
  return `satisfiable${over}: ${listed(can)}; contingent: false for ${cannot.models[0]}`;
}

function listed(found: Found & { verdict: 'sat' }): string {
  const [first, ...others] = found.models;
  if (first === '') return 'in every case';
  const also = others.length === 0 ? '' : `; also ${others.join('; ')}`;
  return `${first}${also}${found.more && others.length > 0 ? '; and more' : ''}`;
}

function overNumbers(sorts: Sorts): string {
  const whole = sorts.numbers.filter((name) => sorts.isInteger(name)).length;
  if (sorts.numbers.length === 0) return '';
  return whole === sorts.numbers.length
    ? ' over the integers'
    : whole > 0
      ? ' over integers and reals'
      : ' over the reals';
}

const MAX_COLUMNS = 6;

function truthTable(formulas: readonly Formula[], sorts: Sorts, argument: boolean): string {
  if (sorts.overThings || sorts.numbers.length > 0)
    throw new Error('a truth table needs propositions alone, no quantifiers or numbers');
  const names = sorts.propositions;
  if (names.length > MAX_COLUMNS)
    throw new Error(
      `a truth table of ${names.length} letters has ${2 ** names.length} rows; at most ${MAX_COLUMNS} letters`,
    );
  const rows = Array.from({ length: 2 ** names.length }, (_, row) => {
    const values = names.map((_, i) => ((row >> (names.length - 1 - i)) & 1) === 0);
    const given = new Map(names.map((name, i) => [name, values[i]!]));
    return { values, results: formulas.map((one) => truthOf(one, given)) };
  });
  const letters = (values: readonly boolean[]) => values.map((value) => (value ? 'T' : 'F')).join(' ');
  const body = rows.map(({ values, results }) => `${letters(values)} | ${letters(results)}`);
  const refuted = rows.filter(({ results }) => results.slice(0, -1).every(Boolean) && !results.at(-1)!);
  const summary = argument
    ? [
        `${refuted.length === 0 ? 'valid' : `not valid, refuted by ${refuted.length} row(s), e.g. ${names.join(' ')} = ${letters(refuted[0]!.values)}`}`,
      ]
    : formulas.map((one, i) => {
        const count = rows.filter(({ results }) => results[i]).length;
        const kind = count === rows.length ? 'tautology' : count === 0 ? 'contradiction' : 'contingent';
        return `${formulas.length > 1 ? `${shown(one)}: ` : ''}${kind}, true in ${count} of ${rows.length}`;
      });
  return [summary.join('; '), `${names.join(' ')} | ${formulas.map(shown).join(' , ')}`, ...body].join('\n');
}

function truthOf(formula: Formula, given: ReadonlyMap<string, boolean>): boolean {
  if (formula.op === 'truth') return formula.value;
  if (formula.op === 'name') return given.get(formula.name)!;
  const [left = false, right = false] = partsOf(formula).map((part) => truthOf(part, given));
  switch (formula.op) {
    case 'not':
      return !left;
    case 'and':
      return left && right;
    case 'or':
      return left || right;
    case 'implies':
      return !left || right;
    case 'iff':
    case '=':
      return left === right;
    case 'xor':
    case '!=':
      return left !== right;
    default:
      throw new Error('a truth table needs propositions alone');
  }
}
