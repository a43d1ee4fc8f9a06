/**
 * What people and language models write, in plain characters: the shared first step of calculator and statistics;
 * all tools of formulas take wrapping off with it. Only the writing changes here; what a number or a sign means (percent, thousands, money) is amounts.ts.
 */
import { plainFromLatex } from './latex.js';

/** Unicode signs and their plain form. `×` and `·` stay until numbers such as `2 × 10^-5` are read. */
const SIGNS: readonly (readonly [RegExp, string])[] = [
  [/[\u200b-\u200d\u2060\ufeff]/g, ''],
  [/[\u00a0\u2000-\u2008\u3000]/g, ' '],
  [/[−–—‐‑﹣－]/g, '-'],
  [/[＋]/g, '+'],
  [/[∗＊]/g, '*'],
  [/[⋅∙•・]/g, '·'],
  [/[✕✖╳⨯]/g, '×'],
  [/[÷∕⁄／]/g, '/'],
  [/π|𝜋/g, ' pi '],
  [/≤|⩽/g, '<='],
  [/≥|⩾/g, '>='],
  [/≠/g, '!='],
  [/∞/g, ' Infinity '],
  [/[“”„]/g, '"'],
  [/[‘’]/g, "'"],
  [/[（]/g, '('],
  [/[）]/g, ')'],
  [/[［]/g, '['],
  [/[］]/g, ']'],
  [/[，]/g, ', '],
  [/[\u00c5\u212b]/g, ' angstrom '],
  [/[µμ](?=[a-zA-Z])/g, 'u'],
  [/[ΩΩ]/g, ' ohm '],
  [/ħ|ℏ/g, ' hbar '],
  [/∛\s*/g, ' cbrt '],
  [/(?<![\w)])³√\s*/g, ' cbrt '],
  [/√\s*/g, ' sqrt '],
  [/¼/g, '(1/4)'],
  [/½/g, '(1/2)'],
  [/¾/g, '(3/4)'],
  [/⅓/g, '(1/3)'],
  [/⅔/g, '(2/3)'],
  [/⅛/g, '(1/8)'],
];

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ';
const SUPERSCRIPT_PLAIN = '0123456789+-n';
const SUBSCRIPTS = '₀₁₂₃₄₅₆₇₈₉';

/**
 * The input without its wrapping, its LaTeX and its Unicode. `tool`: the name that may be wrapped around it
 * (`calculator("6 * 7")`). Throws for LaTeX that has no plain form.
 */
export function plainText(input: string, tool: string): string {
  refuseDeep(input);
  let text = unwrapped(input, tool);
  if (/\\|[\^_]\s*\{|\{,\}/.test(text)) text = plainFromLatex(text);
  // ½ after a digit is a mixed number: 2½.
  text = text.replace(/(\d)(?=[¼½¾⅓⅔⅛])/g, '$1+');
  if (/\d\+[¼½¾⅓⅔⅛]/.test(text)) text = text.replace(/(\d+)\+([¼½¾⅓⅔⅛])/g, '($1+$2)');
  for (const [sign, plain] of SIGNS) text = text.replace(sign, plain);
  text = text.replace(new RegExp(`[${SUPERSCRIPTS}]+`, 'g'), (run) => {
    const power = [...run].map((c) => SUPERSCRIPT_PLAIN[SUPERSCRIPTS.indexOf(c)]).join('');
    return /^\w+$/.test(power) ? `^${power}` : `^(${power})`;
  });
  text = text.replace(/[₀-₉]+/g, (run) => [...run].map((c) => SUBSCRIPTS.indexOf(c)).join(''));
  return text
    .replace(/\*\*/g, '^')
    .replace(/[ \t]{2,}/g, ' ')
    .trim();
}

/** Brackets within brackets that nobody writes, but for which every reading here would take too long. */
function refuseDeep(input: string): void {
  let depth = 0;
  for (const c of input) {
    if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c)) depth--;
    if (depth > 100) throw new Error('more than 100 brackets within brackets; close them, or write less at once');
  }
}

/** Takes off code fences, quotes, math delimiters, JSON, and the call of the tool itself. */
export function unwrapped(input: string, tool: string): string {
  let text = input.trim();
  for (let again = true; again; ) {
    const before = text;
    text = text
      .replace(/^```(?:[\w+-]*[ \t]*\n)?([\s\S]*?)```$/, '$1')
      .replace(/^`([^`]*)`$/, '$1')
      .replace(/^\\\[([\s\S]*)\\\]$/, '$1')
      .replace(/^\\\(([\s\S]*)\\\)$/, '$1')
      .replace(/^\$\$([^$]*)\$\$$/, '$1')
      .replace(/^\$([^$]*[^$\\\s])\$$/, '$1')
      .replace(/^"([^"]*)"$/, '$1')
      .replace(/^'([^']*)'$/, '$1')
      .replace(new RegExp(`^(?:tools?\\.)?${tool}\\s*:\\s*`, 'i'), '')
      .trim();
    text = fromCall(text, tool).trim();
    text = fromJson(text).trim();
    again = text !== before;
  }
  return text;
}

/** `calculator("6 * 7")` and `calculator(6 * 7)`, when the bracket spans the whole text. */
function fromCall(text: string, tool: string): string {
  const call = new RegExp(`^(?:tools?\\.)?${tool}\\s*\\(`, 'i').exec(text);
  if (call === null || closing(text, call[0].length - 1) !== text.length - 1) return text;
  const inner = text.slice(call[0].length, -1).trim();
  const named = /^(?:expression|expr|input|query)\s*=\s*(["'])([\s\S]*)\1$/.exec(inner);
  return named ? named[2]! : inner;
}

/** `{"expression": "6 * 7"}`. */
function fromJson(text: string): string {
  const only = /^\{\s*"(?:expression|expr|input|query|code|problem)"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}$/.exec(text)?.[1];
  if (only === undefined) return text;
  try {
    return String(JSON.parse(only));
  } catch {
    return text;
  }
}

const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Where the bracket at `open` is closed; −1 when it is not. */
export function closing(text: string, open: number): number {
  const stack: string[] = [];
  for (let at = open; at < text.length; at++) {
    const c = text[at]!;
    if (Object.hasOwn(PAIRS, c)) stack.push(PAIRS[c]!);
    else if (c === ')' || c === ']' || c === '}') {
      if (stack.pop() !== c) return -1;
      if (stack.length === 0) return at;
    }
  }
  return -1;
}

/** The text cut at `mark` wherever no bracket is open. */
export function splitOutside(text: string, mark: string): string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c)) depth--;
    else if (c === mark && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}
