/** The calculator on what is written in words and without signs. Values were computed by hand or with Python's fractions. */
import { describe, expect, it } from 'vitest';
import { createCalculator } from '../../../src/tools/child/calculator.js';
import { answering } from './answer.js';

const answer = answering(createCalculator());

describe('the calculator understands', () => {
  it.each([
    // A mixed number was read as a product: 1\frac{3}{4} as 0.75.
    ['1\\frac{3}{4} + 2\\frac{1}{2}', '4.25 (understood as (1+3/4) + (2+1/2))'],
    ['5 2/3 - 1 1/3', /^4\.33333333333 \(exactly 13\/3\)/],
    ['3\\frac12', /^3\.5 /],
    ['3 1/2% of 200', /^7 /],
    ['6 (1/2)', /^refused: 6 \(1\/2\) may be 6 and 1\/2, or 6 times 1\/2/],
    ['3*(1/2)', '1.5'],
    ['2^2(1/2)', '2'],
    ['0.5*m*v^2 where m = 2, v = 3', /^9 /],
    ['m=2, v=3, 0.5*m*v^2', /^9 /],
    ['A = P(1+r/n)^{nt}, P = 1000, r = 0.05, n = 12, t = 3', /^1161\.47223133 /],
    ['P(1+r)^t where P = 1000, r = 5% and t = 3', /^1157\.625 /],
    // The metre of the speed was the mass: 36 kg^3 / s^2.
    ['0.5 m v^2 where m = 2 kg, v = 3 m/s', /^9 J /],
    ['m = 2 kg; v = 3 m/s; 0.5*m*v^2', '9 J'],
    ['m = 2; v = 3; 0.5*m*v^2', '9'],
    ['log base 2 of 8', /^3 /],
    ['\\log_3(9)', /^2 /],
    ['\\log_{3}{9}', /^2 /],
    ['\\log_2 8', /^3 /],
    ['100/7 rounded to 2 decimal places', /^14\.29 /],
    ['50 is what percent of 200', /^25 /],
    ['What percent of 200 is 50?', /^25 /],
    ['increase 80 by 15%', /^92 /],
    ['decrease $80 by 15%', /^68 .*in \$/],
    ['average of 3, 5 and 7', /^5 /],
    ['\\binom{10}{3} 0.2^3 0.8^7', /^0\.201326592 /],
    ['72 F in Celsius', /^22\.2222222222 degC/],
    // A power of a product without a sign is of its last letter: `(a*x)^2` made 81 of it.
    ['ax^2 + bx + c where a = 2, b = 3, c = 5, x = 4', /^49 /],
    ['mv^2/r where m=2, v=3, r=4', /^4\.5 /],
    ['v + at^2/2, v=1, a=2, t=3', /^10 /],
    ['m + ab! where m=1, a=2, b=3', /^13 /],
    ['2^ab + a where a=2, b=3', /^refused: \^ab can be read in two ways/],
    ['t + e^0.05nt where n=2, t=3', /^refused: \^nt can be read in two ways/],
    ['t + e^{nt} where n=2, t=3', /^406\.428793493 /],
    ['x/yz where x=12, y=2, z=3', /^refused: \/yz can be read in two ways/],
    ['x/y mv^2 where x=12, y=2, m=3, v=2', /^refused: \/mv can be read in two ways/],
    ['A/P(1+r) where A=12, P=2, r=3', /^refused: .*P\(…\) can be read in two ways/],
    ['6 / m v where m = 2 kg, v = 3 m/s', /^refused: .* can be read in two ways/],
    // The s was a second of the denominator, and the value 2.
    ['F / m s where F=12, m=2, s=3', /^refused: .*can be read in two ways/],
    ['s + 1/2m where m=2, s=3', /^refused: .*can be read in two ways/],
    ['2*pi*p + i where p=2, i=3', /^15\.5663706144 /],
    ['p + i + pi where p=2, i=3', /^8\.14159265359 /],
    // The sign before it hid the mixed number, which was a product.
    ['3\\times2\\frac{1}{2}', /^7\.5 /],
    ['4\\cdot2\\frac{1}{2}', /^10 /],
    ['\\sum_{k=1}^{3} 2\\frac{1}{2}', /^7\.5 /],
    ['\\sum_{k=1}^{3}2\\frac12', /^7\.5 /],
    ['\\frac12\\frac12', /^0\.25 /],
    ['\\sqrt2\\frac12', /^0\.707106781187 /],
    // Beside h and c, e is more often a charge than 2.718.
    ['h*c/(30000 * e)', /^refused: e may be the elementary charge/],
    ['e^2 * 3', /^22\.16716829/],
  ])('%s', (input, expected) => {
    if (typeof expected === 'string') expect(answer(input)).toBe(expected);
    else expect(answer(input)).toMatch(expected);
  });
});
