/**
 * `algebra` and Python with SymPy, in their child: what they answer, against mathjs in numbers, and that what was computed before
 * changes nothing. SPARK_TEST_FULL=1 takes 300 generated problems, else 3 are.
 */
import { evaluate, parse } from 'mathjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/random.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../../src/tools/registry.js';
import { full } from '../full.js';

const context = { timeoutMs: 20_000, maxObservationChars: 600 };
let registry: ToolRegistry;
beforeAll(() => {
  registry = createBuiltinRegistry({ tools: ['algebra', 'python'] });
  return registry.warm();
});
afterAll(() => registry.dispose());

const ask = async (input: string): Promise<string> => {
  const { ok, observation } = await registry.run('algebra', input, context);
  return `${ok ? '' : 'refused: '}${observation}`;
};

const SLOW: readonly [string, RegExp][] = [
  ['solve(cos(x)=x, x)', /^x ≈ 0\.7390851332/],
  ['sin(x) > 1/2', /for 0 <= x < 2\*pi, and the same after each 2\*pi/],
  ['e^x = x + 2', /-1\.841406 or x ≈ 1\.146193221/],
  ['integrate(x^x, x, 0, 1)', /^≈ 0\.7834305107\nread|^≈ 0\.7834305107\nby numbers/],
  ['x sin(x) = 1', /^x ≈ .*x ≈ 1\.114157141/],
  ['integrate(csc(x), x)', /^ln\(abs\(/],
];

describe('algebra', () => {
  it.each([
    ['solve(2*x+3=11, x)', '4'],
    ['vertex of y = x^2 - 4x + 3', /^\(2, -1\)/],
    ['complete the square 3x^2 + 7x - 5', /^3\*\(x \+ 7\/6\)\^2 - 109\/12/],
    ['tangent line to y = x^2 at (3, 8)', /^refused: the point is not on the curve/],
    // In `ax` it is not known where the name ends.
    ['inverse of f(x) = (ax+b)/(x-c)', /^refused: /],
    ['complete the square x^3 + 1', /^refused: .*degree 2/],
    ['midpoint of (1,2) and (4,8)', /^\[5\/2 = 2\.5, 5\]/],
    ['2x + 3 = 11', 'x = 4\nread as solve(2*x + 3 = 11)'],
    ['solve(x^2 = 2, x)', 'x = -sqrt(2) ≈ -1.414214 or x = sqrt(2) ≈ 1.414214'],
    ['solve(x^3 - 3x^2 + 4, x)', /^x = -1 or x = 2 \(2 times\)/],
    ['solve(sin(x) = 1/2, x)', /^x = 2\*pi\*n \+ pi\/6 \(n any integer\) or x = 2\*pi\*n \+ 5\*pi\/6/],
    ['solve(sqrt(x) = -1, x)', /^refused: no solution was found/],
    ['x^2 + y^2 = 25, x + y = 7', /^x = 3, y = 4; or x = 4, y = 3/],
    ['(x - 1)/(x + 2) >= 0', /^x < -2 or x >= 1/],
    ['x^2 + y = 3', /^refused: several variables \(x, y\)/],
    ['0 = 1', /^false/],
    ['1/f = 1/p + 1/q, f = 20, p = 30; solve for q', /^q = 60/],
    ['2*2^(-t/3) = 1/2*2^(-t/6)', /^t = 12\n/],
    ['cbrt(-8)', '-2'],
    ['(-8)^(1/3)', /the real one: .* = -2$/],
    ['invlaplace((2s + 1)/s, s, t)', /^2\*DiracDelta\(t\) \+ 1/],
    ['integrate(x^2, x, 0, 1)', '1/3 ≈ 0.3333333'],
    ['integrate(1/x, x, -1, 1)', /^refused: the integral is not defined/],
    ['integrate(1/x^2, x, -1, 1)', 'diverges: infinity'],
    ['limit(1/x, x, 0)', /^does not exist: from the right infinity, from the left -infinity/],
    ['sum(1/n, (n, 1, oo))', /^diverges/],
    ["y'' + y = 0", /^y\(x\) = C1\*sin\(x\) \+ C2\*cos\(x\)/],
    ['factor x^4 + 1 over Z_2', /^\(x \+ 1\)\^4/],
    ['x ≡ 5 (mod 8), x ≡ 1 (mod 3), x ≡ 7 (mod 11)', /^x ≡ 205 \(mod 264\)/],
    ['3^1000000 mod 7', /^4\n/],
    ['det([[1,2],[3,4]])', '-2'],
    ['9^99999999', /^refused: the power is too large/],
    ['(1 + 1/0)', /^refused: a division by zero/],
    ['|x - 1| + |x + 1| = 2', /^-1 <= x <= 1\n/],
    ['floor(100x) = 5', /^refused: the solutions fill intervals/],
    ['|x| = a, solve for x', /^x = -a or x = a\n[\s\S]*\nfor positive a$/],
    ['solve(x^2 = 4, x, 1, 5)', /^refused: solve takes equations and names/],
    ['\\sum_{i=1}^{3} \\sum_{j=1}^{i} j', /^10\n/],
    ['product(k, k, 5, 3)', '1'],
    ['7!!', /^105\n/],
    ['N(pi, 20)', '3.1415926535897932385'],
    ['minimize x^2 on [1, 3]', /^1 at x = 1\n/],
    ['maximize(x^3, x, -1, 2)', /^refused: conditions are written/],
    ['factor(x^2 - 2, extension=sqrt(2))', /^refused: factor takes/],
    ['sum(k, k, 1, 10.5)', /^refused: the bounds are whole numbers/],
    ['e^x = -1 over the reals', /^refused: no solution was found/],
    ['x^2 + y = 0, y = 1 over the reals', /^no real solution/],
    // They take seconds.
    ...(full ? SLOW : []),
  ])('%s', async (input, observation) => {
    expect(await ask(input)).toEqual(
      typeof observation === 'string' ? observation : expect.stringMatching(observation),
    );
  });

  it('says no minimum where a number is below all points at which the derivative vanishes', async () => {
    expect(await ask('minimize x^3 - 3x')).toMatch(/^refused: no minimum was found/);
  });
});

/** Generated problems, and what mathjs says of the answers. */
describe('against mathjs in numbers', () => {
  const random = seededRandom(16);
  const whole = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const term = () =>
    [
      `${whole(1, 9)}*x^${whole(1, 4)}`,
      `sin(${whole(1, 3)}*x)`,
      `exp(x/${whole(1, 4)})`,
      `x*cos(x)`,
      `1/(x^2 + ${whole(1, 5)})`,
    ][whole(0, 4)]!;
  const value = (text: string, x: number) => Number(evaluate(text.replace(/\bln\(/g, 'log('), { x }));
  const rounds = full ? 100 : 1;

  it('derivatives agree with differences', async () => {
    for (let k = 0; k < rounds; k++) {
      const f = `${term()} + ${term()}`;
      const [found] = (await ask(`diff(${f}, x)`)).split('\n');
      for (const x of [0.3, 1.7]) {
        const slope = (value(f, x + 1e-5) - value(f, x - 1e-5)) / 2e-5;
        expect(Math.abs(value(found!, x) - slope), `${f}: ${found}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)));
      }
    }
  });

  it('integrals have the integrand as their difference', async () => {
    for (let k = 0; k < rounds; k++) {
      const f = `${term()} - ${term()}`;
      const [found] = (await ask(`integrate(${f}, x)`)).split('\n');
      const slope = (value(found!, 0.70001) - value(found!, 0.69999)) / 2e-5;
      expect(Math.abs(slope - value(f, 0.7)), `${f}: ${found}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)));
    }
  });

  it('all roots are found, once each, and solve the equation', async () => {
    for (let k = 0; k < rounds; k++) {
      const roots = [...new Set([whole(-6, 6), whole(-6, 6), whole(-6, 6)])].sort((a, b) => a - b);
      const f = parse(roots.map((r) => `(x - (${r}))`).join('*')).toString();
      expect((await ask(`roots(${f} = 0, x)`)).split('\n')[0]).toBe(roots.map((r) => `x = ${r}`).join(' or '));
    }
  });
});

// poison.test.ts and tools.test.ts have the like for every change.
describe.runIf(full)('Python', () => {
  it('has SymPy and mpmath, and each call has them as new', async () => {
    const run = async (source: string) => (await registry.run('python', source, context)).observation;
    const asked = 'import sympy, mpmath\nx = sympy.symbols("x")\n[sympy.solve(x**2 - 2, x), mpmath.mp.dps]';
    expect(await run(`import sympy, mpmath\nsympy.Symbol = None; mpmath.mp.dps = 5; sympy.solve = 1`)).toMatch(
      /no output/,
    );
    expect(await run(asked)).toBe('[[-sqrt(2), sqrt(2)], 15]');
    expect(await ask('solve(x^2 = 2, x)')).toMatch(/^x = -sqrt\(2\)/);
  });
});

it.runIf(full)('an answer does not depend on those before it', async () => {
  const first = await ask('integrate(x*exp(x), x)');
  await ask('solve(x^2 = y, x)');
  await ask('sum(k^3, (k, 1, 500))');
  expect(await ask('integrate(x*exp(x), x)')).toBe(first);
});
