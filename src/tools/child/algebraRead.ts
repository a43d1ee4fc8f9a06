/** Python's side of `algebra`: the values of trees. Nothing here or behind it evaluates text. */
export const READ = `
import sympy as sp
import mpmath
from sympy import S

# Raised for what is wrong with the input; its text is shown.
class Refused(Exception): pass
# Raised where a computation was given up: by patience, or as SymPy does not know how.
class GivenUp(Exception): pass

def need(condition, text):
    if not condition: raise Refused(text)

# What belongs to one call: assumptions of symbols, whether decimals were read, words for the observation.
class Call:
    def __init__(self):
        self.assume, self.inexact, self.notes, self.integers, self.real_only = {}, False, [], set(), False
    def note(self, text):
        if text not in self.notes: self.notes.append(text)
    def symbol(self, name):
        if name in self.integers: return sp.Symbol(name, integer=True)
        return sp.Symbol(name, **self.assume)

FUNCTIONS = {name: getattr(sp, name) for name in '''sin cos tan sec csc cot asin acos atan asec acsc acot sinh cosh tanh sech csch
    coth asinh acosh atanh acoth exp sqrt cbrt gamma beta zeta erf erfc factorial binomial floor sign re im conjugate arg
    Heaviside DiracDelta LambertW factorial2 besselj bessely besseli besselk Si Ci Ei li atan2'''.split()}
FUNCTIONS.update(ln=sp.log, ceil=sp.ceiling, abs=sp.Abs, max=sp.Max, min=sp.Min, arcsin=sp.asin, arccos=sp.acos, arctan=sp.atan,
    arcsinh=sp.asinh, arccosh=sp.acosh, arctanh=sp.atanh, arccot=sp.acot, arcsec=sp.asec, arccsc=sp.acsc,
    nCr=sp.binomial, comb=sp.binomial, sgn=sp.sign, cis=lambda t: sp.cos(t) + S.ImaginaryUnit * sp.sin(t),
    nthRoot=lambda a, n: real_root(a, n), root=lambda a, n: real_root(a, n), cbrt=lambda a: real_root(a, S(3)), log2=lambda a: sp.log(a, 2), log10=lambda a: sp.log(a, 10),
    nPr=lambda n, k: sp.ff(n, k), lg=lambda a: sp.log(a, 10))
ARITY = {'sqrt': 1, 'cbrt': 1, 'nthRoot': 2, 'root': 2, 'nCr': 2, 'comb': 2, 'nPr': 2, 'binomial': 2}
CONSTANTS = {'pi': sp.pi, 'e': sp.E, 'i': sp.I, 'oo': sp.oo, 'nan': sp.nan}

# Above this, an exact power or factorial takes longer than any call may.
MAX_POWER = 20000

def power(a, b):
    if isinstance(a, sp.MatrixBase):
        need(b.is_Integer and abs(b) <= 1000, 'a matrix to a power that is no whole number')
        return a ** int(b)
    if a.is_Rational and a < 0 and b.is_Rational and not b.is_Integer and b.q % 2 == 1:
        CALL[0].note('roots of negative numbers are the principal ones, which are complex; the real one: ' + show(a) + '^(' + show(b) + ') = ' + show(real_power(a, b)))
    if a.is_Rational and b.is_Rational:
        need(abs(b) <= MAX_POWER, 'the power is too large to be written out; ask for it modulo a number, e.g. 7^100 mod 13')
        need(not (a == 0 and b < 0), 'a division by zero')
    return a ** b

def real_power(a, b): return sp.real_root(a, b.q) ** b.p

def real_root(a, n):
    return sp.real_root(a, n) if a.is_number and a.is_real and a.is_negative and n.is_Integer and n % 2 == 1 else sp.root(a, n)

# The value of a tree of the parser: [kind, ...].
def ev(node, call):
    kind, rest = node[0], node[1:]
    if kind == 'num':
        if '.' in rest[0] or 'e' in rest[0].lower(): call.inexact = True
        return sp.Rational(rest[0])
    if kind == 'sym': return call.symbol(rest[0])
    if kind == 'const': return CONSTANTS[rest[0]]
    if kind == 'list':
        rows = [ev(one, call) for one in rest]
        if rows and all(isinstance(one, list) for one in rows):
            need(len({len(one) for one in rows}) == 1, 'the rows of a matrix have different lengths')
            return sp.Matrix(rows)
        return rows
    if kind == 'rel':
        left, right = ev(rest[1], call), ev(rest[2], call)
        return relation(rest[0], left, right)
    if kind == 'call': return called(rest[0], rest[1], call)
    if kind == 'prime': return prime(rest, call)
    values = [scalar_or_matrix(ev(one, call)) for one in rest]
    if kind == '+': return values[0] + values[1]
    if kind == '-': return values[0] - values[1]
    if kind == 'neg': return -values[0]
    if kind == '*': return values[0] * values[1]
    if kind == '/':
        need(values[1] != 0, 'a division by zero')
        if isinstance(values[1], sp.MatrixBase): return values[0] * values[1].inv()
        return values[0] / values[1]
    if kind == '^': return power(values[0], values[1])
    if kind == '!':
        need(not values[0].is_number or (values[0].is_Integer and 0 <= values[0] <= MAX_POWER), 'a factorial of what is no whole number, or too large')
        return sp.factorial(values[0])
    raise Refused('this cannot be read: ' + str(kind))

def relation(op, left, right):
    left, right = (sp.Matrix(one) if isinstance(one, list) else one for one in (left, right))
    if op in ('=', '=='):
        if isinstance(left, sp.MatrixBase) or isinstance(right, sp.MatrixBase):
            need(getattr(left, 'shape', None) == getattr(right, 'shape', None), 'an equation of two matrices of different shapes')
            return [sp.Eq(a, b, evaluate=False) for a, b in zip(left, right)]
        return sp.Eq(left, right, evaluate=False)
    kinds = {'<': sp.StrictLessThan, '<=': sp.LessThan, '>': sp.StrictGreaterThan, '>=': sp.GreaterThan, '!=': sp.Unequality}
    return kinds[op](left, right, evaluate=False)

def scalar_or_matrix(value):
    if isinstance(value, list): return sp.Matrix(value)
    need(isinstance(value, (sp.Expr, sp.MatrixBase)), 'an equation or a list stands where a value is expected')
    return value

def args_of(nodes, call):
    plain = [ev(one, call) for one in nodes if one[0] != 'kw']
    return plain, {one[1]: one[2] for one in nodes if one[0] == 'kw'}

def called(name, nodes, call):
    if name in OPERATIONS:
        result = OPERATIONS[name](nodes, call)
        need(not isinstance(result, Answer) or result.value is not None, name + ' gives no value to compute with; ask for it alone')
        return result.value if isinstance(result, Answer) else result
    values, kw = args_of(nodes, call)
    values = [scalar_or_matrix(one) for one in values]
    if name == 'log':
        need(len(values) in (1, 2), 'log takes one number, or a number and a base')
        if len(values) == 1: call.note('log is the natural logarithm')
        return sp.log(*values)
    if name in FUNCTIONS:
        need(values and len(values) == ARITY.get(name, len(values)), name + ' takes another number of arguments')
        need(not any(isinstance(one, sp.MatrixBase) for one in values), name + ' of a matrix is not computed here')
        try: return sp.sympify(FUNCTIONS[name](*values))
        except TypeError: raise Refused(name + ' takes another number of arguments')
    if name in call.unknown: return sp.Function(name)(*values)
    raise Refused('unknown function ' + name + '; write e.g. solve(2*x+3=11, x), diff(x^3, x) or log(x); a product needs *')

def prime(rest, call):
    name, order, at = rest
    var = call.var
    need(var is not None, "a function with ' needs a variable; write e.g. diff(f, x)")
    f = sp.Function(name)(var).diff(var, order)
    if at is None: return f
    point = ev(at, call)
    return f if point == var else f.subs(var, point)
`;
