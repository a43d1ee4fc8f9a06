/** What `algebra` understands, without Python: the tree of an input, written out, and what is refused. */
import { describe, expect, it } from 'vitest';
import { parseAlgebra } from '../../../src/tools/child/algebra.js';
import { written } from '../../../src/tools/child/algebraTree.js';

const read = (input: string): string => written(parseAlgebra(input).trees[0]);

describe('is read as', () => {
  it.each([
    ['algebra("solve(x^2-4=0, x)")', 'solve(x^2 - 4 = 0, x)'],
    ['{"expression": "x^2 = 9"}', 'solve(x^2 = 9)'],
    ['solve(Eq(x**2 - 5*x + 6, 0), x)', 'solve(x^2 - 5*x + 6 = 0, x)'],
    ["```python\nfrom sympy import *\nx = symbols('x')\nsolve(x**2 - 4, x)\n```", 'solve(x^2 - 4, x)'],
    ["import sympy as sp\nx, y = sp.symbols('x y')\ne = (x + y)**2\nprint(sp.expand(e))", 'expand((x + y)^2)'],
    ['x^2 = 4, solve for x', 'solve(x^2 = 4, x)'],
    // A mixed number, as the calculator reads it.
    ['1\\frac{1}{2} x = 3', 'solve((1 + 1/2)*x = 3)'],
    ['solve for v: 1/2 m v^2 = m g h', 'solve(1/2*m*v^2 = m*g*h, v)'],
    ['x^2 - 5x + 6 = 0. Find x.', 'solve(x^2 - 5*x + 6 = 0, x)'],
    ['Find all x such that x^2 = 9', 'solve(x^2 = 9, x)'],
    ['\\begin{cases} x + y = 3 \\\\ x - y = 1 \\end{cases}', 'solve([x + y = 3, x - y = 1])'],
    ['1 < 2x + 3 < 7', 'solve([1 < 2*x + 3, 2*x + 3 < 7])'],
    ['|x - 3| < 5', 'solve(abs(x - 3) < 5)'],
    ['d/dx (x^3 + 2x)', 'diff(x^3 + 2*x, x)'],
    ['\\frac{d^2}{dx^2} e^{2x}', 'diff(e^(2*x), x, 2)'],
    ['∂/∂x (x^2 y)', 'diff(x^2*y, x)'],
    ['third derivative of sin x at x = 0', 'subs(diff(sin(x), 3), x = 0)'],
    ['\\int_{0}^{\\pi/2} \\sin^2\\theta \\, d\\theta', 'integrate(sin(theta)^2, [theta, 0, pi/2])'],
    ['∫₀¹ x² dx', 'integrate(x^2, [x, 0, 1])'],
    ['\\int \\frac{dx}{x^2 + 1}', 'integrate(1/(x^2 + 1), x)'],
    ['∫ dx/x', 'integrate(1/x, x)'],
    ['\\int_0^1 \\int_0^x y \\, dy \\, dx', 'integrate(integrate(y, [y, 0, x]), [x, 0, 1])'],
    ['integrate x^2 from x = 0 to x = 3', 'integrate(x^2, x, 0, 3)'],
    ['integral from 0 to 1 of x^2 dx', 'integrate(x^2, x, 0, 1)'],
    ['\\lim_{x \\to 0^+} \\ln x', 'limit(ln(x), x, 0, dir = +)'],
    ['lim x->0 sin(x)/x', 'limit(sin(x)/x, x, 0)'],
    ['limit of (1 + 1/n)^n as n -> infinity', 'limit((1 + 1/n)^n, n, infinity)'],
    ['\\sum_{n=1}^{\\infty} \\frac{1}{n^2}', 'sum(1/n^2, [n, 1, infinity])'],
    ['sum of 1/2^n from n=0 to infinity', 'sum(1/2^n, [n, 0, infinity])'],
    ['taylor series of ln(x) at x = 1 to order 3', 'series(ln(x), x, 1, 3)'],
    ['taylor series of e^x at 0 order 4', 'series(e^x, 0, 4)'],
    ['partial derivative of x^2 y with respect to x', 'diff(x^2*y, x)'],
    ['minimum of x + 1/x for x > 0', 'minimize(x + 1/x, x > 0)'],
    ['maclaurin(sin(x), x, 5)', 'series(sin(x), x, 0, 5)'],
    ['\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}^{-1}', '[[1, 2], [3, 4]]^(-1)'],
    ['det [[1,2],[3,4]]', 'det([[1, 2], [3, 4]])'],
    ['slope of the line through (1, 2) and (3, 8)', '(8 - 2)/(3 - 1)'],
    ['distance from (-1, 2) to (2, -2)', 'sqrt((2 - (-1))^2 + (-2 - 2)^2)'],
    ['midpoint of (1,2) and (5,8)', '[(1 + 5)/2, (2 + 8)/2]'],
    ['equation of the line through (1,2) and (3,8)', 'solve((y - 2)*(3 - 1) = (8 - 2)*(x - 1), y)'],
    ['equation of the line passing through (2,1), (2,5)', 'solve((y - 1)*(2 - 2) = (5 - 1)*(x - 2), x)'],
    ['line with slope 2 through (1,3)', 'solve(y - 3 = 2*(x - 1), y)'],
    ['line passing through (1,2) with slope 3', 'solve(y - 2 = 3*(x - 1), y)'],
    ['line with slope 2 and y-intercept 3', '2*x + 3'],
    ['gradient between (0,0) and (2,4)', '(4 - 0)/(2 - 0)'],
    ['gradient of x^2 + y^2', 'gradient(x^2 + y^2)'],
    ['vertex of the parabola y = -2x^2 + 8x - 3', 'vertex(-2*x^2 + 8*x - 3)'],
    ['complete the square: 2x^2 + 8x + 1', 'complete_square(2*x^2 + 8*x + 1)'],
    ['quadratic formula a=1, b=-5, c=6', 'solve(1*x^2 + (-5)*x + 6 = 0, x)'],
    ['y = 2x + 1, find y when x = 3', 'subs(2*x + 1, x = 3)'],
    ["f'(x) for f(x) = x^3", 'diff(x^3, x, 1)'],
    ['inverse of f(x) = (2x+1)/(x-3)', 'solve(x = (2*y + 1)/(y - 3), y)'],
    ['tangent line to y = x^2 at (3, 9)', 'tangent(x^2, x, 3, 9)'],
    ['inverse of y = e^x', 'solve(x = e^y, y)'],
    ['max of -x^2 + 4x', 'maximize(-x^2 + 4*x)'],
    ['sum k=1 to 10 of k^2', 'sum(k^2, [k, 1, 10])'],
    // `as` is two letters behind a number.
    ['v^2 = u^2 + 2as, solve for s with v=10, u=0, a=2', 'solve([v^2 = u^2 + 2*a*s, v = 10, u = 0, a = 2], s)'],
    ['factor x^4 + 1 over Z_2', 'factor(x^4 + 1, modulus = 2)'],
    ['solve(x^2 + 1 = 0, x) in \\mathbb{Z}_5', 'solvemod(x^2 + 1 = 0, x, modulus = 5)'],
    ['x ≡ 5 (mod 8), x ≡ 1 (mod 3)', 'x ≡ 5 (mod 8), x ≡ 1 (mod 3)'],
    ['7^100 mod 13', 'mod(7^100, 13)'],
    ['\\frac{dy}{dx} = x y', "dsolve(y' = x*y)"],
    ["dsolve(y'' + y = 0, y(0) = 1, y'(0) = 0)", "dsolve(y'' + y = 0, y(0) = 1, y'(0) = 0)"],
    ['minimize x + 4z subject to x^2 + y^2 + z^2 <= 2', 'minimize(x + 4*z, x^2 + y^2 + z^2 <= 2)'],
    ['log_2(x) + log_2(x-2) = 3', 'solve(log(x, 2) + log(x - 2, 2) = 3)'],
    ['sin^{-1}(1/2)', 'asin(1/2)'],
    ['2 sin x cos x', '2*sin(x)*cos(x)'],
    ['cos(60°)', 'cos(60*pi/180)'],
    ['E = mc^2, m = 2, find E', 'solve([E = m*c^2, m = 2], E)'],
    ['diff(sinx, x)', 'diff(sin(x), x)'],
    ['integrate(xcosx, x)', 'integrate(x*cos(x), x)'],
    ['2pir', '2*pi*r'],
    ['int x e^x dx', 'integrate(x*e^x, x)'],
    ['∫ x e^{-x^2} dx from 0 to ∞', 'integrate(x*e^(-x^2), x, 0, infinity)'],
    ['MR = MC, MR = 100 - 4q, MC = 20', 'solve([MR = MC, MR = 100 - 4*q, MC = 20])'],
    ['PV = nRT, V = 3', 'solve([P*V = n*R*T, V = 3])'],
    ['AC^2 = 25, solve for AC', 'solve(AC^2 = 25, AC)'],
    ['x^2 + 1 = 0 over the reals', 'solve(x^2 + 1 = 0, domain = real)'],
    ['solve x^2 = -4 for real x', 'solve(x^2 = -4, x, domain = real)'],
    ["let f(x) = x^3 - x. find f'(2)", 'subs(diff(x^3 - x, x, 1), x = 2)'],
    ['critical points of x^3 - 3x', 'solve(diff(x^3 - 3*x) = 0)'],
    ['tangent line to y = x^2 + 3x at x = 2', 'tangent(x^2 + 3*x, x, 2)'],
    ['-x^2', '-x^2'],
    ['2^3^2', '2^(3^2)'],
    ['x - (y - z)', 'x - (y - z)'],
    ['3!! + n!', 'factorial2(3) + n!'],
    ['n! = 120', 'solve(n! = 120)'],
    ['x^2≠4', 'solve(x^2 != 4)'],
    ['dP/dt = k P (1 - P/K)', "dsolve(P' = k*P*(1 - P/K))"],
    ["y'' = y, y(pi/2) = -1", "dsolve([y'' = y, y(pi/2) = -1])"],
    ['dN/dt = -λN', "dsolve(N' = -λ*N)"],
    ['Δx + x_θ + θ1 = μ_0', 'solve(Δx + x_θ + θ1 = μ_0)'],
    ['derivative: diff(x^2, x)', 'diff(x^2, x)'],
    ['Abs(x) + Max(x, 1)', 'abs(x) + max(x, 1)'],
    ['Pi', 'pi'],
    ['7^100 (mod 13)', 'mod(7^100, 13)'],
    ['x^-2', 'x^(-2)'],
    ['x^2 = 4, x', 'solve([x^2 = 4], x)'],
  ])('%s', (input, tree) => {
    expect(read(input)).toBe(tree);
  });
});

describe('is refused, as it is no formula or has two readings', () => {
  it.each([
    ['diff(', /ends too early/],
    ['constructor(1)', /unknown name constructor/],
    ['__defineGetter__(x,1)', /unknown name __defineGetter__/],
    ['__import__("os").system("id")', /not|unknown/],
    ['eval("1")', /unknown function eval/],
    ['x.__class__', /unknown method __class__/],
    ['lambda x: x', /not/],
    ['foo(x)', /unknown function foo; write e\.g\. solve/],
    ['setVar(x, 5)', /unknown function setVar/],
    ['undefined', /not understood/],
    ['find the meaning of life', /not understood/],
    ['1/2x', /two ways/],
    ['a/bc', /two ways/],
    ['e^2x', /two ways/],
    ['e^xy', /two ways/],
    ['3*cost', /two ways/],
    ['C(10, 3)', /binomial/],
    ['plot x^2', /not understood/],
    ['3 + 5 mod 7', /two ways/],
    ['x ± 1', /two problems/],
    ['n!=120', /two ways/],
    ['17 mod 5 * 2', /two ways/],
    ['3x (mod n)', /not understood|not expected/],
    ['\\sum_{k=1}^{3} a_k', /another number for each k/],
    ['factor x^2 - 2 over the reals', /equations only/],
    ['5C2', /two ways/],
    ['10 P 3', /two ways/],
    ['2 1/2 + 1', /two ways/],
    ['1 000 + 1', /two ways/],
    ["y' = y(x + 1)", /two ways/],
    ['double integral of x*y from 0 to 1', /not understood/],
    ['f(x) = x^2', /function that is not known/],
    ['y(2) + 1', /function that is not known/],
    ['x^2 + 1, x + 2', /several formulas/],
    ['(1+x)^(-1) taylor', /not understood/],
    ['\\sum_{n=1}^5 n + n^2', /brackets/],
    ['('.repeat(200), /100 brackets/],
    ['x'.repeat(2) + '+x'.repeat(3000), /too long/],
    [`x = symbols('x')\n${'x = x*x*x*x\n'.repeat(9)}x`, /too long/],
  ])('%s', (input, message) => {
    expect(() => parseAlgebra(input)).toThrow(message);
  });
});

it('only data go to Python: kinds, names, and digits', () => {
  const { trees } = parseAlgebra('solve(diff(x^3*sin(x), x) = 1/3, x)');
  expect(trees).toEqual([
    [
      'call',
      'solve',
      [
        ['rel', '=', expect.anything(), ['/', ['num', '1'], ['num', '3']]],
        ['sym', 'x'],
      ],
    ],
  ]);
});

it('says what was understood where that is not what was written, and when letters were taken apart', () => {
  expect(parseAlgebra('solve(2*x+3=11, x)').notes).toEqual([]);
  expect(parseAlgebra('xy = 3').notes).toEqual(['read as solve(x*y = 3)', 'xy is x*y']);
  expect(parseAlgebra('integrate(1/x, x, 1, E)').notes).toContain('E is a variable here; the constant is e');
  expect(parseAlgebra('V = I*R').notes).toContain('I is a variable here; the constant is i');
});
