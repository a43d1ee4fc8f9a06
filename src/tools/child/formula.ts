/**
 * Parses molecular formulas as people write them: `Ca(OH)2`, `[Fe(CN)6]4-`, `CuSO4·5H2O`, `SO4^2-`, `NH4+`.
 *
 * Tried: mf-parser (4 packages, 3 MB, not one file), which refuses `[Fe(CN)6]4-` and silently reads `CuSO4·5H2O` with
 * 21 O, `SO4^2-` with 8, `H₂SO₄` as HSO and Ac as acetyl. OpenChemLib reads structures, but no formulas.
 */

export interface Formula {
  /** Element symbol → number of atoms, in the order written. */
  readonly atoms: ReadonlyMap<string, number>;
  readonly charge: number;
}

const MAX_ATOMS = 1e6;

export function parseFormula(text: string, isElement: (symbol: string) => boolean): Formula {
  const { body, charge } = splitCharge(toPlainDigits(text.replace(/\s+/g, '')));
  const atoms = new Map<string, number>();
  for (const part of body.split(/[·•*.⋅]/)) {
    const [, coefficient = '', rest = ''] = /^(\d*)(.*)$/.exec(part)!;
    if (rest === '') throw new Error(`expected a formula like CuSO4·5H2O, got ${text}`);
    const factor = coefficient === '' ? 1 : Number(coefficient);
    for (const [symbol, number] of parseGroup(rest, isElement)) add(atoms, symbol, number * factor);
  }
  return { atoms, charge };
}

/** A formula without what is written around it: LaTeX, `_` before subscripts, `(aq)`. */
export function plainFormula(text: string): string {
  return text
    .replace(/\\(?:mathrm|text|ce|mathbf|rm|mathsf)\b\s*/g, '')
    .replace(/\$/g, '')
    .replace(/\\cdot/g, '·')
    .replace(/\\[,;! ]/g, '')
    .replace(/_\{([^{}]*)\}/g, '$1')
    .replace(/\^\{([^{}]*)\}/g, '^$1')
    .replace(/^\{(.*)\}$/s, '$1')
    .replace(/_/g, '')
    .replace(/\s*\(\s*(?:aq|s|l|g|cr)\s*\)\s*$/i, '')
    .trim();
}

/** Rewrites H₂O and SO₄²⁻ in plain characters; superscripts become `^…`. */
function toPlainDigits(text: string): string {
  return text
    .replace(/[₀-₉]/g, (digit) => String(digit.charCodeAt(0) - 0x2080))
    .replace(/[⁰¹²³⁴-⁹]*[⁺⁻]/g, (run) => `^${[...run].map((c) => '0123456789+-'['⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻'.indexOf(c)]).join('')}`)
    .replace(/[−–]/g, '-');
}

/**
 * A charge is `^2-`, `^-2`, `2-` after a bracket, or a trailing sign. Without `^` a digit before the sign belongs to the
 * charge when it stands after a single element (`Ca2+`) or after another digit (`SO42-`), else to the atoms (`NO3-`).
 */
function splitCharge(text: string): { body: string; charge: number } {
  const caret = /^(.*)\^\(?(?:(\d*)([+-])|([+-])(\d+))\)?$/.exec(text);
  if (caret !== null) {
    const size = caret[2] || caret[5] || '1';
    return { body: caret[1]!, charge: Number(size) * ((caret[3] ?? caret[4]) === '-' ? -1 : 1) };
  }
  const signs = /^(.*?)([+-]+)$/.exec(text);
  if (signs === null) return { body: text, charge: 0 };
  const [, before = '', run = ''] = signs;
  const sign = run[0] === '-' ? -1 : 1;
  if (run.length > 1) return { body: before, charge: sign * run.length };
  const digit = /^([A-Z][a-z]?|.*\]|.*[A-Za-z)]\d+)(\d)$/.exec(before);
  return digit === null ? { body: before, charge: sign } : { body: digit[1]!, charge: sign * Number(digit[2]) };
}

function parseGroup(text: string, isElement: (symbol: string) => boolean): Map<string, number> {
  const stack: { close: string; atoms: Map<string, number> }[] = [{ close: '', atoms: new Map() }];
  const token = /([A-Z][a-z]?)(\d*)|([([{])|([)\]}])(\d*)/y;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new Error(`cannot read "${text.slice(at, at + 8)}" in the formula ${text}`);
    const [, element, number, open, close, factor] = match;
    const top = stack.at(-1)!;
    if (element !== undefined) {
      if (!isElement(element)) throw new Error(`unknown element ${element} in the formula ${text}`);
      add(top.atoms, element, number === '' ? 1 : Number(number));
    } else if (open !== undefined) {
      stack.push({ close: ')]}'['([{'.indexOf(open)]!, atoms: new Map() });
    } else {
      if (top.close !== close) throw new Error(`unbalanced ${close} in the formula ${text}`);
      stack.pop();
      for (const [symbol, inner] of top.atoms)
        add(stack.at(-1)!.atoms, symbol, inner * (factor === '' ? 1 : Number(factor)));
    }
  }
  if (stack.length > 1) throw new Error(`a closing bracket is missing in the formula ${text}`);
  return stack[0]!.atoms;
}

function add(atoms: Map<string, number>, symbol: string, number: number): void {
  const total = (atoms.get(symbol) ?? 0) + number;
  if (!(total > 0 && total <= MAX_ATOMS)) throw new Error(`the formula has ${total} atoms of ${symbol}`);
  atoms.set(symbol, total);
}
