/** What a model writes around and inside formulas, made plain: code fences, LaTeX, the words of a question, numbered premises. */

export type Command = 'any' | 'valid' | 'consistent' | 'tautology' | 'equivalent' | 'table';

export interface Asked {
  readonly command: Command;
  /** Formulas in plain symbols; premises on lines of their own. */
  readonly text: string;
}

const LATEX: Readonly<Record<string, string>> = {
  ...{ rightarrow: '→', to: '→', implies: '→', Rightarrow: '→', supset: '→', longrightarrow: '→', Longrightarrow: '→' },
  ...{
    leftrightarrow: '↔',
    Leftrightarrow: '↔',
    iff: '↔',
    equiv: '≡',
    longleftrightarrow: '↔',
    Longleftrightarrow: '↔',
  },
  ...{ land: '∧', wedge: '∧', lor: '∨', vee: '∨', neg: '¬', lnot: '¬', sim: '¬', oplus: '⊕', bullet: '•', cdot: '·' },
  ...{
    forall: '∀',
    exists: '∃',
    nexists: '∄',
    therefore: '∴',
    vdash: '⊢',
    models: '⊢',
    vDash: '⊢',
    bot: '⊥',
    top: '⊤',
  },
  ...{ leq: '≤', le: '≤', geq: '≥', ge: '≥', neq: '≠', ne: '≠', times: '*', div: '/', bmod: ' mod ', mod: ' mod ' },
  ...{ in: '∈', mathbb: '', mathrm: '', text: '', quad: ' ', qquad: ' ', left: '', right: '' },
};

/** Code fences and quotes around the whole. */
export function withoutFence(input: string): string {
  const fenced = /^\s*```[\w+-]*[ \t]*\n?([\s\S]*?)\n?```\s*$/.exec(input)?.[1] ?? input;
  return fenced.trim().replace(/^(["'`])([\s\S]*)\1$/, '$2');
}

/** Reads what is asked of the formulas, and the formulas in plain symbols. */
export function readAsked(input: string): Asked {
  let text = plain(withoutFence(input));
  let command = 'any' as Command;
  const take = (pattern: RegExp, means: Command): void => {
    const match = pattern.exec(text);
    if (match === null) return;
    if (command !== 'any' && command !== means) throw new Error('two questions at once; ask one of them');
    command = means;
    text = match[1]!.trim();
  };
  const lead = String.raw`^(?:(?:check|test|prove|show|determine|decide|is|are|whether|if|that|the|this|following|for|of)\s+)*`;
  const rest = String.raw`\s*(?:[:?]|\bof\b|\bfor\b)?\s*([\s\S]+)$`;
  take(new RegExp(`${lead}(?:truth[ _-]?table)${rest}`, 'i'), 'table');
  take(new RegExp(`${lead}(?:logical(?:ly)? )?(?:equivalen(?:t|ce))${rest}`, 'i'), 'equivalent');
  take(new RegExp(`${lead}(?:tautology|contingent|contradiction)${rest}`, 'i'), 'tautology');
  take(new RegExp(`${lead}(?:consisten(?:t|cy)|satisfiab(?:le|ility)|sat)${rest}`, 'i'), 'consistent');
  take(new RegExp(`${lead}(?:validity|valid|entails?(?=\\s*:))${rest}`, 'i'), 'valid');
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
  return { command, text: premiseLines(text) };
}

function plain(text: string): string {
  if (/\d%(?=\s|$|[*+),;])/.test(text)) throw new Error('"%" can mean hundredths or a remainder; write 0.05 or mod');
  return (
    text
      .replace(/\\begin\{\w+\*?\}|\\end\{\w+\*?\}/g, '')
      .replace(/\\\\(?=\s|$)/g, '\n')
      .replace(/\\pmod\s*\{?(\w+)\}?/g, '(mod $1)')
      .replace(/\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g, '(($1)/($2))')
      .replace(/\\([A-Za-z]+)/g, (all, name: string) => {
        const value = Object.hasOwn(LATEX, name) ? LATEX[name] : undefined;
        if (value === undefined) throw new Error(`cannot read ${all}; write e.g. p -> q, p |- q`);
        return /^[ ]?mod|^$/.test(value) ? value : ` ${value} `;
      })
      // Not the beginning of `/\ `, which is ∧.
      .replace(/(?<!\/)\\[()[\],;! ]/g, ' ')
      .replace(/\$/g, ' ')
      .replace(/\{R\}|ℝ/g, 'ℝ')
      .replace(/\{Z\}|ℤ/g, 'ℤ')
      .replace(/[−–—](?!>)/g, '-')
      .replace(/[“”‘’]/g, ' ')
      .replace(/[^\S\n]+/g, ' ')
      .replace(/\s*\n\s*/g, '\n')
      .replace(/\u00a0/g, ' ')
  );
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
