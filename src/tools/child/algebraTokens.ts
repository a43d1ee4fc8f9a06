/** Text of a formula in plain characters, cut into tokens. */

export interface Token {
  readonly kind: 'num' | 'name' | 'op' | 'text' | 'end';
  readonly text: string;
  /** Whether a space stands before it. */
  readonly spaced: boolean;
}

/** Longest first; a Greek letter is a name by itself, as in λt, but Δx is one. `⟦ ⟧` hold the bounds of ∫, Σ, Π and lim. */
const PATTERN =
  /(\s*)(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+(?![A-Za-z\d(]))?|\.\d+)|(Δ?[A-Za-z_][A-Za-z\d_]*(?:(?<=_)[\u0370-\u03ff])?|[\u0370-\u03ff](?:_?\d+|_[A-Za-z\d]+)?)|(<=|>=|!=|==|->|[-+*/^=<>()[\]{}|,;!'.≡±⟦⟧])|"([^"]*)")/y;

/** The tokens, the last of which is the end. Throws for a character that no formula has. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  PATTERN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (PATTERN.lastIndex < end) {
    const at = PATTERN.lastIndex;
    const found = PATTERN.exec(text);
    if (found === null)
      throw new Error(`${JSON.stringify(text.slice(at).trim()[0])} is not understood; write e.g. solve(2*x+3=11, x)`);
    const [, space, number, name, op, quoted] = found;
    const spaced = space !== '';
    if (number !== undefined) tokens.push({ kind: 'num', text: number, spaced });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, spaced });
    else if (op !== undefined) tokens.push({ kind: 'op', text: op, spaced });
    else tokens.push({ kind: 'text', text: quoted ?? '', spaced });
    if (tokens.length > 3000) throw new Error('the formula is too long; write less at once');
  }
  tokens.push({ kind: 'end', text: 'the end', spaced: true });
  return tokens;
}
