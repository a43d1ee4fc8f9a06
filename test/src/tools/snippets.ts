/** Python sources for the tests of what is plain. */

const lines = (text: string): readonly string[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.replaceAll('\\n', '\n'));

/** Sources that are plain, one a line. */
export const YES: readonly string[] = lines(String.raw`
1 + 2
"a" * 3
-x ** 2 // 7 % 3
not a and b or c
x is None
1 < x <= 3
x if y else z
ｐｒｉｎｔ(1)
import math
import math as m; m.sqrt(2)
from math import *; sqrt(pi)
from math import sqrt as r
math.pi
_ = 1
for _ in range(3): pass
sum = 0\nfor x in xs: sum += x
max = 3; max(1)
print("a", end="")
[x for x in y if x]
{k: v for k, v in d.items()}
sum(n for n in range(9))
", ".join(str(x) for x in y)
dict(zip(a, b))
a, b = map(int, "1 2".split())
[*zip(a, b)]
print(*map(str, x))
for i, x in enumerate(y): pass
sorted(d.items(), key=lambda p: p[1])
xs.sort(key=len, reverse=True)
max(x, key=math.sqrt)
list(filter(None, x))
x[1:2] = [3]
d["a"]["b"] += 1
(a, *b), c = x
while True: break
assert x, "no"
(y := 3) + y
f'{x:.2f} {y!r:>{w}} {z=}'
"%s" % x
isinstance(x, (int, float))
x in d.values()
foo(x, y=1)
any(x > 1 for x in y)
`);

/** Sources that are not: statements, modules, builtins, attributes, iterators as values, look-alikes, too much. */
export const NO: readonly string[] = [
  ...lines(String.raw`
def f(): pass
f = lambda: 1
class A: pass
try: x\nexcept: pass
with x: pass
global x
del x
raise x
async def f(): pass
match x:\n    case 1: pass
type X = int
x: int = 1
yield 1
return 1
t"{x}"
b"a"
...
import os
import math, sys
import math.x
from os import path
from . import math
from math import sqrt as open
eval("1")
open("x")
id(1)
hash(1)
set()
type(x)
vars()
globals()
getattr(x, "y")
setattr(math, "pi", 3)
if 0: eval = 1\neval("2")
[open for open in [1]]
id = 3
lambda id: 1
sorted(x, key=lambda open: open)
(exec := 1)
__builtins__
__name__
_x = 1
x = print
x = [len]
print(zip)
int | None
list[int]
str.upper("a")
x.__class__
[].__class__
x.y
math.pi = 3
math.pi += 3
for math.pi in [3]: pass
(math.pi for math.pi in x)
"{0.real}".format(1)
"{}".format_map(x)
x.encode()
x._y()
x.append
math.__dict__
math.sqrt
x.foo()
zip(a, b)
x = zip(a, b)
print(map(str, x))
str(zip(a))
f'{reversed(x)}'
[enumerate(x)]
x = (i for i in y)
foo(x for x in y)
xs.append(x for x in y)
d.items()
d.keys() - e
print(d.values())
max(a, zip(b), key=str)
max((x for x in a), default=(y for y in b))
sum([], zip(a))
map(zip, a)
list(map(reversed, a))
len(zip(a))
dict(key=len)
dict(key=lambda: 1)
list = 1; list(x for x in y)
zip = 1
print(x, file=y)
print(**x)
foo(*x, **y)
{**x}
{1, 2}
{x for x in y}
x is y
x is 1
1(2)
sorted(x, key=map)
ｅｖａｌ("1")
math.ｐｉ = 3
x.__ｃｌａｓｓ__
ｚｉｐ(a)
`),
  `${'-'.repeat(150)}1`,
  `[${'1,'.repeat(2100)}]`,
];

/** Plain Python sources drawn from a seed: arithmetic, loops, texts, lists and dictionaries, and errors of each kind. None makes Python warn. */
export function snippets(count: number, seed: number): readonly string[] {
  let state = seed;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!;
  const number = (): string =>
    pick([
      String(draw(100)),
      String(draw(100) - 50),
      (draw(1000) / 16).toString(),
      String(10 ** draw(20)),
      '0',
      'True',
    ]);
  const text = (): string => pick(["'abc'", "'Straße'", "''", "'a, b,c'", "('x' * 3)", "'12'"]);
  const list = (): string => pick([`[${number()}, ${number()}, ${number()}]`, `list(range(${draw(12)}))`, '[]']);
  const operator = (): string => pick(['+', '-', '*', '/', '//', '%', '**', '<', '==', 'and', 'or', '|', '&', '<<']);
  const value = (depth: number): string => {
    if (depth === 0) return pick([number, number, number, text, list])();
    const part = () => value(depth - 1);
    return pick([
      () => `${part()} ${operator()} ${part()}`,
      () => `(${part()} ${operator()} ${part()}) ${operator()} ${number()}`,
      () =>
        `${pick(['abs', 'len', 'int', 'float', 'str', 'sum', 'max', 'sorted', 'round', 'repr', 'bool'])}(${part()})`,
      () => `math.${pick(['sqrt', 'factorial', 'log', 'floor', 'gcd', 'comb', 'exp', 'perm'])}(${number()})`,
      () => `f'{${number()}:${pick(['.2f', '>8', ',', 'x', '05d'])}} {${part().replaceAll("'", '"')}!r}'`,
      () => `[${part()} for i in range(${draw(4)}) if i % 2 == ${draw(2)}]`,
      () => `{${text()}: ${part()}}${pick(['', '["abc"]', ".get('a')", ".pop('')"])}`,
      () => `${text()}.${pick(['upper()', "split(',')", 'lower()', "index('b')", 'zfill(9)', "join(['p', 'q'])"])}`,
      () => `${list()}${pick(['[0]', '[-1:]', '[::-1]', '.index(3)', ".count('a')"])}`,
      () =>
        `${pick(['sum', 'list', 'sorted', 'any', 'dict'])}(${pick(['i * i', '(i, -i)', 'str(i)'])} for i in range(${draw(5)}))`,
    ])();
  };
  const statements = (): string =>
    pick([
      () => `x = ${value(1)}\nx ${pick(['+=', '*=', '-=', '//='])} ${value(0)}\nprint(x)`,
      () =>
        `total = 0\nfor i in range(${draw(30)}):\n    if i % ${draw(3)}: total += i * ${number()}\nprint(total, ${value(0)})`,
      () =>
        `n, steps = ${1 + draw(50)}, 0\nwhile n != 1:\n    n = n // 2 if n % 2 == 0 else 3 * n + 1\n    steps += 1\nsteps`,
      () => `xs = ${list()}\nxs.append(${value(0)})\nxs.sort()\nxs[${draw(4)}]`,
      () =>
        `d = {}\nfor c in ${text()}: d[c] = d.get(c, 0) + 1\nprint(sorted(d.items(), key=lambda p: -p[1]), *d.keys())`,
      () => `a, b = ${list()}\nprint(a ${operator()} b)`,
      () => `from math import ${pick(['sqrt, pi', 'sqrt as root', 'nothing'])}\nprint(sqrt(${number()}))`,
      () => `print(${value(1)}, sep='-', end=${text()})\n${value(1)}`,
      () => `${pick(['y', 'lenn', 'Math', 'suum', 'rang'])}(${value(0)})`,
      () => `for i in range(3):\n  print(i${pick(['', ')', ' +', '\n   x = 1'])}`,
      () => `sum = ${number()}\nsum += ${value(0)}\nprint(sum${pick(['', '([1])'])})`,
    ])();
  return Array.from({ length: count }, () => {
    const source = draw(2) === 0 ? value(2) : statements();
    return source.includes('math.') ? `import math\n${source}` : source;
  });
}
