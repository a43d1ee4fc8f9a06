/** Big integers: what exact.ts computes with. */

/** Bits of an integer up to which arithmetic is quick. */
export const INTEGER_BITS = 1 << 18;

export function bitsOf(n: bigint): number {
  return n === 0n ? 0 : (n < 0n ? -n : n).toString(16).length * 4;
}

export function magnitude(n: bigint): bigint {
  return n < 0n ? -n : n;
}

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [magnitude(a), magnitude(b)];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

export function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt(Math.ceil(bitsOf(n) / 2));
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** n (n − 1) … over k factors. */
export function falling(n: bigint, k: bigint): bigint {
  let result = 1n;
  for (let i = 0n; i < k; i++) result = shown(result * (n - i), i);
  return result;
}

/** Throws for a product that has become too long; looks at every 64th factor. */
function shown(result: bigint, factor: bigint): bigint {
  if (factor % 64n === 0n && bitsOf(result) > INTEGER_BITS) {
    throw new Error('the result is not a finite number that can be shown: it has more than 78,000 digits');
  }
  return result;
}

export function chosen(n: bigint, k: bigint): bigint {
  if (k > n) return 0n;
  if (k > n - k) return chosen(n, n - k);
  let result = 1n;
  for (let i = 1n; i <= k; i++) result = shown((result * (n - k + i)) / i, i);
  return result;
}

/** s · n / d by mathjs' name of the rounding. */
export function rounded(name: string, { s, n, d }: { s: bigint; n: bigint; d: bigint }): bigint {
  const [whole, rest] = [n / d, n % d];
  // mathjs and people round halves away from zero.
  if (name === 'round') return s * (rest * 2n >= d ? whole + 1n : whole);
  const up = name === 'ceil' ? s > 0n : name === 'floor' ? s < 0n : false;
  return s * (up && rest > 0n ? whole + 1n : whole);
}
