/** Sums and products of the calculator, against loops over fractions of big integers; where one ends is not guessed. */
import { describe, expect, it } from 'vitest';
import { createCalculator } from '../../../src/tools/child/calculator.js';
import { answering } from './answer.js';

const answer = answering(createCalculator());

type Fraction = readonly [n: bigint, d: bigint];
const value = (text: string): number => {
  const exactly = /exactly (-?\d+)\/(\d+)/.exec(text);
  return exactly === null ? Number(/^-?[\d.]+(?:e[-+]?\d+)?/.exec(text)?.[0]) : Number(exactly[1]) / Number(exactly[2]);
};

/** LaTeX, plain, and the term. */
const TERMS: readonly (readonly [latex: string, plain: string, term: (k: bigint) => Fraction])[] = [
  ['k^2', 'k^2', (k) => [k * k, 1n]],
  ['k(k+1)', 'k*(k+1)', (k) => [k * (k + 1n), 1n]],
  ['(2k - 1)', '2*k - 1', (k) => [2n * k - 1n, 1n]],
  ['\\frac{1}{k}', '1/k', (k) => [1n, k]],
  ['\\frac{1}{2^{k}}', '1/2**k', (k) => [1n, 2n ** k]],
  ['\\left(1 - \\frac{1}{k+1}\\right)', '1 - 1/(k+1)', (k) => [k, k + 1n]],
  ['3 \\cdot 2^{k-1}', '3*2**(k-1)', (k) => [3n * 2n ** (k - 1n), 1n]],
  [
    'k! + k',
    'factorial(k) + k',
    (k) => [Array.from({ length: Number(k) }, (_, i) => BigInt(i + 1)).reduce((a, b) => a * b, 1n) + k, 1n],
  ],
];

describe('sums and products', () => {
  it('are those of a loop, however they are written', () => {
    const off: unknown[] = [];
    for (const [latex, plain, term] of TERMS) {
      for (const [from, to] of [
        [1, 1],
        [1, 5],
        [3, 9],
      ] as const) {
        const terms = Array.from({ length: to - from + 1 }, (_, i) => term(BigInt(from + i)));
        const sum = terms.reduce(([n, d], [a, b]): Fraction => [n * b + a * d, d * b], [0n, 1n] as Fraction);
        const product = terms.reduce(([n, d], [a, b]): Fraction => [n * a, d * b], [1n, 1n] as Fraction);
        for (const [name, [n, d]] of [
          ['sum', sum],
          ['prod', product],
        ] as const) {
          const sign = name === 'sum' ? '∑' : '∏';
          for (const text of [
            `\\${name}_{k=${from}}^{${to}} ${latex}`,
            `${sign}_{k=${from}}^{${to}} ${latex} = ?`,
            `${name}_{k=${from}}^${to} ${latex}`,
            `${name}((${plain}), k, ${from}, ${to})`,
            `${name}(${plain}, (k, ${from}, ${to}))`,
            `${name}(${plain} for k in range(${from}, ${to + 1}))`,
          ]) {
            const want = Number(n) / Number(d);
            if (!(Math.abs(value(answer(text)) - want) <= 1e-11 * Math.abs(want))) off.push([text, want, answer(text)]);
          }
        }
      }
    }
    expect(off).toEqual([]);
  });

  it.each([
    ['2\\sum_{k=1}^{5} k', '30 (understood as 2 sum(k, k = 1 to 5))'],
    ['100 + \\sum_{t=1}^{3} \\frac{100}{1.05^t}', /^372\.324802937 /],
    ['\\sum_{i=1}^{3} i + \\sum_{j=1}^{2} j', /^9 /],
    ['\\sum_{i=1}^{3}\\sum_{j=1}^{i} i*j', /^25 \(understood as sum\(sum\(i \* j, j = 1 to i\), i = 1 to 3\)\)/],
    ['\\frac{\\sum_{i=1}^{4} i^2}{4}', /^7\.5 /],
    ['\\sum_{x=0}^{2} \\binom{10}{x} 0.2^x 0.8^{10-x}', /^0\.677799526[34]/],
    ['\\sum_{h=1}^{3} h^2', /^14 /],
    ['sum from k=1 to 10 of k^2', /^385 /],
    ['sum(k**2 for k in range(1, 11, 2))', /^165 /],
    ['sum(1, 2, 3, 4)', '10'],
    // A second sum over the same index was part of the first: 0, -28 and 90.
    [
      '\\frac{1}{3}\\sum_{i=1}^{3} i^2 - \\left(\\frac{1}{3}\\sum_{i=1}^{3} i\\right)^2',
      /^0\.666666666667 \(exactly 2\/3\)/,
    ],
    ['\\sum_{i=1}^{3} i^2 - \\frac{1}{3}(\\sum_{i=1}^{3} i)^2', /^2 /],
    ['\\sum_{k=1}^{3} k + 2\\sum_{k=1}^{3} k^2', /^34 /],
    ['\\sum_{k=1}^{3} k + 2 sum(k^2, k, 1, 3)', /^34 /],
    ['sum(k + sum(k^2, k, 1, 3), k, 1, 2)', /^31 /],
    ['sum(sum(k, k, 1, k), k, 1, 3)', /^10 /],
    ['(\\sum_{k=1}^{3} k) \\cdot \\sum_{k=1}^{3} k^2', /^84 /],
    ['sum from k=1 to 3 of k^2 + k', /^20 /],
    ['sum of k + 5 from k=1 to 3', /^21 /],
  ])('%s', (input, expected) => {
    if (typeof expected === 'string') expect(answer(input)).toBe(expected);
    else expect(answer(input)).toMatch(expected);
  });

  it.each([
    ['\\sum_{k=1}^{5} k + 3', /two ways; write brackets/],
    ['sum from k=1 to 3 of k + 5', /two ways; write brackets/],
    ['\\sum_{k=1}^{3} k \\cdot \\sum_{k=1}^{3} k^2', /two ways; write brackets/],
    ['\\sum_{k=1}^{3} k + 1 - \\sum_{k=1}^{3} k^2', /two ways; write brackets/],
    // The i without a sum was the imaginary unit.
    ['\\sum_{i=1}^{3} i + \\sum_{j=1}^{2} i*j', /two ways; write brackets/],
    ['\\sum_{i=1}^{3} i^2 - (\\sum_{i=1}^{3} i)^2 + i', /two ways; write brackets/],
    ['\\sum_{n=1}^{\\infty} 1/n^2', /for the tool algebra/],
    ['\\sum_{n=1}^{10000000} 1/n', /for the tool python/],
    ['\\sum_{n=5}^{1} n', /no terms/],
    ['\\sum_{n=0.5}^{3} n', /whole numbers/],
    ['\\sum_{k=1}^{3}', /what is summed is missing/],
  ])('refuses %s', (input, message) => {
    expect(answer(input)).toMatch(/^refused: /);
    expect(answer(input)).toMatch(message);
  });
});

describe('roots of negative numbers', () => {
  it.each([
    ['(-8)^(1/3)', '-2 with the real root; 1 + 1.73205080757i with the principal (complex) root'],
    ['(-8)**(2/3)', /^4 with the real root; -2 \+ 3\.46410161514i with/],
    ['(-32)^0.2', /^-2 with the real root; /],
    ['5 + (-27)^(1/3)', /^2 with the real root; 6\.5 \+ 2\.59807621135i with/],
    ['(-2)^0.5', '1.41421356237i'],
    ['-8^(1/3)', '-2'],
    ['cbrt(-8)', '-2'],
    ['x = -8; x^(1/3)', '-2 with the real root; 1 + 1.73205080757i with the principal (complex) root'],
    ['x^(1/3) where x = -8', /^-2 with the real root; 1 \+ 1\.73205080757i with/],
    ['x = -8; n = 3; x^(1/n)', /^-2 with the real root; /],
    ['y = (-512)^(1/3); y^(1/3)', /^-2 with the real root; /],
    ['x = -8; x = 27; x^(1/3)', '3'],
    ['f(x) = x^(1/3); x = -8; f(27)', '3'],
  ])('%s', (input, expected) => {
    if (typeof expected === 'string') expect(answer(input)).toBe(expected);
    else expect(answer(input)).toMatch(expected);
  });
});
