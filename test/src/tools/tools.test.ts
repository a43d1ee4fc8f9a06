import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBuiltinRegistry } from '../../../src/tools/registry.js';
import { PYTHON_ANSWERS, PYTHON_REFUSALS } from './pythonCases.js';

/** One registry, with one child of each kind, for the whole file. */
const registry = createBuiltinRegistry();
const context = { timeoutMs: 20_000, maxObservationChars: 280 };

beforeAll(() => registry.warm());
afterAll(() => registry.dispose());

function answers(tool: string, cases: readonly (readonly [input: string, observation: string | RegExp])[]): void {
  it.each(cases)('%s', async (input, observation) => {
    const result = await registry.run(tool, input, context);
    expect(result.observation).toEqual(
      typeof observation === 'string' ? observation : expect.stringMatching(observation),
    );
    expect(result.ok).toBe(true);
  });
}

function refuses(tool: string, cases: readonly (readonly [input: string, message: RegExp])[]): void {
  it.each(cases)('refuses %s', async (input, message) => {
    const result = await registry.run(tool, input, context);
    expect(result).toEqual({ ok: false, code: 'tool_input', observation: expect.stringMatching(message) });
    expect(result.observation).not.toContain('\n');
  });
}

describe('calculator', () => {
  answers('calculator', [
    ['37 * 24', '888'],
    ['3 km / 2 h to m/s', '0.416666666667 m / s'],
    ['sqrt(2)', '1.41421356237'],
    ['speedOfLight', '299792458 m / s'],
    ['0.1 + 0.2', '0.3'],
    ['sin(pi)', '0'],
    ['planckConstant', '6.62607015e-34 J s'],
    ['1,234 × 2 = ?', '2468 (understood as 1234 * 2)'],
    ['15% of 200', '30 (understood as (15/100) * 200)'],
    ['max(1,200,3)', '200'],
    ['20 °C to degF', '68 degF (understood as 20 degC to degF)'],
    ['x = 3\nx^2', '9'],
    ['det([1, 2; 3, 4])', '-2'],
    ['qr([1, 0; 0, 1])', /^Q: \[\[1, 0\], \[0, 1\]\]/],
  ]);
  refuses('calculator', [
    ['1 +', /end of expression/],
    ['1 / 0', /not a finite number/],
    ['f(x) = x', /defines a function/],
    ['import({ a: 1 })', /not available/],
    ['createUnit("foo")', /not available/],
    ['evaluate("1")', /not available/],
    ['cos.constructor("return 1")()', /unknown name constructor/],
    ['permutations(1e9,1e8)', /not a finite number/],
    ['print("$constructor.constructor.name",{a:1})', /unknown name constructor/],
    ['print("$a", {a: 1})', /not available/],
    ['toString', /unknown name toString/],
    ['__proto__ + 1', /unknown name __proto__/],
    ['[1/0, 2]', /not a finite number/],
    ['1/0 m', /not a finite number/],
    ['0/0 + i', /not a finite number/],
  ]);
});

describe('python', () => {
  answers('python', [
    ...PYTHON_ANSWERS,
    ['from sympy import *\nx = symbols("x")\nsolve(x**2 - 2, x)', '[-sqrt(2), sqrt(2)]'],
  ]);
  refuses('python', [
    ...PYTHON_REFUSALS,
    [
      'import numpy as np',
      /^ModuleNotFoundError: No module named 'numpy' \(line 1\); there are only the standard library, sympy and/,
    ],
    ['import numpy', /^ModuleNotFoundError/],
  ]);

  it('cuts long output and marks the cut', async () => {
    const result = await registry.run('python', 'for i in range(10**5): print("abc")', context);
    expect(result.ok).toBe(true);
    expect(result.observation).toHaveLength(280);
    expect(result.observation.endsWith('…')).toBe(true);
  });

  it('gives every call a fresh namespace, the same randomness, and puts back what a call changed', async () => {
    const run = async (source: string) => (await registry.run('python', source, context)).observation;
    await run(
      'secret = 1\nimport builtins, sys, os\nbuiltins.len = None\nsys.path.append("x")\nopen("f", "w").write("a")\nos.environ["K"] = "v"',
    );
    expect(await run('secret')).toMatch(/^NameError/);
    expect(await run('import sys, os\n(len("abc"), "x" in sys.path, os.listdir("."), "K" in os.environ)')).toBe(
      '(3, False, [], False)',
    );
    const draw = 'import random, os\n(random.random(), hash("a"))';
    expect(await run(draw)).toBe(await run(draw));
  });
});

describe('logic', () => {
  answers('logic', [
    ['p -> q, p |- q', 'valid'],
    ['p -> q, q |- p', 'not valid: p=false, q=true'],
    ['p or q; not p |- q', 'valid'],
    ['(p -> q) & (q -> r) |- p -> r', 'valid'],
    ['p & ~p', 'unsatisfiable: a contradiction, false in every case'],
    ['p & ~q', /^satisfiable: p=true, q=false; contingent: false for /],
    ['p -> p', 'tautology: true in every case'],
    ['p -> q, q -> p, p', 'consistent (satisfiable): p=true, q=true'],
    ['∀x(Fx ⊃ Gx), Fa ∴ Ga', 'valid'],
    ['constructor & p', /^satisfiable: constructor=true, p=true/],
    ['|- p | ~p', 'valid'],
    ['(declare-const x Int) (assert (= (+ x 2) (- 5)))', 'sat: x = -7'],
    ['(declare-const x Real) (assert (= (* 3 x) 1))', 'sat: x = 1/3'],
    ['(declare-const p Bool) (assert p) (assert (not p))', 'unsat'],
    ['(declare-const p Bool) (assert p) (check-sat) (get-value (p))', 'sat\n((p true))'],
  ]);
  refuses('logic', [
    ['(declare-const x Int', /invalid constant declaration/],
    ['all men are mortal', /unexpected "men"/],
    ['(p -> q', /closing parenthesis/],
    ['p |- q, r', /one conclusion/],
    ['(include "/etc/passwd")', /failed to open/],
  ]);
});

describe('statistics', () => {
  answers('statistics', [
    ['mean(1, 2, 3)', '2'],
    ['median([5, 1, 3])\nmode(1, 2, 2)', '3\n2'],
    ['variance(1, 2, 3, 4)', '1.66666666667 (sample, n - 1; population, n: 1.25)'],
    ['pvariance(1, 2, 3, 4)', '1.25 (population, n)'],
    ['stdev(2, 4, 4, 4, 5, 5, 7, 9)', '2.1380899353 (sample, n - 1; population, n: 2)'],
    ['quantile([1, 2, 3, 4, 5], 0.25)', '2 (linear interpolation; as median of a half: 1.5)'],
    ['correlation([1, 2, 3], [2, 4, 6])', '1'],
    ['linear_regression([[1, 2], [2, 4], [3, 6]])', 'slope = 2, intercept = 0, r2 = 1'],
    ['normal_cdf(1.96)', '0.975002104852'],
    ['normal_quantile(0.975)', '1.95996398454'],
    ['normal_pdf(0)', '0.398942280401'],
    ['binomial_pmf(10, 0.5, 3)', '0.1171875'],
    ['binomial_cdf(10, 0.5, 3)', '0.171875'],
    ['poisson_pmf(3, 2)', '0.224041807655 (Poisson, mean 3; P(X = 2))'],
    // Every other distribution: distributions.test.ts has their values, here they run in the child.
    [
      'poisson_cdf(3, 2)\nt_cdf(2, 10)\nt_quantile(0.975, 10)',
      '0.423190081127 (Poisson, mean 3; P(X <= 2))\n0.963305982615\n2.22813885199',
    ],
    ['chi_square_cdf(3.84, 1)\nchi_square_quantile(0.95, 1)', '0.949956478751\n3.84145882069'],
    ['f_cdf(4, 3, 20)\nanova([1, 2, 3], [2, 3, 4])', /^0\.977\d+\nF = 1\.5, df = \(1, 4\), p = 0\.28786/],
    // The expected values are from R: t.test(c(1,2,3,4,5), mu = 2), t.test(x, y), chisq.test(c(10,20,30)).
    ['t_test([1, 2, 3, 4, 5], 2)', 't = 1.41421, df = 4, p = 0.2302'],
    ['t_test([1, 2, 3, 4, 5], [2, 3, 4, 5, 9])', /^t = -1\.14286, df = 6\.45213, p = 0\.2937/],
    ['chi_square_test([10, 20, 30])', 'chi2 = 10, df = 2, p = 0.00673795'],
    ['z_score(130, 100, 15)', '2'],
    ['combinations(5, 2)\npermutations(5, 2)', '10\n20'],
    ['x = [1, 2, 3]\nmean(x)', '2'],
  ]);
  refuses('statistics', [
    ['mean()', /at least 1 number/],
    ['mean', /a call expected/],
    ['correlation([1, 2, 3], [1, 2])', /same length, got 3 and 2/],
    ['binomial_pmf(10, 1.5, 3)', /between 0 and 1/],
    ['stdev(1)', /at least 2/],
    ['chi_square_quantile(1, 3)', /chi_square_quantile needs a probability between 0 and 1, got 1/],
    ['t_cdf(1, -2)', /t_cdf needs a positive number, got -2/],
    ['binomial_cdf(10000000, 0.5, 5000000)', /more than 1000000 trials/],
    ['nonsense(1)', /Undefined function/],
    ['constructor(1)', /unknown name constructor/],
    ['permutations(1e9,1e8)', /not a finite number/],
    ['linear_regression([[1,2],[1,3]])', /do not vary/],
    ['anova([1,1],[1,1])', /do not vary/],
  ]);
});

describe('chemistry', () => {
  answers('chemistry', [
    ['mass H2O', 'H2O: 18.015 g/mol'],
    ['mass(H2O)', 'H2O: 18.015 g/mol'],
    ['molar mass of (NH4)2SO4', '(NH4)2SO4: 132.134 g/mol'],
    ['Ca(OH)2', 'Ca(OH)2: 74.092 g/mol'],
    ['CuSO4·5H2O', 'CuSO4·5H2O: 249.677 g/mol'],
    ['mass water', 'water = H2O: 18.015 g/mol'],
    ['balance NH3 + O2 → NO + H2O', '4 NH3 + 5 O2 -> 4 NO + 6 H2O'],
    ['formula SO4^2-', /S 1 .*O 4 .*charge -2/],
    ['smiles CCO', /^CCO: formula C2H6O, mass 46\.069 g\/mol, rings 0 .*donors 1, .*acceptors 1, logP/],
    ['smiles c1ccccc1', /rings 1 \(1 aromatic\)/],
    ['element Fe', 'Fe: Iron, atomic number 26, atomic mass 55.845 g/mol'],
    ['element gold', /^Au: Gold, atomic number 79/],
    ['element Al', 'Al: Aluminium, atomic number 13, atomic mass 26.982 g/mol'],
    ['mass Al2O3', 'Al2O3: 101.961 g/mol'],
    ['smiles [2H]O[2H]', /formula OD2, mass 20\.027/],
    ['smiles [238U]', /mass 238\.051/],
  ]);
  refuses('chemistry', [
    ['mass Xx', /unknown element Xx/],
    ['mass nonsense', /cannot read "nonsense"/],
    ['smiles C1CC(', /not a SMILES string/],
    ['element kryptonite', /no element kryptonite/],
    ['smiles [999999999999H]', /no isotope 999999999999 of Hydrogen/],
    ['smiles [1C]', /no isotope 1 of Carbon/],
    ['smiles [99cH]', /no isotope 99 of Carbon/],
    ['smiles *C', /wildcards/],
    ['formula Na^999999+', /more than its 11 electrons/],
    ['mass', /write e\.g\./],
  ]);
});
