/**
 * Distribution functions that no installed library has: Student's t, chi-squared, F and the inverse normal, computed
 * from the incomplete beta and gamma functions (continued fractions and series as in Abramowitz & Stegun 6.5, 26.5).
 */

const EPSILON = 1e-15;
const TINY = 1e-300;
const MAX_TERMS = 10_000;

/** ln Γ(x), x > 0: Lanczos, g = 7, relative error about 1e-15. */
export function logGamma(x: number): number {
  const c = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = c[0]!;
  for (let i = 1; i < c.length; i++) sum += c[i]! / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised incomplete beta function I_x(a, b). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The continued fraction converges fast below the mean; above it I_x(a, b) = 1 − I_{1−x}(b, a).
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m < MAX_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return front * h;
}

/** Regularised lower incomplete gamma function P(a, x). */
export function incompleteGamma(a: number, x: number): number {
  if (x <= 0) return 0;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < MAX_TERMS && Math.abs(term) > Math.abs(sum) * EPSILON; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return front * sum;
  }
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / nonZero(b);
  let h = d;
  for (let n = 1; n < MAX_TERMS; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / nonZero(an * d + b);
    c = nonZero(b + an / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return 1 - front * h;
}

export function normalCdf(z: number): number {
  const half = 0.5 * incompleteGamma(0.5, (z * z) / 2);
  return z < 0 ? upperTail(-z) : 0.5 + half;
}

/** Q(z) for z ≥ 0 without cancellation. */
function upperTail(z: number): number {
  return z < 1 ? 0.5 - 0.5 * incompleteGamma(0.5, (z * z) / 2) : 0.5 * upperGamma(0.5, (z * z) / 2);
}

function upperGamma(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let h = d;
  for (let n = 1; n < MAX_TERMS; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / nonZero(an * d + b);
    c = nonZero(b + an / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return Math.exp(a * Math.log(x) - x - logGamma(a)) * h;
}

export function tCdf(t: number, df: number): number {
  const tail = 0.5 * incompleteBeta(df / (df + t * t), df / 2, 0.5);
  return t > 0 ? 1 - tail : tail;
}

/** P(|T| ≥ |t|). */
export function tTwoSided(t: number, df: number): number {
  return incompleteBeta(df / (df + t * t), df / 2, 0.5);
}

export function chiSquareUpper(x: number, df: number): number {
  if (x <= 0) return 1;
  return x < df / 2 + 1 ? 1 - incompleteGamma(df / 2, x / 2) : gammaUpperSafe(df / 2, x / 2);
}

function gammaUpperSafe(a: number, x: number): number {
  return x < a + 1 ? 1 - incompleteGamma(a, x) : upperGamma(a, x);
}

export function fUpper(f: number, df1: number, df2: number): number {
  return f <= 0 ? 1 : incompleteBeta(df2 / (df2 + df1 * f), df2 / 2, df1 / 2);
}

/** x with cdf(x) = p, for a continuous increasing cdf: brackets x by doubling, then bisects to a relative 1e-14. */
export function invert(cdf: (x: number) => number, p: number, lowest: number): number {
  let high = 1;
  while (cdf(high) < p && high < 1e300) high *= 2;
  let low = lowest;
  if (low === Number.NEGATIVE_INFINITY) {
    low = -1;
    while (cdf(low) > p && low > -1e300) low *= 2;
  }
  for (let i = 0; i < 200 && high - low > 1e-14 * Math.max(Math.abs(low), Math.abs(high)); i++) {
    const middle = (low + high) / 2;
    if (cdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function nonZero(x: number): number {
  return Math.abs(x) < TINY ? TINY : x;
}
