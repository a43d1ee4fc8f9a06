/**
 * `algebra` against a SymPy of CPython's, which reads the same problems through its own parser: what differs is our reader, our
 * checks, what we choose to show, and the Python that it runs in. Generated problems, compared in numbers; scripts/nightly.sh
 * installs the peer (test/requirements.txt).
 */
import { execFileSync } from 'node:child_process';
import { evaluate } from 'mathjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/random.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../../src/tools/registry.js';
import { full } from '../full.js';
import { PYTHON, pythonHas } from '../python.js';

/** Reads lines of JSON `[kind, text]`, writes for each the numbers that its answer has, as JSON. */
const PEER = `
import json, sys
from sympy import *
x, n = symbols('x n')
AT = [Rational(3, 10), Rational(17, 10)]
def numbers(e): return [float(N(e.subs(x, a))) for a in AT]
def answer(kind, text):
    if kind == 'diff': return numbers(diff(sympify(text), x))
    if kind == 'definite': return [float(N(Integral(sympify(text), (x, 1, 2))))]
    if kind == 'roots': return sorted(float(re(N(r))) for r in Poly(sympify(text), x).nroots() if abs(im(N(r))) < 1e-9)
    if kind == 'expand': return numbers(expand(sympify(text)))
    if kind == 'series': return numbers(series(sympify(text), x, 0, 5).removeO())
    if kind == 'limit': return [float(N(limit(sympify(text), x, 0)))]
    if kind == 'sum': return [float(N(Sum(sympify(text), (n, 1, 12)).doit()))]
    if kind == 'det': return [float(Matrix(json.loads(text)).det())]
    if kind == 'factormod': return [float(len(factor_list(sympify(text), modulus=7)[1]))]
for line in sys.stdin: print(json.dumps(answer(*json.loads(line))))
`;

const random = seededRandom(1611);
const whole = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
const one = <T>(list: readonly T[]): T => list[whole(0, list.length - 1)]!;
const nonzero = () => one([-4, -3, -2, -1, 1, 2, 3, 4, 5]);
const polynomial = (degree: number) =>
  Array.from({ length: degree + 1 }, (_, k) => `(${k === degree ? nonzero() : whole(-5, 5)})*x^${k}`).join(' + ');
const smooth = () =>
  one([
    () => `sin(${nonzero()}*x)`,
    () => `exp(x/${whole(1, 4)})`,
    () => `cos(x)*x^${whole(1, 3)}`,
    () => `ln(x + ${whole(2, 6)})`,
    () => `sqrt(x + ${whole(1, 5)})`,
    () => `1/(x^2 + ${whole(1, 6)})`,
    () => `(${polynomial(2)})`,
  ])();

/** A problem: as the peer gets it, as a model would write it, and the numbers in our answer. */
interface Problem {
  readonly kind: string;
  readonly peer: string;
  readonly asked: string;
  readonly numbers: (answer: string) => readonly number[];
}

const value = (text: string, x: number) =>
  Number(evaluate(text.replace(/\bln\(/g, 'log(').replace(/^.*≈ /, ''), { x }));
const atPoints = (text: string) => [0.3, 1.7].map((x) => value(text, x));
const only = (text: string) => [value(text.replace(/ (?:≈|=) .*$/, ''), 0)];
const python = (text: string) => text.replaceAll('^', '**').replaceAll('ln(', 'log(');
const rootsOf = (text: string) =>
  text === 'no real solution'
    ? []
    : text
        .split(' or ')
        .filter((part) => !part.includes('*i'))
        .flatMap((part) => {
          const root = value(
            part
              .replace(/ \((\d+) times\)$/, '')
              .replace(/^x (?:=|≈) /, '')
              .replace(/ (?:≈|=) .*$/, ''),
            0,
          );
          return new Array<number>(Number(/\((\d+) times\)/.exec(part)?.[1] ?? 1)).fill(root);
        })
        .sort((a, b) => a - b);

const KINDS: readonly (() => Problem)[] = [
  () => {
    const f = `${smooth()}*${smooth()} + ${smooth()}`;
    const asked = one([`diff(${f}, x)`, `d/dx (${f})`, `derivative of ${f}`]);
    return { kind: 'diff', peer: python(f), asked, numbers: atPoints };
  },
  () => {
    const f = `${smooth()} + ${polynomial(2)}`;
    const asked = one([`integrate(${f}, (x, 1, 2))`, `\\int_1^2 (${f}) \\, dx`, `integrate ${f} from 1 to 2`]);
    return { kind: 'definite', peer: python(f), asked, numbers: only };
  },
  () => {
    const f = polynomial(whole(2, 5));
    const asked = one([`solve(${f} = 0, x)`, `roots of ${f}`, `${f} = 0`]);
    return { kind: 'roots', peer: python(f), asked: `${asked}`, numbers: rootsOf };
  },
  () => {
    const f = `(${polynomial(2)})^2*(x - ${whole(1, 9)})`;
    return { kind: 'expand', peer: python(f), asked: `expand ${f}`, numbers: atPoints };
  },
  () => {
    const f = one([`exp(${nonzero()}*x)`, `sin(${nonzero()}*x)*exp(x)`, `ln(1 + ${whole(1, 4)}*x)`, 'cos(x)^2']);
    return { kind: 'series', peer: python(f), asked: `series(${f}, x, 0, 4)`, numbers: atPoints };
  },
  () => {
    const [a, b] = [nonzero(), nonzero()];
    const f = one([`sin(${a}*x)/(${b}*x)`, `(exp(${a}*x) - 1)/(${b}*x)`, `(1 - cos(${a}*x))/x^2`]);
    const asked = one([`limit(${f}, x, 0)`, `\\lim_{x \\to 0} ${f}`, `limit of ${f} as x approaches 0`]);
    return { kind: 'limit', peer: python(f), asked, numbers: only };
  },
  () => {
    const f = one([`n^${whole(1, 4)}`, `1/(n*(n + ${whole(1, 3)}))`, `(${nonzero()})^n/2^n`]);
    const asked = one([`sum(${f}, (n, 1, 12))`, `\\sum_{n=1}^{12} (${f})`, `sum of ${f} from n = 1 to 12`]);
    return { kind: 'sum', peer: python(f), asked, numbers: only };
  },
  () => {
    const size = whole(2, 4);
    const rows = Array.from({ length: size }, () => Array.from({ length: size }, () => whole(-9, 9)));
    const latex = `\\begin{vmatrix} ${rows.map((row) => row.join(' & ')).join(' \\\\ ')} \\end{vmatrix}`;
    const asked = one([`det(${JSON.stringify(rows)})`, latex]);
    return { kind: 'det', peer: JSON.stringify(rows), asked, numbers: only };
  },
  () => {
    const f = polynomial(whole(2, 5)).replace(/\(0\)/g, '(1)');
    const factors = (text: string) => [(text.match(/\([^()]*x[^()]*\)/g) ?? []).length];
    return { kind: 'factormod', peer: python(f), asked: `factor ${f} over Z_7`, numbers: factors };
  },
];

describe.skipIf(!full || !pythonHas('sympy'))('algebra and SymPy in CPython say the same', () => {
  let registry: ToolRegistry;
  beforeAll(() => {
    registry = createBuiltinRegistry({ tools: ['algebra'] });
  });
  afterAll(() => registry.dispose());

  it('of 360 generated problems', async () => {
    const problems = Array.from({ length: 360 }, (_, k) => KINDS[k % KINDS.length]!());
    const input = problems.map(({ kind, peer }) => `${JSON.stringify([kind, peer])}\n`).join('');
    const answers = execFileSync(PYTHON, ['-c', PEER], { input, encoding: 'utf8' }).trim().split('\n');
    const wrong: string[] = [];
    for (const [k, { asked, numbers }] of problems.entries()) {
      const { ok, observation } = await registry.run('algebra', asked, {
        timeoutMs: 60_000,
        maxObservationChars: 4000,
      });
      const wanted = JSON.parse(answers[k]!) as number[];
      const got = ok ? numbers(observation.split('\n')[0]!) : [];
      const same =
        ok &&
        got.length === wanted.length &&
        wanted.every((number, j) => Math.abs(number - got[j]!) <= 1e-6 * Math.max(1, Math.abs(number)));
      if (!same) wrong.push(`${asked}: ${observation}; wanted ${wanted}`);
    }
    expect(wrong).toEqual([]);
  });
});
