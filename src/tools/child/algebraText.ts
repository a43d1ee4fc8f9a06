/** LaTeX and Unicode of calculus in plain characters, with the bounds of ∫, Σ, Π and lim in ⟦ ⟧, before the rest is read. */
import { closing, plainText, unwrapped } from './normalize.js';
import { latexMixed } from './writtenForms.js';

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ';
const SUBSCRIPTS = '₀₁₂₃₄₅₆₇₈₉₊₋ₙ';
const PLAIN = '0123456789+-n';

/** The problem in plain characters, as `algebraTokens.ts` cuts it. */
export function algebraText(input: string): string {
  let text = latexMixed(unwrapped(input, 'algebra'))
    .replace(
      /\\begin\{(?:cases|aligned|align\*?|array|gathered)\}(?:\{[^}]*\})?|\\end\{(?:cases|aligned|align\*?|array|gathered)\}/g,
      ' ',
    )
    .replace(/\\mathbb\s*\{?\s*([A-Z])\s*\}?/g, ' $1')
    .replace(/\\(?:mathrm|operatorname|text|rm)\s*\{\s*d\s*\}/g, ' d')
    .replace(/\\partial\s*|∂\s*/g, 'd')
    .replace(/\\(?:rightarrow|longrightarrow|Rightarrow|to)(?![A-Za-z])|→/g, ' -> ')
    .replace(/\\in(?![A-Za-z])|∈/g, ' in ')
    .replace(/\\(?:prime)(?![A-Za-z])|′|’/g, "'")
    .replace(/″|”(?=\s*[+\-=(])/g, "''")
    .replace(/\^\s*\{\s*('+)\s*\}|\^\s*('+)/g, '$1$2')
    .replace(/\\(?:dots|ldots|cdots)/g, '…')
    .replace(/≠/g, ' != ')
    .replace(/\\iint(?![A-Za-z])/g, '\\int\\int')
    .replace(/∬/g, '∫∫')
    .replace(/\\left\s*(?=[([|{.\\])|\\right\s*(?=[)\]|}.\\])/g, '')
    .replace(/\\(?:lvert|rvert|vert|mid)(?![A-Za-z])/g, '|');
  // ∫ x dx from 0 to 1
  text = text.replace(
    /^\s*(?:∫|\\?int(?![A-Za-z]))\s*(?![_^])([^,]*?)\s*(d[a-z])\s*,?\s+from\s+([^,]+?)\s+to\s+([^,]+)$/,
    'integrate $1 $2 from $3 to $4',
  );
  text = derivatives(bounded(text));
  return plainText(text, 'algebra')
    .replace(/(?<=[\w)])\s*[×·∙⋅]\s*|[×·]/g, '*')
    .replace(/[\u2009\u200a]/g, ' ')
    .replace(/(\d+(?:\.\d+)?)\s*(?:°|degrees?\b|deg\b)/g, '($1*pi/180)')
    .replace(/ħ/g, 'hbar')
    .replace(/≡/g, ' ≡ ')
    .replace(/\u00b2/g, '^2');
}

const OPERATORS: Readonly<Record<string, string>> = { int: 'int', '∫': 'int', '∑': 'sum', Σ: 'sum', '∏': 'prod' };

/** `\int_0^{2\pi}` is ` int⟦0⟧⟦2\pi⟧ `. */
function bounded(text: string): string {
  const sign =
    /\\(int|sum|prod|lim)(?![A-Za-z])|[∫∑∏]|Σ(?=\s*_)|(?<![A-Za-z\\])(int|integral|sum|prod|lim)(?=\s*_)|(?<![A-Za-z\\])lim(?=\s+[A-Za-z]\w*\s*->)|(?<![A-Za-z\\])int(?=\s+[^(][^,]*d[a-z]\b)/g;
  let out = '';
  let from = 0;
  for (let found = sign.exec(text); found !== null; found = sign.exec(text)) {
    const name = (found[1] ?? found[2] ?? OPERATORS[found[0]] ?? 'lim').replace('integral', 'int');
    let at = found.index + found[0].length;
    const limits = /^\s*\\(?:no)?limits/.exec(text.slice(at));
    if (limits) at += limits[0].length;
    const parts: { low: string; high: string } = { low: '', high: '' };
    const bare =
      name === 'lim'
        ? /^\s+([A-Za-z]\w*)\s*->\s*(-?\s*(?:\\infty|∞|[\w.]+(?:\/\w+)?)(?:\^?[+-](?=[\s(]))?)/.exec(text.slice(at))
        : null;
    if (bare) {
      parts.low = `${bare[1]} -> ${bare[2]}`;
      at += bare[0].length;
    }
    for (let round = 0; round < 2; round++) {
      const part = script(text, at);
      if (part === null) break;
      parts[part.low ? 'low' : 'high'] = part.text;
      at = part.end;
    }
    const high = name === 'lim' ? '' : `⟦${bounded(parts.high)}⟧`;
    out += `${text.slice(from, found.index)} ${name}⟦${bounded(parts.low)}⟧${high} `;
    from = at;
    sign.lastIndex = at;
  }
  return out + text.slice(from);
}

/** The script at a place: `_{n=1}`, `^\infty`, `_0`, `₀`, `_(n=1)`. */
function script(text: string, start: number): { low: boolean; text: string; end: number } | null {
  let at = start + /^\s*/.exec(text.slice(start))![0].length;
  const run = new RegExp(`^(?:[${SUPERSCRIPTS}]+|[${SUBSCRIPTS}]+|∞)`).exec(text.slice(at))?.[0];
  if (run !== undefined && run !== '∞') {
    const low = SUBSCRIPTS.includes(run[0]!);
    const plain = [...run].map((c) => PLAIN[(low ? SUBSCRIPTS : SUPERSCRIPTS).indexOf(c)]).join('');
    return { low, text: plain, end: at + run.length };
  }
  const mark = text[at];
  if (mark !== '_' && mark !== '^') return null;
  at += 1 + /^\s*/.exec(text.slice(at + 1))![0].length;
  if (text[at] === '{' || text[at] === '(') {
    const end = closing(text, at);
    if (end < 0) throw new Error('a bracket is not closed');
    return { low: mark === '_', text: text.slice(at + 1, end), end: end + 1 };
  }
  const one =
    /^[+-]?\s*(?:\\frac\s*(?:\{[^{}]*\}\s*\{[^{}]*\}|\d\s*\d)|\\[A-Za-z]+|\d+(?:\.\d+)?(?:pi|π)?|∞|π|[A-Za-z]+)/.exec(
      text.slice(at),
    )?.[0];
  if (one === undefined) throw new Error('a bound is not understood; write integrate(x^2, x, 0, 3)');
  return { low: mark === '_', text: one, end: at + one.length };
}

/** `d^2/dx^2`, `\frac{d}{dx}` are ` deriv⟦x⟧⟦2⟧ `; `dy/dx`, `d^2y/dx^2` are y' and y''. */
function derivatives(text: string): string {
  const order = '(?:\\^\\s*\\{?\\s*(\\d)\\s*\\}?|([²³]))?';
  const name = '(\\\\?[A-Za-z]+?)';
  const forms = [
    new RegExp(
      `\\\\d?frac\\s*\\{\\s*d\\s*${order}\\s*([A-Za-z]?)\\s*\\}\\s*\\{\\s*d\\s*${name}\\s*${order}\\s*\\}`,
      'g',
    ),
    new RegExp(`(?<![A-Za-z\\d])\\(\\s*d${order}\\s*([A-Za-z]?)\\s*\\/\\s*d\\s*${name}${order}\\s*\\)`, 'g'),
    new RegExp(`(?<![A-Za-z\\d])d${order}\\s*([A-Za-z]?)\\s*\\/\\s*d\\s*${name}${order}(?![A-Za-z\\d])`, 'g'),
  ];
  let out = text;
  for (const form of forms) {
    out = out.replace(form, (_all, a?: string, b?: string, f?: string, variable?: string, c?: string, d?: string) => {
      const power = (x?: string, y?: string) => Number(x ?? (y === undefined ? 1 : y === '²' ? 2 : 3));
      const [n, m] = [power(a, b), power(c, d)];
      if (n !== m) throw new Error('the orders of a derivative differ; write d^2/dx^2');
      return f ? ` ${f}${"'".repeat(n)}⟦${variable}⟧ ` : ` deriv⟦${variable}⟧⟦${n}⟧ `;
    });
  }
  return out;
}
