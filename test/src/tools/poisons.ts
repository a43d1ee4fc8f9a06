/** Poisons: inputs that try to change something for the next call; and fixtures: inputs whose answers would show it. */
import type { BUILTIN } from '../../../src/tools/builtin.js';

/** Lines of one script, each tried separately, because one script for each would take a process each. */
const lines = (...statements: readonly string[]): string =>
  `for source in ${JSON.stringify(statements)}:\n    try: exec(source, {'__name__': '__main__'})\n    except BaseException: pass`;

const PYTHON = [
  // Harmless.
  lines(
    'import random; random.seed(7)',
    'import decimal; decimal.getcontext().prec = 50',
    'import sys; sys.set_int_max_str_digits(0)',
    'import sys; sys.setrecursionlimit(50000)',
    'import os; os.environ["TZ"] = "Asia/Tokyo"; os.chdir("/tmp"); open("left.txt", "w").write("left")',
    'import locale, warnings; warnings.simplefilter("error")',
    'import sys; sys.path.insert(0, "/tmp"); open("/tmp/fractions.py", "w").write("Fraction = lambda *a: 42")',
    'import builtins; builtins.sum = lambda *a: 42; builtins.left = 1',
    'import math; math.sqrt = lambda x: 42; math.pi = 3',
  ),
  // What the driver itself uses.
  `import json\njson.dumps = lambda *a, **k: '{"ok":true,"text":"POISON 42"}'`,
  lines(
    'import ast; ast.parse = lambda *a, **k: compile("print(\\"POISON\\")", "x", "exec")',
    'import textwrap; textwrap.dedent = lambda text: "print(\'POISON\')"',
    'import random; random.random = lambda: 0.42; random.seed = lambda *a: None',
    'import builtins; builtins.compile = builtins.repr = lambda *a, **k: "POISON"',
    'import traceback; traceback.format_exception_only = lambda *a: ["POISON"]',
    'import __main__; __main__._spark_run = lambda *a: "+POISON"',
    'import asyncio; asyncio.run = lambda *a: "POISON"',
    'import gc\nfor f in gc.get_objects():\n    if getattr(f, "__name__", "") == "clean": f.__code__ = (lambda source: "print(\'POISON\')").__code__',
  ),
  // Files over the standard library and site-packages, and caches of imports.
  lines(
    'import os, sys, glob\nfor folder in [p for p in sys.path if os.path.isdir(p)]:\n    open(folder + "/statistics.py", "w").write("mean = lambda x: 42")',
    'import sys; open("/lib/python3.13/site-packages/sitecustomize.py", "w").write("print(42)")',
    'import sys, types; sys.modules["statistics"] = types.SimpleNamespace(mean=lambda x: 42)',
    'import sys; sys.meta_path.clear(); sys.path_importer_cache.clear(); sys.modules.pop("fractions", None)',
    'import json; json.decoder.JSONDecoder.decode = lambda *a, **k: 42',
  ),
  // Memory itself: the small integer 7 becomes 8.
  'import ctypes\nctypes.c_uint32.from_address(id(7) + 12).value = 8\nctypes.c_uint32.from_address(id(7) + 8).value = 8',
  // JavaScript's own objects.
  lines(
    'from pyodide.ffi import to_js; a = to_js([1]); a.constructor.prototype.join = lambda *a: "POISON"',
    'from pyodide.ffi import to_js; o = to_js([1]).constructor.constructor.getPrototypeOf; setattr(o, "POISON", 1)',
    'from pyodide.ffi import to_js; f = to_js([1]).constructor.constructor.prototype; f.call = f.apply = None',
  ),
  // SymPy itself: its printing, classes, precision, caches and assumptions.
  lines(
    'import sympy; sympy.init_printing(pretty_print=True); sympy.printing.str.StrPrinter._print_Add = lambda *a: "POISON"',
    'import sympy; sympy.Symbol = sympy.symbols = lambda *a, **k: 42',
    'import sympy; sympy.Symbol.__add__ = sympy.Symbol.__mul__ = lambda *a: sympy.Integer(42)',
    'import mpmath, sympy; mpmath.mp.dps = 5; mpmath.pi = 3; sympy.pi = sympy.Integer(3)',
    'import sympy; sympy.core.cache.clear_cache(); sympy.solve = sympy.integrate = lambda *a, **k: "POISON"',
    'import sympy, __main__; __main__._spark_algebra = lambda *a: "+POISON"; __main__.sp = None',
    'import sympy; sympy.sin.eval = classmethod(lambda *a: sympy.Integer(42))',
  ),
  // Plain, so that their process goes on if it is as it was.
  'print = sum = len = 3\nimport math\nmath = pi = 4\n[y := 5 for _ in range(2)]\nprint + y',
  'x = {}\nx["x"] = [x]\nfor i in range(500): x = {i: x, "r": x}\nx = [0] * 10 ** 6',
  "'a' * 10 ** 9",
  'x = ()\nfor i in range(100000): x = (x,)\nlen({x: 1})',
  // Ended in the middle.
  'x = 0\nwhile True: x += 1',
  'import json\njson.dumps = None\nwhile True: pass',
] as const;

const ARITHMETIC = [
  'random()',
  '[random(), randomInt(1, 100), pickRandom([1, 2, 3])]',
  'pi = 3; e = 2; i = 1',
  'f(x) = 42; mean(x) = 42',
  'sqrt(x) = 42',
  'config({number: "BigNumber", precision: 3})',
  'import({pi: 3}, {override: true})',
  'createUnit("knot", "42 m/s")',
  'createUnit("m", {override: true})',
  'speedOfLight.value = 42',
  'speedOfLight.fixPrefix = true',
  'speedOfLight.units[1].power = 42',
  'i.re = 42',
  'a = {b: 1}; a.b = 2; a["__proto__"] = {toString: 42}; a.constructor = 1',
  '[1, 2].constructor.prototype = 42',
  'cos.transform = 42; cos.toTex = 42',
  'parser().set("pi", 3)',
  'typed("sqrt", {"number": f(x) = 42})',
  'unit("5 cm").setUnitSystem("us")',
  'reviver("a", 1)',
  'print("$constructor.constructor.name", {a: 1})',
  'zeros(1e5, 1e5)',
] as const;

const ALGEBRA = [
  'setVar(x, 5)',
  'x = 5',
  'pi = 3',
  'f(x) = 42',
  'constructor(1)',
  '__proto__',
  '__import__("os").system("id")',
  'diff(x^x^x^x, x)',
  'solve(x^2 = y, x, domain = real)',
  'sum(k^3, (k, 1, 2000))',
  '2^19999 + 1',
  "x' + x = 0",
] as const;

const LOGIC = [
  '(set-option :pp.decimal true)',
  '(set-option :pp.decimal_precision 1)',
  '(set-option :smt.random_seed 42)(set-option :sat.random_seed 42)(set-option :timeout 1)',
  '(set-option :memory_max_size 1)',
  '(set-option :rlimit 1)',
  '(set-option :model.compact false)(set-option :model.completion true)',
  '(set-option :pp.max_depth 1)(set-option :pp.single_line true)(set-option :verbose 10)',
  '(set-option :produce-models false)(set-option :print-success true)',
  '(set-logic QF_BV)(declare-const x Bool)(define-fun p () Bool false)(push 5)',
  '(exit)',
  '(reset)(declare-sort Int)',
  '∀x∃y Rxy, ∀x ~Rxx, ∀x∀y∀z(Rxy & Ryz -> Rxz) ∴ ∃x Rxx',
  'x^2 = 2, p',
  'constructor -> __proto__, toString = valueOf',
] as const;

const CHEMISTRY = [
  ...['smiles [999999999999H]', 'smiles C1CC(', `smiles ${'C1'.repeat(300)}`, `smiles ${'C'.repeat(300)}`],
  ...['smiles C1CC1C1CC1C1CC1', 'formula H99999999', 'element constructor', 'smiles [Na+].[Cl-]'],
  ...['name constructor', 'pH of 0.1 M constructor', 'balance toString -> valueOf', 'formula of constructor oxide'],
] as const;

const of = (tool: string, inputs: readonly string[]) => inputs.map((input) => ({ tool, input }));

export const POISONS: readonly { readonly tool: string; readonly input: string }[] = [
  ...of('python', PYTHON),
  ...of('calculator', ARITHMETIC),
  ...of('statistics', [...ARITHMETIC, 'mean = 42', 'mean(x) = 42\nstdev(x) = 42']),
  ...of('algebra', ALGEBRA),
  ...of('logic', LOGIC),
  ...of('chemistry', CHEMISTRY),
  ...of('encyclopedia', ['constructor', '__proto__', 'a'.repeat(19_999)]),
  ...of('search', ['constructor', '__proto__', 'toString valueOf', 'a'.repeat(19_999)]),
];

const PLAIN = `
import math
d = {'b': 1, 'a': [2.5]}
for k in 'xyz': d[k] = len(d) * 7
print(math.pi, math.sqrt(2), sum(range(10)), 7 * 1, 3 + 4, sorted(d.items(), key=lambda p: str(p[1])), sep='; ')
[f'{1 / 3:.3f}', 'a,b'.split(','), str(2 ** 100), [*range(-5, 9)], max(3, 4)]`;

/** Of Python, asked at the end: what comes after it finds a process of its own, as it itself does. */
export const LAST = '(lambda: 1)() + len(str(10 ** 5000))';

/** For every built-in tool a few inputs, each of which would show many changes. */
export const FIXTURES: Readonly<Record<string, readonly string[]>> = {
  // Plain ones, answered by a process that has answered others, between those that get a process of their own.
  python: [
    PLAIN,
    `
import ast, asyncio, builtins, decimal, fractions, gc, json, math, os, random, statistics, sys, textwrap
async def five(): return 5
try: big = len(str(10 ** 5000))
except ValueError: big = 'limited'
values = [json.dumps([1, {'a': None}]), ast.dump(ast.parse('1 + 1')), textwrap.dedent('  a'), random.random(), math.sqrt(2), math.pi,
  str(decimal.Decimal(1) / 3), fractions.Fraction(1, 3), statistics.mean([1, 2, 4]), 3 + 4, 7 * 1, sum([1, 2]), big, sys.getrecursionlimit(),
  os.getcwd(), sorted(os.listdir('.')), sorted(os.listdir('/tmp')), os.environ.get('TZ'), hasattr(builtins, 'left'), asyncio.run(five()),
  json.loads('[1]'), hash('a'), len(sys.path), [f for p in sys.path if os.path.isdir(p) for f in os.listdir(p) if f in ('statistics.py', 'fractions.py')][:1]]
values`,
    PLAIN,
    'y + 1',
    `
import mpmath, os, random, sympy, sys
x = sympy.symbols("x")
[sympy.integrate(x + sympy.sin(x), x), sympy.N(sympy.pi, 20), mpmath.mp.dps, str(mpmath.mpf(1) / 3), x.is_real, random.random(),
  sys.getrecursionlimit(), sorted(os.listdir('/tmp'))]`,
    LAST,
    PLAIN,
  ],
  calculator: [
    '[pi, e, tau, sqrt(2), sin(1), mean(1, 2, 4), 1/3, 2^0.5]',
    'speedOfLight * 1 s + 1 m',
    'string(i * (2 - i)) ',
    'string(bignumber(1) / 3)',
    'random() + randomInt(1, 1000)',
  ],
  statistics: ['mean(1, 2, 4)\nstdev(1, 2, 4)\nnormal_cdf(1.5)\npi\ncombinations(10, 3)', 'random()'],
  algebra: ['solve(2*x+3=11, x)', 'diff(sin(x)*x^2, x)', 'x+1+pi', 'x + y = 3, x - y = 1', 'integrate(x*exp(x), x)'],
  logic: ['(declare-const x Real)(assert (= (* 3 x) 1))', 'p & ~q', 'p -> q, p |- q', '∀x Fx |- ∃x Gx', 'x^2 = 2'],
  chemistry: [
    ...['smiles C[C@H](N)C(=O)O', 'mass Ca(OH)2', 'element Fe', 'smiles C1CC('],
    ...['balance NH3 + O2 -> NO + H2O', 'name Fe2O3', 'pH of 0.1 M HCl'],
  ],
  encyclopedia: ['Magna Carta', 'magna cart'],
  search: ['year the Magna Carta was sealed', 'photosynthesis'],
} satisfies Record<keyof typeof BUILTIN, readonly string[]>;
