/** LaTeX, as language models write formulas, in plain characters: `\frac{1}{2} \times 3^{2}` is `(1/2) × 3^2`. */

/** What a command is in plain text. `×` and `·` stay, because `2 × 10^-5` is read as one number later. */
const COMMANDS: Readonly<Record<string, string>> = {
  times: ' × ',
  cdot: ' · ',
  ast: ' * ',
  div: ' / ',
  pm: ' ± ',
  mp: ' ∓ ',
  pi: ' pi ',
  infty: ' Infinity ',
  le: ' <= ',
  leq: ' <= ',
  leqslant: ' <= ',
  ge: ' >= ',
  geq: ' >= ',
  geqslant: ' >= ',
  lt: ' < ',
  gt: ' > ',
  ne: ' != ',
  neq: ' != ',
  approx: ' ≈ ',
  simeq: ' ≈ ',
  equiv: ' ≡ ',
  bmod: ' mod ',
  mod: ' mod ',
  circ: '°',
  degree: '°',
  AA: ' angstrom ',
  hbar: ' hbar ',
  ell: ' l ',
  to: ' to ',
  mid: ' | ',
  vert: '|',
  lvert: '|',
  rvert: '|',
  lbrack: '[',
  rbrack: ']',
  lfloor: ' floor(',
  lceil: ' ceil(',
  rfloor: ')',
  rceil: ')',
  quad: ' ',
  qquad: ' ',
  displaystyle: ' ',
  textstyle: ' ',
  limits: '',
  nolimits: '',
  left: '',
  right: '',
  big: '',
  Big: '',
  bigg: '',
  Bigg: '',
  bigl: '',
  bigr: '',
  Bigl: '',
  Bigr: '',
};

/** Commands whose argument is text or a name. */
const WORDS = new Set([
  'text',
  'mathrm',
  'operatorname',
  'mathbf',
  'mathit',
  'textbf',
  'textit',
  'rm',
  'mbox',
  'boxed',
]);

/** Functions and Greek letters: the command's name is the name. */
const NAMES = new Set(
  `sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh ln log lg exp max min gcd det
   alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi varphi chi psi
   omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega int sum prod lim`.split(/\s+/),
);

const FRACTIONS = new Set(['frac', 'dfrac', 'tfrac', 'cfrac']);
const BINOMIALS = new Set(['binom', 'dbinom', 'tbinom']);

/** A single number or name needs no brackets. */
function bracketed(text: string): string {
  const inner = text.trim();
  return /^(?:[\d.]+|[A-Za-z]\w*)$/.test(inner) ? inner : `(${inner})`;
}

/** Commands of a tool's own, which come before those here. */
export type Commands = Readonly<Record<string, string>>;

/** Throws for a group that is not closed, and for commands that have no plain form. */
export function plainFromLatex(latex: string, own: Commands = {}): string {
  const reader = new Reader(latex.replace(/\\left\s*\.|\\right\s*\./g, ''), own);
  const text = reader.all();
  return text.replace(/ {2,}/g, ' ').trim();
}

class Reader {
  #at = 0;

  readonly #text: string;
  readonly #own: Commands;

  constructor(text: string, own: Commands) {
    this.#text = text;
    this.#own = own;
  }

  #plain(latex: string): string {
    return plainFromLatex(latex, this.#own);
  }

  all(): string {
    let out = '';
    while (this.#at < this.#text.length) out += this.#piece(out);
    return out;
  }

  #piece(before: string): string {
    const c = this.#text[this.#at]!;
    if (c === '\\') return this.#command();
    if (c === '{') {
      const group = this.#group();
      if (/^\s*,\s*$/.test(group)) return ',';
      const chosen = /^(.*)\\choose(?![A-Za-z])(.*)$/s.exec(group);
      if (chosen) return ` nCr(${this.#plain(chosen[1]!)}, ${this.#plain(chosen[2]!)})`;
      return bracketed(this.#plain(group));
    }
    if (c === '^' || c === '_') return this.#script(c, before);
    this.#at++;
    return c === '~' ? ' ' : c;
  }

  /** `^{2}` and `_{max}`; `^\circ` are degrees. */
  #script(mark: string, before: string): string {
    this.#at++;
    this.#spaces();
    const next = this.#text[this.#at];
    if (next !== '{' && next !== '\\') return mark;
    const plain = this.#plain(next === '{' ? this.#group() : this.#token());
    if (plain === '°') return '°';
    if (mark === '^') return `^${bracketed(plain)}`;
    const subscript = plain.replace(/\W+/g, '_');
    return /(?:^|\W)log$/.test(before) && /^\d+$/.test(subscript) ? subscript : `_${subscript}`;
  }

  #command(): string {
    const name = /^\\([A-Za-z]+|.?)/s.exec(this.#text.slice(this.#at))![1]!;
    this.#at += name.length + 1;
    if (Object.hasOwn(this.#own, name)) return this.#own[name]!;
    if (FRACTIONS.has(name)) return this.#two((a, b) => ` (${bracketed(a)}/${bracketed(b)})`);
    if (BINOMIALS.has(name)) return this.#two((n, k) => ` nCr(${n}, ${k})`);
    if (name === 'sqrt') return this.#root();
    if (name === 'pmod') return ` (mod ${this.#plain(this.#token())})`;
    if (name === 'begin') return this.#matrix();
    if (WORDS.has(name)) return this.#words(name);
    if (NAMES.has(name)) return ` ${name}${/^[A-Za-z\d]/.test(this.#text.slice(this.#at)) ? ' ' : ''}`;
    if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]!;
    // `1\,000`, `\{`, `\%`, `\$`, `\ ` and a bare backslash before a space.
    if (name === ',' || name === ':') return '\u2009';
    if (/^[;! ]?$/.test(name)) return ' ';
    if (name === '{' || name === '}') return name === '{' ? '(' : ')';
    if (/^[%$#&_]$/.test(name)) return name;
    if (name === '\\') return ' \n ';
    throw new Error(`\\${name} is not understood; write the expression in plain characters, e.g. (1/2)*sqrt(3)`);
  }

  #words(name: string): string {
    const group = this.#token();
    if (name === 'boxed') return ` (${this.#plain(group)})`;
    const plain = group.includes('\\') || group.includes('^') ? this.#plain(group) : group.replaceAll('~', ' ');
    return ` ${plain} `;
  }

  #two(write: (a: string, b: string) => string): string {
    const first = this.#plain(this.#token());
    return write(first, this.#plain(this.#token()));
  }

  #root(): string {
    this.#spaces();
    const order = /^\[([^\]]*)\]/.exec(this.#text.slice(this.#at));
    if (order) this.#at += order[0].length;
    const inner = this.#plain(this.#token());
    return order === null ? ` sqrt(${inner})` : ` nthRoot(${inner}, ${this.#plain(order[1]!)})`;
  }

  /** `\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}` is `[1, 2; 3, 4]`. */
  #matrix(): string {
    const kind = this.#token();
    const end = this.#text.indexOf(`\\end{${kind}}`, this.#at);
    if (!/^[bpv]?matrix$/.test(kind) || end < 0) {
      throw new Error(`\\begin{${kind.slice(0, 20)}} is not understood; write a matrix as [1, 2; 3, 4]`);
    }
    const rows = this.#text
      .slice(this.#at, end)
      .split('\\\\')
      .filter((row) => row.trim() !== '');
    this.#at = end + kind.length + 6;
    const inner = rows
      .map((row) =>
        row
          .split('&')
          .map((one) => this.#plain(one))
          .join(', '),
      )
      .join('; ');
    return kind === 'vmatrix' ? ` det([${inner}])` : ` [${inner}]`;
  }

  /** The argument of a command: a group, another command, or one character; of a number the first digit, as in TeX. */
  #token(): string {
    this.#spaces();
    const c = this.#text[this.#at];
    if (c === undefined) throw new Error('the LaTeX ends where an argument is expected, e.g. \\frac{1}{2}');
    if (c === '{') return this.#group();
    const start = this.#at;
    if (c === '\\') {
      this.#at += /^\\([A-Za-z]+|.?)/s.exec(this.#text.slice(start))![0].length;
      return this.#text.slice(start, this.#at);
    }
    this.#at++;
    return c;
  }

  #group(): string {
    const start = this.#at + 1;
    for (let depth = 0; this.#at < this.#text.length; this.#at++) {
      const c = this.#text[this.#at];
      if (c === '\\') this.#at++;
      else if (c === '{') depth++;
      else if (c === '}' && --depth === 0) return this.#text.slice(start, this.#at++);
    }
    throw new Error('a { of the LaTeX is not closed');
  }

  #spaces(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}
