/**
 * The normal, t, chi-squared, F, binomial and Poisson distributions from the incomplete beta and gamma functions of
 * Cephes. What is ours is the choice of the tail that is computed, so that no small probability comes from 1 − p.
 *
 * test/src/tools/distributions.test.ts holds it to 6e-12 of mpmath, in tails too. Tried and wrong there: jstat,
 * lib-r-math.js, and @stdlib for chi-squared with many degrees of freedom, in 244 packages of 29 MB.
 */
import { compiled, igam, igamc, incbet, lgam, ndtr, ndtri } from 'cephes';
import { bisect } from 'simple-statistics';

// Cephes is WebAssembly, which compiles asynchronously; nothing of it may be called before.
await compiled;

export { lgam as logGamma, ndtri as normalQuantile };

/** Up to here Cephes' continued fraction converges at the mean, its slowest point; ten times further it is 1e-3 off. */
const LARGEST = 500_000;

/** Bounds of ln x for every x > 0 that a double can hold, and how exact a solution is in ln x. */
const [LOWEST, HIGHEST, TOLERANCE] = [-745, 709, 1e-13];

/** Regularised incomplete beta function I_x(a, b). */
function incompleteBeta(a: number, b: number, x: number): number {
  if (Math.min(a, b) > LARGEST) {
    throw new Error(`more than ${2 * LARGEST} trials or degrees of freedom are too many; normal_cdf serves there`);
  }
  return incbet(a, b, x);
}

/** P(a, x), the regularised lower incomplete gamma function. */
function gammaLower(a: number, x: number): number {
  return x <= 0 ? 0 : unlessUnderflow(() => igam(a, x), x > a ? 1 : 0);
}

/** Q(a, x) = 1 − P(a, x). */
function gammaUpper(a: number, x: number): number {
  return x <= 0 ? 1 : unlessUnderflow(() => igamc(a, x), x > a ? 0 : 1);
}

/** Cephes throws where one of the two tails is below 1e-308; the value is 0 or 1 there. */
function unlessUnderflow(compute: () => number, limit: number): number {
  try {
    return compute();
  } catch (error) {
    if (/underflow/.test((error as Error).message)) return limit;
    throw error;
  }
}

export function normalCdf(z: number): number {
  // Below −27 ndtr loses digits, from −30 on all of them.
  return z < -20 ? gammaUpper(0.5, (z * z) / 2) / 2 : ndtr(z);
}

export function tCdf(t: number, df: number): number {
  const tail = tTwoSided(t, df) / 2;
  return t > 0 ? 1 - tail : tail;
}

/** P(|T| ≥ |t|). */
export function tTwoSided(t: number, df: number): number {
  // Near 0 the argument of the tail is so close to 1 that it has lost t.
  return t * t < 1 ? 1 - tCentre(t, df) : incompleteBeta(df / 2, 0.5, df / (df + t * t));
}

/** P(|T| < |t|). */
function tCentre(t: number, df: number): number {
  return incompleteBeta(0.5, df / 2, 1 / (1 + df / (t * t)));
}

export function tQuantile(p: number, df: number): number {
  if (p === 0.5) return 0;
  const [centre, tails] = [Math.abs(2 * p - 1), 2 * Math.min(p, 1 - p)];
  const size = solve((t) => (centre < 0.5 ? tCentre(t, df) - centre : tails - tTwoSided(t, df)));
  return p < 0.5 ? -size : size;
}

export function chiSquareCdf(x: number, df: number): number {
  return gammaLower(df / 2, x / 2);
}

export function chiSquareUpper(x: number, df: number): number {
  return gammaUpper(df / 2, x / 2);
}

export function chiSquareQuantile(p: number, df: number): number {
  return solve((x) => (p < 0.5 ? chiSquareCdf(x, df) - p : 1 - p - chiSquareUpper(x, df)));
}

export function fCdf(f: number, df1: number, df2: number): number {
  return f <= 0 ? 0 : incompleteBeta(df1 / 2, df2 / 2, 1 / (1 + df2 / (df1 * f)));
}

export function fUpper(f: number, df1: number, df2: number): number {
  return f <= 0 ? 1 : incompleteBeta(df2 / 2, df1 / 2, 1 / (1 + (df1 * f) / df2));
}

export function binomialCdf(n: number, p: number, k: number): number {
  return k >= n ? 1 : incompleteBeta(n - k, k + 1, 1 - p);
}

export function poissonCdf(rate: number, k: number): number {
  return gammaUpper(k + 1, rate);
}

/** P(X > k). */
export function binomialUpper(n: number, p: number, k: number): number {
  return k >= n ? 0 : k < 0 ? 1 : incompleteBeta(k + 1, n - k, p);
}

/** P(X > k). */
export function poissonUpper(rate: number, k: number): number {
  return k < 0 ? 1 : gammaLower(k + 1, rate);
}

export function fQuantile(p: number, df1: number, df2: number): number {
  return solve((x) => (p < 0.5 ? fCdf(x, df1, df2) - p : 1 - p - fUpper(x, df1, df2)));
}

export function betaCdf(x: number, a: number, b: number): number {
  return x <= 0 ? 0 : x >= 1 ? 1 : incompleteBeta(a, b, x);
}

export function betaQuantile(p: number, a: number, b: number): number {
  // x / (1 − x) is b / a times a quantile of F.
  const odds = (a / b) * fQuantile(p, 2 * a, 2 * b);
  return odds / (1 + odds);
}

/** The x > 0 at which an increasing function is 0. In ln x the same tolerance serves 1e-40 and 1e40. */
function solve(difference: (x: number) => number): number {
  return Math.exp(bisect((log) => difference(Math.exp(log)), LOWEST, HIGHEST, 100, TOLERANCE));
}
