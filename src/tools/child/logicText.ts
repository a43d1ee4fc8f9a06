/** What a model writes around and inside formulas, made plain: code fences, LaTeX, the words of a question, numbered premises. */
import { type Commands, plainFromLatex } from './latex.js';
import type { Rewriting } from './logicRewrite.js';
import { syllogism } from './logicSyllogism.js';
import { unwrapped } from './normalize.js';

/** `value`: of a formula whose letters are given. */
export type Command = 'any' | 'valid' | 'consistent' | 'tautology' | 'equivalent' | 'table' | 'value' | Rewriting;

export interface Asked {
  readonly command: Command;
  /** Formulas in plain symbols; premises on lines of their own. */
  readonly text: string;
  /** What must be said of how the words were read. */
  readonly note?: string;
}

/** Commands that mean something else in logic than in arithmetic. */
const LATEX: Commands = spaced({
  ...{ rightarrow: '→', to: '→', implies: '→', Rightarrow: '→', supset: '→', longrightarrow: '→', Longrightarrow: '→' },
  ...{ leftrightarrow: '↔', Leftrightarrow: '↔', iff: '↔', longleftrightarrow: '↔', Longleftrightarrow: '↔' },
  ...{ land: '∧', wedge: '∧', lor: '∨', vee: '∨', neg: '¬', lnot: '¬', sim: '¬', oplus: '⊕', bullet: '•' },
  ...{
    forall: '∀',
    exists: '∃',
    nexists: '∄',
    in: '∈',
    therefore: '∴',
    hline: '∴',
    vdash: '⊢',
    models: '⊢',
    vDash: '⊢',
  },
  ...{ bot: '⊥', top: '⊤', mathbb: '' },
});

function spaced(commands: Commands): Commands {
  return Object.fromEntries(Object.entries(commands).map(([name, sign]) => [name, ` ${sign} `]));
}

/** Reads what is asked of the formulas, and the formulas in plain symbols. */
export function readAsked(input: string): Asked {
  let text = plain(unwrapped(input, 'logic'));
  let command = 'any' as Command;
  const take = (pattern: RegExp, means: Command): void => {
    const match = pattern.exec(text);
    if (match === null) return;
    if (command !== 'any' && command !== means) throw new Error('two questions at once; ask one of them');
    command = means;
    text = match[1]!.trim();
  };
  const lead = String.raw`^(?:(?:check|test|prove|show|determine|decide|is|are|whether|if|that|the|this|following|arguments?|for|of)\s+)*`;
  const rest = String.raw`\s*(?:[:?]|\bof\b|\bfor\b)?\s*([\s\S]+)$`;
  const valued = withValues(text);
  if (valued !== null) return { command: 'value', text: valued };
  const asksValid = new RegExp(`${lead}(?:validity|valid)\\s*[:?]\\s*`, 'i');
  const categorical = syllogism(text.replace(asksValid, '').replace(/[.?\s]+$/, ''));
  if (categorical !== null) return { command: asksValid.test(text) ? 'valid' : command, ...categorical };
  for (const how of ['negation', 'contrapositive', 'converse', 'inverse'] as const)
    take(
      new RegExp(
        `^(?:(?:what|find|give|write|is|the)\\s+)*${how}\\s*(?:of|:)\\s*(?:the\\s+(?:statement|formula)\\s*:?\\s*)?([\\s\\S]+)$`,
        'i',
      ),
      how,
    );
  take(new RegExp(`${lead}(?:truth[ _-]?table)${rest}`, 'i'), 'table');
  take(new RegExp(`${lead}(?:logical(?:ly)? )?(?:equivalen(?:t|ce))${rest}`, 'i'), 'equivalent');
  take(new RegExp(`${lead}(?:tautology|contingent|contradiction)${rest}`, 'i'), 'tautology');
  take(new RegExp(`${lead}(?:consisten(?:t|cy)|satisfiab(?:le|ility)|sat)${rest}`, 'i'), 'consistent');
  take(new RegExp(`${lead}(?:validity|valid|entails?(?=\\s*:))${rest}`, 'i'), 'valid');
  text = text.replace(/^(?:is|are|check|whether|if|that|\s)+\s(?=[\s\S]*\bequivalent to\b)/i, '');
  const tail = String.raw`\s*[,:.]?\s*(?:is |are )?(?:this |it )?(?:a |an )?(?:logically )?`;
  take(new RegExp(`^([\\s\\S]+?)${tail}equivalent\\s*\\?*$`, 'i'), 'equivalent');
  take(new RegExp(`^([\\s\\S]+?)${tail}(?:tautology|contingent|contradiction)\\s*\\?*$`, 'i'), 'tautology');
  take(new RegExp(`^([\\s\\S]+?)${tail}(?:consistent|satisfiable)\\s*\\?*$`, 'i'), 'consistent');
  take(new RegExp(`^([\\s\\S]+?)${tail}valid\\s*\\?*$`, 'i'), 'valid');
  text = text.replace(/^solve\s*(?:for\s+\w+\s*)?:?\s+/i, '');
  if (command !== 'any')
    text = text.replace(/^(?:(?:is|are|the|this|following|arguments?|formulas?|statements?|set)\s*:?\s+)+/i, '');
  if ((command as Command) === 'equivalent')
    text = text.replace(/\s+(?:and|to|with)\s+(?=\S)/gi, (all) => (/to|with/i.test(all) ? ' ; ' : all));
  return { command, text: premiseLines(overIntegers(text)) };
}

/** `p and not q with p = true, q = false`, `A = T, B = F: A & B`: the formula with the values in it; null for other text. */
function withValues(text: string): string | null {
  const one = String.raw`[A-Za-z]\w*\s*(?:=|:=|is)\s*(?:true|false|T|F|1|0)(?![\w=<>+*/-]|\.\d)`;
  const several = String.raw`(${one}(?:\s*(?:,\s*(?:and\s+)?|;|\band\b)?\s*${one})*)`;
  const found =
    new RegExp(
      String.raw`^(?:(?:evaluate|compute|find|what\s+is)\s+)?(?:the\s+(?:truth\s+)?value\s+of\s+)?([\s\S]+?)\s*[,;]?\s*\b(?:with|where|when|if|for|given)\s+${several}\s*[.?]?$`,
      'i',
    ).exec(text) ??
    new RegExp(
      String.raw`^(?:(?:if|given|let|with)\s+)?${several}\s*[:;,.]\s*(?:(?:then|evaluate|find|what\s+is)\s+)*([\s\S]+)$`,
      'i',
    ).exec(text);
  if (found === null) return null;
  const isFirst = new RegExp(`^${one}`, 'i').test(found[1]!);
  const [formula, given] = isFirst ? [found[2]!, found[1]!] : [found[1]!, found[2]!];
  const values = new Map(
    [...given.matchAll(/([A-Za-z]\w*)\s*(?:=|:=|is)\s*(true|false|T|F|1|0)/gi)].map(([, name, value]) => [
      name!,
      /^[t1]/i.test(value!),
    ]),
  );
  const connected = formula.replace(/<->|<=>|<-->|<==>|->|=>|-->|==>/g, ' and ');
  const isLogic =
    /[~¬!&|∧∨→↔⊃•⊕]|\b(?:and|or|not|implies|iff|xor|v)\b/.test(connected) && !/[=<>+*/^\d]/.test(connected);
  if (!isLogic || ![...values.keys()].some((name) => new RegExp(`\\b${name}\\b`).test(formula))) return null;
  return formula.replace(/(?<![\w\\])[A-Za-z]\w*/g, (name) => (values.has(name) ? String(values.get(name)) : name));
}

/** `x + y = 5, integers`: what is said of all numbers, and no statement of its own. */
function overIntegers(text: string): string {
  const tail =
    /[,;]\s*(?:(?:all|both|over|in|for|where|are|the|numbers|variables|(?:[a-z]\s*(?:,|and)\s*)+[a-z]\s+are)\s+)*(positive\s+|non-?negative\s+)?integers?\s*\.?$/i.exec(
      text,
    );
  if (tail === null || tail.index === 0 || !/[=<>]/.test(text)) return text;
  const rest = text.slice(0, tail.index);
  const letters = [...new Set(rest.match(/(?<![A-Za-z])[a-z](?![A-Za-z(])/g) ?? [])];
  const bound = tail[1] === undefined ? '' : /^p/i.test(tail[1]) ? ' > 0' : ' >= 0';
  return `${rest}${letters.map((one) => `, ${one} ∈ ℤ${bound === '' ? '' : `, ${one}${bound}`}`).join('')}`;
}

function plain(text: string): string {
  if (/\d%(?=\s|$|[*+),;])/.test(text)) throw new Error('"%" can mean hundredths or a remainder; write 0.05 or mod');
  const signs = text
    // A set of premises.
    .replace(/^\s*\\?\{([^{}]*)\\?\}(?=\s*(?:\\models|\\vdash|\\vDash|⊢|⊨|\|[-=]|entails\b))/, '$1')
    .replace(/~/g, '¬')
    // The typewriter's ∧ and ∨, not the beginning of a command.
    .replace(/\/\\(?![A-Za-z])/g, '∧')
    .replace(/\\\//g, '∨')
    // Environments of lines, in which & aligns.
    .replace(/\\begin\{(?!.?matrix)(\w+\*?)\}(?:\{[lcr|]*\})?([\s\S]*?)\\end\{\1\}/g, (_, _name, lines: string) =>
      lines.replace(/(?<!\\)&/g, ' '),
    )
    .replace(/\\[()[\]]|\$/g, ' ');
  return (/\\|[\^_]\s*\{/.test(signs) ? plainFromLatex(signs, LATEX) : signs)
    .replace(/[−–—](?!>)/g, '-')
    .replace(/[“”‘’]/g, ' ')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\s*\n\s*/g, '\n');
}

/**
 * `1. P`, `(2) Q`, `P1: R`, `Premise 1: S` lose their labels; `Conclusion: C`, `/ C` and a line of dashes above it
 * become `∴ C`.
 */
function premiseLines(text: string): string {
  const labelled = text
    .replace(/^[ \t]*(?:[-_=─—]{3,}|_{3,})[ \t]*$/gm, '∴')
    .replace(/(?:^|[\n.;,])[ \t]*(?:given|premises?)(?:\s*\(?\d+\)?)?\s*:/gi, '\n')
    .replace(/(?:^|[\n.;,])[ \t]*conclusion(?:\s*\d+)?\s*:/gi, '\n∴ ')
    .replace(/^[ \t]*\(?(?:P|Pr)?(\d{1,2})[.):](?!\d)[ \t]+/gm, '');
  return labelled
    .replace(/\/\s*∴/g, '∴')
    .replace(/[,;\s]*∴(?=[\s\S])/g, ' ∴ ')
    .replace(/[.?\s]+$/, '');
}
