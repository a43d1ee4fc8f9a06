/** Numbers as people write them, units, and how results are rounded. */

/** `5.0 × 10^-4`, `1.8e-5`, `10^{-11}`, `1,200`. */
export const NUMBER = String.raw`[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\.(?=\s))?(?<=\d\.?)(?:\s*(?:×|x|\*|·)\s*10\s*(?:\^\s*\{?\(?[-−+]?|[-−])\d+\)?\}?|[eE][-−+]?\d+|(?<=(?<![\d.,])10)\s*\^\s*\{?\(?[-−+]?\d+\)?\}?)?(?!\d|[.,]\d|\s*[×*·^]|\s*x\s*10|[eE][-+−]?\d)`;

export function numberFrom(text: string): number {
  const plain = text
    .replace(/[−]/g, '-')
    .replace(/[{}()\s]/g, '')
    .replace(/,(?=\d{3})/g, '');
  const power = /^(-?)10\^([-+]?\d+)$/.exec(plain);
  const value =
    power !== null ? Number(`${power[1]}1e${power[2]}`) : Number(plain.replace(/(?:×|x|\*|·)10\^?([-+]?\d+)/, 'e$1'));
  if (!Number.isFinite(value)) throw new Error(`cannot read the number "${text.trim()}"`);
  return value;
}

/** Six significant digits, without zeros at the end. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) throw new Error('the result is not a finite number');
  const rounded = Number(value.toPrecision(6));
  return rounded !== 0 && Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
}
