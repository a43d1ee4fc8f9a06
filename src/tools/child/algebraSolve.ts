/** Equations, inequalities and systems. Every solution is put back; real roots are looked for by numbers, too. */
export const SOLVE = `
def free_names(things):
    out = set()
    for one in things: out |= one.free_symbols
    return sorted(out, key=str)

# Whether a number solves f = 0. None: it could not be computed.
def solves(f, at):
    try: value = sp.N(f.subs(at), 30)
    except (TypeError, ValueError, ArithmeticError): return None
    if value.has(sp.nan, sp.zoo, sp.oo): return False
    if value.free_symbols: return same(f.subs(at), S.Zero)
    try:
        size = 1 + sum(abs(complex(sp.N(term.subs(at), 15))) for term in sp.Add.make_args(f))
        return abs(complex(value)) <= 1e-9 * size
    except (TypeError, OverflowError, ValueError): return None

PERIODIC = (sp.sin, sp.cos, sp.tan, sp.cot, sp.sec, sp.csc)

def solve_one(equation, x, call):
    f = equation.lhs - equation.rhs
    if not f.has(x):
        return Answer(('true for every ' if same(f, S.Zero) else 'no solution: it does not hold for any ') + x.name)
    simple = sp.cancel(sp.together(f)) if f.is_rational_function(x) else f
    if simple == 0: return Answer('true for every ' + x.name + ' where both sides are defined')
    if f.has(*PERIODIC) and any(one.has(x) for one in f.atoms(*PERIODIC)):
        found = set_of_reals(f, x, call)
        if found is not None: return found
    numbers_only = f.free_symbols == {x}
    numerator = sp.numer(simple)
    if numbers_only and numerator.is_polynomial(x):
        return polynomial(f, sp.Poly(numerator, x), x, call)
    found, why = [], None
    try: found = list(tried(sp.solve, f, x, check=True))
    except GivenUp as given: why = str(given)
    found = [one for one in found if isinstance(one, sp.Expr) and not one.has(x)]
    good = [one for one in found if solves(f, {x: one}) is not False]
    if not numbers_only and not good:
        good, note = of_positives(f, x)
        if good: call.note(note)
    if not numbers_only:
        need(good, 'no solution in closed form was found for ' + x.name + ('' if why is None else ' (' + why + ')'))
        return listed(x, [simpler(one) for one in good], call)
    try: near = scanned(f, x)
    except Flat:
        found = set_of_reals(f, x, call)
        need(found is not None, 'the solutions fill intervals, which are not found here; write inequalities, e.g. 3 <= x and x < 4 for floor(x) = 3')
        return found
    except KeyboardInterrupt:
        need(good, 'no solution was found in the time there is')
        near = []
        call.note('whether there are more real solutions was not found out in the time there is')
    values = [complex(sp.N(one, 15)) for one in good]
    if call.real_only: good = [one for one in good if is_real(one)]
    more = [root for root in near if all(abs(root - value) > 1e-6 * max(1, abs(root)) for value in values)]
    if not good and not more:
        raise Refused('no solution was found, in closed form or by numbers from -10^6 to 10^6; there may be none' if why is None
            else 'no solution was found: ' + why)
    # Of the complex solutions of such an equation, mostly infinitely many, SymPy gives some.
    real = [one for one in good if is_real(one)]
    if (real or more) and len(real) < len(good):
        good = real
        call.note('real solutions')
    words = [told(simpler(one), call, x.name) for one in good]
    words += [x.name + ' ≈ ' + plain(sp.Float(root, 15), 10) for root in more]
    if len(more) > 8 and f.has(*PERIODIC):
        words = words[:len(good)] + [x.name + ' ≈ ' + plain(sp.Float(root, 15), 10) for root in sorted(sorted(more, key=abs)[:8])]
        call.note('there are more: shown are the eight nearest to 0')
    if more: call.note('≈ alone: found by numbers in -10^6 to 10^6, no closed form; not looked for: solutions that are not real, or where the sides only touch')
    return Answer(joined(words, x), good[0] if len(words) == 1 and good else None)

# A formula with roots holds for positive letters only: T = 2 pi sqrt(L/g).
def of_positives(f, x):
    # First those that may be negative, too: -a of |x| = a.
    for letters in (f.free_symbols - {x}, f.free_symbols):
        change = {one: sp.Symbol(one.name, positive=True) for one in letters}
        g, back = f.subs(change), {new: old for old, new in change.items()}
        y = change.get(x, x)
        try: found = tried(sp.solve, g, y)
        except GivenUp: continue
        good = [one for one in found if isinstance(one, sp.Expr) and same(g.subs(y, one), S.Zero)]
        if good: return [one.subs(back) for one in good], 'for positive ' + ', '.join(sorted(map(str, letters)))
    return [], ''

def joined(words, x):
    return ' or '.join(words)

def listed(x, values, call):
    if len(values) == 1 and call.bare and not isinstance(values[0], sp.Float): return Answer(told(values[0], call), values[0])
    return Answer(joined([told(one, call, x.name) for one in values], x), values[0] if len(values) == 1 else list(values))

def simpler(e):
    try: shorter = tried(sp.radsimp, tried(sp.simplify, e)) if e.count_ops() < 60 else e
    except GivenUp: return e
    return shorter if len(show(shorter)) < len(show(e)) and same(shorter, e) else e

def is_real(e):
    value = complex(sp.N(e, 15))
    return abs(value.imag) <= 1e-12 * max(1, abs(value))

# All roots; exact where they are short, else by numbers. f may have poles at some.
def polynomial(f, poly, x, call):
    if poly.degree() <= 0: return Answer('no solution')
    need(poly.degree() <= 60, 'a polynomial of degree above 60')
    roots, left = {}, poly
    try:
        if poly.domain.is_Exact and (poly.degree() <= 12 or len(poly.terms()) <= 3): roots = tried(sp.roots, poly)
    except GivenUp: roots = {}
    if sum(roots.values()) != poly.degree() or any(len(show(one)) > 70 for one in roots):
        exact = {one: k for one, k in roots.items() if len(show(one)) <= 70}
        roots = {}
        for near in poly.nroots(n=20, maxsteps=200):
            match = [one for one in exact if abs(complex(sp.N(one, 15)) - complex(near)) < 1e-8 * max(1, abs(complex(near)))]
            one = match[0] if match else near
            roots[one] = roots.get(one, 0) + 1
    good = [one for one in roots if f.is_polynomial(x) or solves(f, {x: one}) is not False]
    if not good: return Answer('no solution')
    if call.real_only:
        good = [one for one in good if is_real(one)]
        call.note('real solutions')
        if not good: return Answer('no real solution')
    good.sort(key=lambda one: (not is_real(one), complex(sp.N(one)).real, complex(sp.N(one)).imag))
    for one in good:
        need(isinstance(one, sp.Float) or one.has(sp.Float) or solves(poly.as_expr(), {x: one}) is not False, 'the solutions found do not hold')
    if len(good) == 1 and call.bare and roots[good[0]] == 1: return Answer(told(good[0], call), good[0])
    words = []
    for one in good:
        text = x.name + ' ≈ ' + decimal(one, 10) if one.has(sp.Float) else told(simpler(one), call, x.name)
        words.append(text + (f' ({roots[one]} times)' if roots[one] > 1 else ''))
    real = sum(map(is_real, good))
    if real < len(good): call.note('real: ' + (str(real) if real else 'none') + ' of ' + str(len(good)))
    return Answer(joined(words, x), good[0] if len(good) == 1 else list(good))

# Real roots by numbers: where the sign changes between the points of a grid.
def scanned(f, x):
    exact = sp.lambdify(x, f, 'mpmath')
    g = evaluator(f, x, exact)
    grid = [k / 8 + 0.0123 for k in range(-400, 401)]
    far = [50 * 1.12 ** k for k in range(1, 90)]
    grid = sorted([-one for one in far] + grid + far + [10.0 ** -k for k in range(2, 13)])
    roots, before = [], (None, None)
    for t in grid:
        y = g(t)
        if y is not None and before[1] is not None and (y == 0 or (y > 0) != (before[1] > 0)):
            root = bisected(g, before[0], t)
            # Near a root at 0 of a higher order the values are noise.
            if root is not None and abs(root) < 1e-6 and g(0.0) == 0: root = 0.0
            if root is not None and crosses(exact, root) and all(abs(root - one) > 1e-9 * max(1, abs(root)) for one in roots): roots.append(root)
        before = (t, y)
    return roots

# f as a function of machine numbers where Python's math has all of it, else of mpmath's; None where it is not real.
def evaluator(f, x, slow):
    quick = sp.lambdify(x, f, 'math')
    usable = True
    try: usable = isinstance(quick(0.731), float)
    except (ValueError, ZeroDivisionError, OverflowError): pass
    except Exception: usable = False
    def value(t):
        try: y = quick(t) if usable else slow(mpmath.mpf(t))
        except Exception: return None
        if isinstance(y, (complex, mpmath.mpc)): y = y.real if abs(y.imag) < 1e-12 * max(1, abs(y)) else None
        return float(y) if y is not None and mpmath.isfinite(y) else None
    return value

# Raised where a formula is 0 between two numbers: no list of roots is its solution.
class Flat(Exception): pass

# Machine numbers end at 10^-308, where a difference of two small values is 0: with many digits the sign must change, too.
def crosses(exact, root):
    t = mpmath.mpf(root)
    h = abs(t) * mpmath.mpf(10) ** -9 or mpmath.mpf(10) ** -12
    with mpmath.workdps(30):
        try:
            at, low, high = (mpmath.re(exact(one)) for one in (t, t - h, t + h))
        except Exception: return False
        if at == low == high == 0: raise Flat()
        if at == 0: return True
        return (low > 0) != (high > 0)

def bisected(value, a, b):
    ya = value(a)
    for _ in range(80):
        m = (a + b) / 2
        y = value(m)
        if y is None: return None
        if y == 0: return m
        if (y > 0) == (ya > 0): a, ya = m, y
        else: b = m
    # A pole changes its sign, too: there the values grow.
    y = value((a + b) / 2)
    return (a + b) / 2 if y is not None and abs(y) < 1e-6 * max(1, abs(value(a + 1) or 1)) else None

# The real solutions as a set; None where SymPy does not find it.
def set_of_reals(f, x, call):
    real = sp.Symbol(x.name, real=True)
    f = f.subs(x, real)
    try:
        found = tried(sp.solveset, f, real, S.Reals)
        words = set_words(found, real)
    except GivenUp: return None
    if found.has(sp.Interval): check_set(found, [sp.Eq(f, 0)], real, None)
    if words is None: return Answer('no real solution')
    for one in members(found): need(solves(f, {real: one}) is not False, 'the solutions found do not hold')
    if 'any integer' in words or found.has(sp.Interval): call.note('real solutions')
    return Answer(words)

def members(found):
    for part in (found.args if isinstance(found, sp.Union) else [found]):
        if isinstance(part, sp.ImageSet):
            n = part.lamda.variables[0]
            for k in (-1, 0, 2): yield part.lamda.expr.subs(n, k)
        elif isinstance(part, sp.FiniteSet): yield from part.args

# A set of real numbers in words; None for the empty one.
def set_words(found, x):
    name = x.name
    if found is S.EmptySet: return None
    if found == S.Reals: return 'every real ' + name
    if isinstance(found, sp.Union):
        parts = sorted(found.args, key=lambda one: float(one.inf) if one.inf.is_number and one.inf.is_finite else -1e300) if all(
            isinstance(one, (sp.Interval, sp.FiniteSet)) for one in found.args) else found.args
        return ' or '.join(set_words(one, x) for one in parts)
    if isinstance(found, sp.FiniteSet): return ' or '.join(told(one, CALL[0], name) for one in found.args)
    if isinstance(found, sp.Interval):
        a, b = found.start, found.end
        lo, hi = ('<' if found.left_open else '<='), ('<' if found.right_open else '<=')
        if a == -sp.oo: return f'{name} {hi} {told(b, CALL[0])}'
        if b == sp.oo: return f'{name} {">" if found.left_open else ">="} {told(a, CALL[0])}'
        return f'{told(a, CALL[0])} {lo} {name} {hi} {told(b, CALL[0])}'
    if isinstance(found, sp.ImageSet) and found.base_set == S.Integers and len(found.lamda.variables) == 1:
        old = found.lamda.variables[0]
        e = found.lamda.expr.subs(old, sp.Symbol('n', integer=True))
        return f'{name} = {show(sp.expand(e))} (n any integer)'
    if isinstance(found, sp.Complement) and isinstance(found.args[1], sp.FiniteSet):
        return set_words(found.args[0], x) + ', but not ' + ' or '.join(show(one) for one in found.args[1].args)
    raise GivenUp('no closed form of the solutions')

# Where the relations repeat: one period, which is said. SymPy gives one only, in silence.
def period_of(relations, x, call):
    waves = {one for part in relations for one in part.atoms(*PERIODIC) if one.has(x)}
    if not waves: return S.Reals, None
    periods = {sp.periodicity(one.lhs - one.rhs, x) for one in relations}
    need(len(periods) == 1 and None not in periods and 0 not in periods, 'an inequality with sin, cos or tan is solved only where it repeats')
    period = periods.pop()
    call.note(f'for 0 <= {x.name} < {show(period)}, and the same after each {show(period)}')
    return sp.Interval.Ropen(0, period), period

def inequalities(relations, x, call):
    real = sp.Symbol(x.name, real=True)
    relations = [one.subs(x, real) for one in relations]
    found, period = period_of(relations, real, call)
    for one in relations:
        if one is S.true: continue
        if one is S.false: found = S.EmptySet; break
        try: part = tried(sp.solve_univariate_inequality, one, real, relational=False, **({} if period is None else {'domain': sp.Interval.Ropen(0, period)})) if not isinstance(one, sp.Eq) else tried(
            sp.solveset, one.lhs - one.rhs, real, S.Reals)
        except GivenUp as given: raise Refused('this inequality is not solved here (' + str(given) + ')')
        found = found.intersect(part)
    try: words = set_words(found, real)
    except GivenUp: raise Refused('this inequality is not solved here')
    check_set(found, relations, real, period)
    return Answer('no real solution' if words is None else words)

# Between all the ends of its intervals, and beyond them, numbers are in the set just where the relations hold.
def check_set(found, relations, x, period):
    parts = found.args if isinstance(found, sp.Union) else [found]
    ends = sorted({float(one) for part in parts if isinstance(part, (sp.Interval, sp.FiniteSet))
        for one in (part.boundary if isinstance(part, sp.Interval) else part.args) if one.is_finite})
    probes = ([ends[0] - 1.37, ends[-1] + 1.37] + [(a + b) / 2 for a, b in zip(ends, ends[1:])]) if ends else [0.37]
    probes += [-7.31, -1.77, 0.29, 2.63, 11.9]
    for t in probes:
        at = sp.Rational(t).limit_denominator(10 ** 9)
        truth = True
        for one in relations:
            try: holds = one.subs(x, at)
            except (TypeError, ValueError): truth = None; break
            if holds is S.false: truth = False
            elif holds is not S.true: truth = None; break
        if truth is None or (period is not None and not 0 <= at < period): continue
        inside = found.contains(at)
        need(inside not in (S.true, S.false) or bool(inside) == truth, 'the solution found does not hold at ' + show(at))

def system(equations, names, call):
    fs = [one.lhs - one.rhs for one in equations]
    # F = m*a, F = 2, m = 4, solve for a: F and m are given, so they are looked for, too.
    given = {side for one in equations for side, other in ((one.lhs, one.rhs), (one.rhs, one.lhs))
        if isinstance(side, sp.Symbol) and side not in names and not other.has(side)} if len(fs) > len(names) else set()
    try: found = tried(sp.solve, fs, [*names, *sorted(given, key=str)], dict=True)
    except GivenUp as given:
        found = None
    if found is not None:
        good = [one for one in found if all(solves(f, one) is not False for f in fs)]
        need(not found or good, 'the solutions found do not hold')
        if call.real_only:
            need(all(not v.free_symbols for one in good for v in one.values()), 'over the reals only systems are solved whose solutions are numbers')
            good = [one for one in good if all(is_real(v) for v in one.values())]
            if not good: return Answer('no real solution')
        if good: return told_system(good, names, call)
        if all(f.is_polynomial(*names) for f in fs): return Answer('no solution')
    need(len(names) == len(fs) and not (set(free_names(fs)) - set(names)), 'no closed form was found for this system')
    near = []
    for k in range(len(POINTS)):
        start = [POINTS[(k + j) % len(POINTS)] * (1 + k) for j in range(len(names))]
        try: root = tried(sp.nsolve, fs, names, start)
        except GivenUp: continue
        values = [float(one) for one in root] if all(abs(complex(one).imag) < 1e-12 for one in root) else None
        if values and all(max(abs(a - b) for a, b in zip(values, other)) > 1e-6 for other in near): near.append(values)
    need(near, 'no solution was found, in closed form or by numbers')
    call.note('found by numbers, no closed form; there may be more')
    return Answer('; or '.join(', '.join(f'{n.name} ≈ {plain(sp.Float(v, 15), 10)}' for n, v in zip(names, one)) for one in near))

def told_system(found, names, call):
    words = []
    for one in found:
        words.append(', '.join(told(simpler(one[n]), call, n.name) for n in names if n in one))
    left = sorted({n.name for one in found for n in names if n not in one})
    if left: call.note(', '.join(left) + (' is' if len(left) == 1 else ' are') + ' free')
    return Answer('; or '.join(words))

def op_solve(nodes, call):
    plain_nodes = [one for one in nodes if one[0] != 'kw']
    call.real_only = any(one[0] == 'kw' and one[1] == 'domain' for one in nodes)
    items = [ev(one, call) for one in plain_nodes]
    relations, names = [], []
    for one in items:
        for part in (one if isinstance(one, list) else list(one) if isinstance(one, sp.MatrixBase) else [one]):
            if isinstance(part, (sp.core.relational.Relational, sp.logic.boolalg.BooleanAtom)): relations.append(part)
            elif isinstance(part, sp.Symbol) and relations: names.append(part)
            # Not the bounds of solve(x^2 = 4, x, 1, 5).
            elif isinstance(part, sp.Expr) and not names and (part.free_symbols or not relations): relations.append(sp.Eq(part, 0, evaluate=False))
            else: raise Refused('solve takes equations and names, e.g. solve(2*x+3=11, x)')
    need(relations, 'solve takes an equation, e.g. solve(2*x+3=11, x)')
    if any(f.func.__name__ in call.unknown for one in relations for f in one.atoms(sp.core.function.AppliedUndef)):
        return op_dsolve(nodes, call)
    free = free_names(relations)
    if not free: return Answer('true' if all(holds(one) for one in relations) else 'false: the two sides differ')
    if not names:
        eqs = len([one for one in relations if isinstance(one, sp.Eq)])
        need(len(free) == 1 or (eqs == len(relations) and eqs >= len(free)),
            'several variables (' + ', '.join(map(str, free)) + '); write for which to solve: solve(…, ' + str(free[0]) + ')')
        names = free
    missing = [one.name for one in names if one not in free]
    need(len(missing) < len(names), 'the equation has no variable ' + ', '.join(missing))
    names = [one for one in names if one in free]
    if all(isinstance(one, sp.Eq) for one in relations):
        if len(relations) == 1 and len(names) == 1: return solve_one(relations[0], names[0], call)
        call.bare = False
        return system(relations, names, call)
    need(len(names) == 1 and len(free) == 1, 'inequalities are solved for one variable without others; write numbers for the others')
    return inequalities(relations, names[0], call)

def holds(one):
    if one in (S.true, S.false): return one is S.true
    if isinstance(one, sp.Eq): return same(one.lhs, one.rhs)
    return bool(one.doit())

def op_nsolve(nodes, call):
    call.inexact = True
    need(len(nodes) >= 1, 'nsolve takes an equation')
    return op_solve(nodes[:2], call)

def op_roots(nodes, call):
    call.bare = False
    return op_solve(nodes, call)
`;
