/** Which sources are plain; and that a process which has answered plain sources answers all as a new one does. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { PLAIN } from '../../../src/tools/child/pythonPlain.js';
import { ToolHost } from '../../../src/tools/host.js';
import { pythonSnapshot, SOURCES, SYMPY_SOURCES } from '../../../src/tools/pythonSnapshot.js';
import { full } from '../full.js';
import { NO, snippets, YES } from './snippets.js';

const context = { timeoutMs: 60_000, maxObservationChars: 4000 };
const hosts: ToolHost[] = [];
/** `retireAfter` 1: each call gets a process of its own. */
const host = (retireAfter: number, size = 1) => {
  const made = new ToolHost({
    ...{ kind: 'python', size, retireAfter, mayDecline: true, payload: pythonSnapshot },
    ...{ startTimeoutMs: 60_000, maxRssMb: 1024 },
  });
  hosts.push(made);
  return made;
};
afterAll(() => Promise.all(hosts.map((one) => one.dispose())));

const ask = async (python: ToolHost, source: string, timeoutMs = context.timeoutMs): Promise<string> => {
  const { ok, observation } = await python.run('python', source, { ...context, timeoutMs });
  return `${ok} ${observation}`;
};

it('the snapshots are made anew when a file changes that makes them', () => {
  const files = (from: string, seen = new Set<string>()): string[] => {
    if (seen.has(from)) return [];
    seen.add(from);
    const text = readFileSync(new URL(`../../../src/tools/child/${from}.ts`, import.meta.url), 'utf8');
    return [from, ...[...text.matchAll(/from '\.\/(\w+)\.js'/g)].flatMap((match) => files(match[1]!, seen))];
  };
  expect([...SOURCES].sort()).toEqual([...new Set(files('python'))].map((name) => `${name}.js`).sort());
  // What algebraDriver.ts puts together counts by its value, and algebra.ts reads what is given to it.
  const valued = new Set([...files('algebraDriver'), ...files('algebra')]);
  const both = [...SOURCES, ...SYMPY_SOURCES].sort();
  expect(both).toEqual(
    [...new Set(files('sympy'))]
      .filter((name) => !valued.has(name))
      .map((name) => `${name}.js`)
      .sort(),
  );
});

describe('a source', () => {
  it('is plain or not', async () => {
    const sources = [...YES, ...NO];
    const script = `${PLAIN}\nimport ast, json\nplain = _make_plain()\nprint(*[int(plain(ast.parse(s))) for s in json.loads(${JSON.stringify(JSON.stringify(sources))})])`;
    expect(script.length).toBeLessThan(30_000);
    const verdicts = (await ask(host(1), script)).replace('true ', '').split(' ');
    const plain = sources.filter((_source, index) => verdicts[index] === '1');
    expect(plain).toEqual(YES);
    expect(verdicts).toHaveLength(sources.length);
  });
});

/** All of a list at night (scripts/nightly.sh); by day every sixth, as each takes a process or two of its own. */
const some = <T>(all: readonly T[]): readonly T[] => (full ? all : all.filter((_one, index) => index % 6 === 0));

describe('one process', () => {
  const sources = snippets(full ? 300 : 120, 7);

  it('gives each of many plain sources the same answer in any order, and a new process the same', async () => {
    const python = host(10_000);
    const first = new Map<string, string>();
    for (const source of sources) first.set(source, await ask(python, source));
    const [pid] = python.pids();
    const second = new Map<string, string>();
    for (const source of [...sources].reverse()) second.set(source, await ask(python, source));
    expect(python.pids()).toEqual([pid]); // All of it was plain, and nothing was changed.
    for (const source of sources) expect(second.get(source), source).toBe(first.get(source));
    const answers = [...first.values()];
    const kinds = new Set(answers.flatMap((answer) => /^false (\w+):/.exec(answer)?.[1] ?? []));
    expect([...kinds].sort()).toEqual(
      expect.arrayContaining(['NameError', 'SyntaxError', 'TypeError', 'ValueError', 'ZeroDivisionError']),
    );
    expect(answers.filter((answer) => answer.startsWith('true ')).length).toBeGreaterThan(sources.length / 3);
    const fresh = host(1, 2);
    const sample = sources.filter((_source, index) => index % 25 === 0);
    await Promise.all(sample.map(async (source) => expect(await ask(fresh, source), source).toBe(first.get(source))));
  });
});

/** What looks plain and tries to leave something behind, or to see what was left, with what is to come out. */
const ADVERSARIAL: readonly (readonly [source: string, answer: RegExp, kept: boolean])[] = [
  [
    'a = (1, 2)\na += (3,)\nx = [0] * 3\nx[0] = 9\n(1, 2), [0] * 3, x',
    /^true \(\(1, 2\), \[0, 0, 0\], \[9, 0, 0\]\)$/,
    true,
  ],
  ['print = 3\nprint(1)', /^false TypeError: 'int' object is not callable \(line 2\)$/, true],
  ['print("still there")', /^true still there$/, true],
  ['[y := 5 for _ in range(2)]\ny', /^true 5$/, true],
  ['y', /^false NameError: name 'y' is not defined/, true],
  ['import math\nmath = 3\nmath.ｐｉ', /^false AttributeError: 'int' object has no attribute 'pi'/, false],
  ['import math\nmath.ｐｉ', /^true 3\.14159/, false],
  ['import math\nsetattr(math, "pi", 3)\nmath.pi', /^true 3$/, true],
  ['[].__class__.__name__', /^true 'list'$/, true],
  ['x = zip([1])\nprint(x)', /^true <zip object at 0x[0-9a-f]+>$/, true],
  ['id([])', /^true \d+$/, true],
  ['print("it lies at 0x12")', /^true it lies at 0x12$/, false],
  ['~True', /^true -2$/, false],
  ['"\\d" + "a"', /^true '\\\\da'$/, false],
  ["'a' * 10**9", /^false MemoryError/, false],
  ['x = [0] * 10**8', /^false MemoryError|^true no output/, false],
  ['x = [0] * (2 * 10**7)\nlen(x)', /^true 20000000$/, false],
  ['len(str(10 ** 5000))', /^false ValueError: Exceeds the limit \(4300 digits\)/, true],
  [`${'['.repeat(199)}${']'.repeat(199)}`, /^true \[/, false],
  [`${'['.repeat(250)}1`, /^false SyntaxError: too many nested parentheses/, false],
  [`${'-'.repeat(3500)}1`, /^false /, false],
  ['x = []\nfor i in range(2500): x = [x]\nlen(repr(x))', /^true 5002$/, false],
  ['x = ()\nfor i in range(100000): x = (x,)\nlen({x: 1})', /^false /, false],
  ['x = []\nx.append(x)\nx', /^true \[\[\.\.\.\]\]$/, true],
  ['d = {1: 2}\nfor k in d: d[k + 1] = 0', /^false RuntimeError: dictionary changed size/, true],
  ['import math\nx = math.nan\n{x: 1}[x], x == x, [x].index(x)', /^true \(1, False, 0\)$/, true],
];

describe('a process that has answered', () => {
  const python = host(10_000);
  const fresh = host(1, 2);

  it.each(some(ADVERSARIAL))('%s: as in a new process', async (source, answer, kept) => {
    await ask(python, '1 + 1');
    const before = python.pids();
    const [got, want] = await Promise.all([ask(python, source), ask(fresh, source)]);
    expect(got).toBe(want);
    expect(got).toMatch(answer);
    expect(await ask(python, 'import math\nmath.pi, 40 + 2')).toBe('true (3.141592653589793, 42)');
    expect(python.pids().includes(before[0]!)).toBe(kept);
  });

  it.each(['while True: pass', '10 ** 10 ** 8', 'sum(range(10 ** 12))'])('%s ends it', async (source) => {
    const own = host(10_000);
    await ask(own, '1 + 1');
    const [first] = own.pids();
    expect(await ask(own, source, 400)).toBe('false timed out after 0.4 s');
    expect(own.pids()).not.toContain(first);
    expect(await ask(own, '40 + 2')).toBe('true 42');
  });

  it('that ends in the middle of a call leaves it to a new one', async () => {
    const own = host(10_000);
    await ask(own, '1 + 1');
    const [pid] = own.pids();
    const rest = () => new Promise((resolve) => setTimeout(resolve, 500));
    await rest(); // Until it has been asked what it is like.
    const answer = ask(own, 'sum(range(3 * 10 ** 7))');
    await rest();
    process.kill(pid!, 'SIGKILL');
    expect(await answer).toBe('true 449999985000000');
    expect(own.pids()).not.toContain(pid);
  });

  it('ends when anything in it is no longer what it was', async () => {
    const changes = [
      ...[
        'math.pi = 3',
        'builtins.left = 1',
        'builtins.open = max',
        'ast.parse = None',
        'random.seed = None',
        'string.left = 1',
      ],
      ...[
        'sys.setrecursionlimit(2000)',
        'sys.set_int_max_str_digits(0)',
        'gc.disable()',
        'decimal.getcontext().prec = 50',
      ],
      ...[
        'warnings.simplefilter("error")',
        'os.environ["TZ"] = "x"',
        'os.chdir("/tmp")',
        'sys.path.append("x")',
        'sys.modules["x"] = math',
      ],
      'sys.modules.pop("string")',
      'import ctypes; ctypes.c_uint32.from_address(id(7) + 8).value = 8; ctypes.c_uint32.from_address(id(7) + 12).value = 8',
    ];
    const script = (change: string) => `
import ast, builtins, decimal, gc, math, os, random, string, sys, warnings, ctypes, __main__
ask = __main__._spark_intact
cell = ask.__closure__[ask.__code__.co_freevars.index('kept')]
out, answers = sys.stdout, []
for change in ['pass', ${JSON.stringify(change)}]:
    cell.cell_contents = None
    sys.stdout = out
    ask()
    exec(change)
    answers.append(ask())
sys.stdout = out
print(answers)`;
    const own = host(1, 2);
    const tried = some(changes);
    const seen = await Promise.all(tried.map(async (change) => [change, await ask(own, script(change))]));
    expect(seen).toEqual(tried.map((change) => [change, 'true [True, False]']));
  });
});
