/** Derivatives, integrals, limits, sums, series, differential equations, extreme values. What can be checked in numbers is. */
export const CALCULUS = `
def variable_of(f, given, call):
    if given is not None:
        need(isinstance(given, sp.Symbol), 'a variable is expected, e.g. diff(x^3, x)')
        return given
    free = sorted(f.free_symbols, key=str)
    if len(free) == 1: return free[0]
    for one in free:
        if one.name == 'x':
            call.note('with respect to x')
            return one
    need(free == [], 'several variables (' + ', '.join(map(str, free)) + '); say which, e.g. diff(x^2*y, x)')
    return call.symbol('x')

def op_diff(nodes, call):
    values, _ = args_of(nodes, call)
    need(values, 'diff takes an expression and a variable, e.g. diff(x^3, x)')
    f, rest = scalar_or_matrix(values[0]), values[1:]
    steps = []
    for one in rest:
        if isinstance(one, list): steps += [(one[0], int(one[1]))] if len(one) == 2 and one[1].is_Integer else [(v, 1) for v in one]
        elif isinstance(one, sp.Integer) and steps: steps[-1] = (steps[-1][0], int(one))
        elif isinstance(one, sp.Integer) and one > 0: steps.append((variable_of(f, None, call), int(one)))
        else: steps.append((variable_of(f, one, call), 1))
    if not steps: steps = [(variable_of(f, None, call), 1)]
    need(all(isinstance(v, sp.Symbol) and 0 <= k <= 50 for v, k in steps), 'diff takes variables and how often, e.g. diff(x^3, x, 2)')
    for v, k in steps: f = f.diff(v, k)
    short = simplest(f)
    return Answer(told(short, call), short)

# sin(1000 t) would be written out by powers of sin(t).
def steep(e):
    return any(abs(n) > 30 for f in e.atoms(sp.Function) for n in f.atoms(sp.Integer))

# The shortest of a few forms that agree with it.
def simplest(e):
    if isinstance(e, sp.MatrixBase): return e.applyfunc(simplest)
    best = e
    for form in (sp.simplify, sp.factor_terms, sp.expand):
        if e.count_ops() > 150 or (form is not sp.factor_terms and steep(e)): continue
        try: other = tried(form, e)
        except GivenUp: continue
        if len(show(other)) < len(show(best)) and same(e, other): best = other
    return best

def bounds_of(rest, f, call):
    # (x, a, b), [x, a, b] or x, a, b; several of the first.
    if rest and isinstance(rest[0], list): return [tuple(one) for one in rest]
    if len(rest) == 3 and isinstance(rest[2], sp.Symbol) and not isinstance(rest[0], sp.Symbol): return [(rest[2], *rest[:2])]
    if len(rest) in (1, 3): return [tuple(rest)]
    if len(rest) == 2 and not isinstance(rest[0], sp.Symbol): return [(variable_of(f, None, call), *rest)]
    if not rest: return [(variable_of(f, None, call),)]
    if all(isinstance(one, sp.Symbol) for one in rest): return [(one,) for one in rest]
    raise Refused('integrate takes integrate(x^2, x) or integrate(x^2, (x, 0, 1))')

def op_integrate(nodes, call):
    values, _ = args_of(nodes, call)
    need(values, 'integrate takes an expression and a variable, e.g. integrate(x^2, x)')
    f = scalar_or_matrix(values[0])
    answer = None
    limits = bounds_of(values[1:], f, call)
    for one in limits:
        need(isinstance(one[0], sp.Symbol) and len(one) in (1, 3), 'integrate takes integrate(x^2, x) or integrate(x^2, (x, 0, 1))')
        need(len(limits) == 1 or answer is None or answer.value is not None, 'no closed form of the inner integral')
        answer = indefinite(f, one[0], call) if len(one) == 1 else definite(f, *one, call)
        f = answer.value
    return answer

def indefinite(f, x, call):
    try: found = tried(sp.integrate, f, x)
    except GivenUp: found = sp.Integral(f, x)
    if found.has(sp.Integral): raise Refused('no antiderivative in closed form was found; with bounds its value can be computed: integrate(f, (x, a, b))')
    found = of_reals(found, f, x)
    forms = [found]
    if found.count_ops() < 80:
        try: forms.append(tried(sp.simplify, found))
        except GivenUp: pass
    for one in sorted(forms, key=lambda form: len(show(form))):
        if same(one.diff(x), f) is not False:
            call.note('+ C')
            return Answer(told(one, call), one)
    raise Refused('the antiderivative that was found does not hold')

# ln|u| in place of ln(u) where the integrand is real and ln(u) is not.
def of_reals(found, f, x):
    if not any(one.has(x) for one in found.atoms(sp.log)): return found
    real = found.replace(lambda e: isinstance(e, sp.log) and e.has(x), lambda e: sp.log(sp.Abs(e.args[0])))
    for at in ({one: sp.Float(POINTS[(k + 2 * j) % len(POINTS)], 30) for j, one in enumerate(sorted(f.free_symbols | {x}, key=str))} for k in range(len(POINTS))):
        try: before, after = complex(sp.N(f.subs(at), 15)), complex(sp.N(found.subs(at), 15))
        except (TypeError, ValueError, ArithmeticError): continue
        if abs(before.imag) < 1e-12 and abs(after.imag) > 1e-9: return real if same(real.diff(x), f) else found
    return found

def number_of(e):
    return mpmath.mpf(sp.Float(sp.N(e, 20), 20)._mpf_)

def quadrature(f, x, a, b):
    if (f.free_symbols - {x}) or a.free_symbols or b.free_symbols: return None
    g = sp.lambdify(x, f, 'mpmath')
    ends = [number_of(one) if one.is_finite else (mpmath.inf if one > 0 else -mpmath.inf) for one in (a, b)]
    lo, hi = min(ends), max(ends)
    cuts = [ends[0]]
    if mpmath.isfinite(lo) and mpmath.isfinite(hi): cuts = [ends[0] + (ends[1] - ends[0]) * k / 7 for k in range(7)]
    elif not mpmath.isfinite(lo) and not mpmath.isfinite(hi): cuts = [ends[0], mpmath.mpf(0)]
    else:
        at, sign = (lo, 1) if mpmath.isfinite(lo) else (hi, -1)
        middle = [at + sign * k for k in (1, 5, 25)]
        cuts = [ends[0]] + (middle if ends[0] == at else middle[::-1])
    try:
        value, error = mpmath.quad(g, cuts + [ends[1]], error=True)
        again = mpmath.quad(g, [cuts[0]] + [one + mpmath.mpf('0.0137') for one in cuts[1:]] + [ends[1]])
    except (ValueError, ZeroDivisionError, TypeError, OverflowError, ArithmeticError, NameError, mpmath.libmp.libhyper.NoConvergence): return None
    except KeyboardInterrupt: return None
    size = max(1, abs(value))
    if not mpmath.isfinite(value) or abs(value - again) > 1e-7 * size or error > 1e-6 * size: return None
    return complex(value)

def definite(f, x, a, b, call):
    need(all(isinstance(one, sp.Expr) for one in (a, b)), 'the bounds of an integral are numbers or expressions')
    found = None
    for assume in ({}, {'positive': True}):
        others = (f.free_symbols | a.free_symbols | b.free_symbols) - {x}
        change = {one: sp.Symbol(one.name, **assume) for one in others} if assume else {}
        if assume and not others: break
        try: found = tried(sp.integrate, f.subs(change), (x, a.subs(change), b.subs(change)))
        except GivenUp: continue
        if not found.has(sp.Integral) and not found.has(sp.Piecewise):
            if assume: call.note('for positive ' + ', '.join(sorted(one.name for one in others)))
            found = found.subs({v: k for k, v in change.items()})
            break
    near = quadrature(f, x, a, b)
    if found is not None and not found.has(sp.Integral):
        if not found.free_symbols and found.is_finite is False or found is sp.nan:
            need(found is not sp.nan and near is None, 'the integral is not defined')
            return Answer('diverges: ' + show(found), found)
        if near is None or found.free_symbols or abs(complex(sp.N(found, 15)) - near) <= 1e-6 * max(1, abs(near)):
            if not found.free_symbols: poles_refused(f, x, a, b, near)
            if near is None and not found.free_symbols: call.note('not checked by numbers')
            short = simplest(found)
            if near is None or found.free_symbols or decimal(short) is not None: return Answer(told(short, call), short)
    need(near is not None, 'no closed form of this integral was found, nor a value by numbers; it may diverge')
    call.note('by numbers, no closed form')
    value = sp.Float(near.real, 15) if abs(near.imag) < 1e-12 else sp.Float(near.real, 15) + sp.I * sp.Float(near.imag, 15)
    return Answer('≈ ' + decimal(value, 10), value)

# SymPy takes some integrals over a pole as if it were not there.
def poles_refused(f, x, a, b, near):
    if near is not None or not (a.is_number and b.is_number): return
    try: bad = tried(sp.singularities, f, x, sp.Interval(*sorted((a, b), key=lambda one: float(one) if one.is_finite else (1e300 if one > 0 else -1e300))))
    except GivenUp: return
    if isinstance(bad, sp.FiniteSet):
        for one in bad.args:
            side = sp.limit(f * (x - one), x, one)
            need(side == 0, 'the integral diverges at ' + x.name + ' = ' + show(one))

def op_limit(nodes, call):
    values, kw = args_of(nodes, call)
    need(len(values) in (3, 4), 'limit takes limit(sin(x)/x, x, 0)')
    f, x, at = values[:3]
    need(isinstance(x, sp.Symbol) and isinstance(f, sp.Expr) and isinstance(at, sp.Expr), 'limit takes limit(sin(x)/x, x, 0)')
    side = kw.get('dir') or (kw_text(nodes) or '+-')
    if not at.is_finite: side = '+-'
    try:
        if side == '+-' and at.is_finite is not False:
            right, left = tried(sp.limit, f, x, at, '+'), tried(sp.limit, f, x, at, '-')
            if right != left and simplest(right - left) != 0 and same(right, left) is not True:
                return Answer('does not exist: from the right ' + told(right, call) + ', from the left ' + told(left, call))
            found = right
        else: found = tried(sp.limit, f, x, at, side if side in '+-' else '+')
    except GivenUp: raise Refused('this limit was not found')
    need(not found.has(sp.Limit), 'this limit was not found')
    near_limit(f, x, at, side, found)
    if found.has(sp.AccumBounds): return Answer('does not exist: it oscillates between ' + show(found.min) + ' and ' + show(found.max) if isinstance(found, sp.AccumBounds) else 'does not exist')
    short = simplest(found)
    return Answer(told(short, call), short)

def near_limit(f, x, at, side, found):
    if f.free_symbols != {x} or not found.is_number or found.has(sp.AccumBounds): return
    seen = []
    for k in (20, 26):
        step = sp.Rational(1, 2 ** k)
        t = (1 / step if at is sp.oo else -1 / step) if at.is_finite is False else at + (-step if side == '-' else step)
        try: seen.append(complex(sp.N(f.subs(x, sp.Float(t, 60)), 30)))
        except (TypeError, ValueError, OverflowError, ArithmeticError): return
    if found.is_finite is False: return need(found is sp.zoo or abs(seen[1]) > 2 or abs(seen[1]) > abs(seen[0]), 'the limit found does not hold')
    value = complex(sp.N(found, 15))
    apart = [abs(one - value) for one in seen]
    need(apart[1] <= 1e-3 * max(1, abs(value)) or apart[1] < apart[0], 'the limit found does not hold')

def kw_text(nodes):
    for one in nodes:
        if one[0] == 'kw' and one[1] == 'dir': return one[2]
    return None

def summed(nodes, call, what):
    values, _ = args_of(nodes, call)
    need(len(values) in (2, 4) , what + ' takes ' + what + '(1/n^2, (n, 1, oo))')
    f, rest = values[0], values[1:]
    k, a, b = rest[0] if len(rest) == 1 and isinstance(rest[0], list) and len(rest[0]) == 3 else (rest if len(rest) == 3 else (None,) * 3)
    need(isinstance(k, sp.Symbol) and isinstance(f, sp.Expr), what + ' takes ' + what + '(1/n^2, (n, 1, oo))')
    need(all(not one.is_number or one.is_Integer or one.is_infinite for one in (a, b)), 'the bounds are whole numbers')
    return f, k, a, b

def op_sum(nodes, call):
    for one in nodes[1:]:
        name = one[1] if one[0] == 'list' else one
        if isinstance(name, list) and name[0] == 'sym': call.integers.add(name[1])
    f, k, a, b = summed(nodes, call, 'sum')
    if a.is_Integer and b.is_Integer:
        need(b - a <= 10000, 'more than 10000 terms; write the upper bound as a letter for a formula')
        total = sum((f.subs(k, sp.Integer(j)) for j in range(int(a), int(b) + 1)), S.Zero)
        total = simplest(total)
        return Answer(told(total, call), total)
    try: found = tried(lambda: sp.summation(f, (k, a, b)))
    except GivenUp: found = None
    if found is not None and isinstance(found, sp.Piecewise):
        call.note('under the condition shown')
    near = None
    if b is sp.oo and f.free_symbols == {k} and a.is_Integer:
        test = None
        if found is None or found.has(sp.Sum):
            try: test = tried(lambda: sp.Sum(f, (k, a, b)).is_convergent())
            except GivenUp: pass
        if test == False or found is sp.oo or found is -sp.oo: return Answer('diverges' + ('' if found is None or found.has(sp.Sum) else ': ' + show(found)))
        try:
            g = sp.lambdify(k, f, 'mpmath')
            near = tried(mpmath.nsum, g, [int(a), mpmath.inf])
        except GivenUp: pass
    if found is not None and not found.has(sp.Sum):
        bad = near is not None and found.is_number and abs(complex(sp.N(found, 15)) - complex(near)) > 1e-6 * max(1, abs(near))
        need(not bad, 'the sum that was found does not hold')
        if b.is_finite is not False and a.is_Integer and b.is_Symbol:
            for m in (3, 6):
                whole = sum((f.subs(k, sp.Integer(j)) for j in range(int(a), int(a) + m + 1)), S.Zero)
                need(same(whole, found.subs(b, int(a) + m)) is not False, 'the sum that was found does not hold')
        short = simplest(found) if not isinstance(found, sp.Piecewise) else found
        return Answer(told(sp.factor(short) if short.is_polynomial() else short, call), short)
    need(near is not None, 'no closed form of this sum was found')
    call.note('by numbers, no closed form')
    return Answer('≈ ' + plain(sp.Float(near, 15), 10), sp.Float(near, 15))

def op_product(nodes, call):
    f, k, a, b = summed(nodes, call, 'product')
    if a.is_Integer and b.is_Integer:
        need(b - a <= 5000, 'more than 5000 factors')
        found = sp.Mul(*[f.subs(k, sp.Integer(j)) for j in range(int(a), int(b) + 1)])
    else:
        try: found = tried(lambda: sp.product(f, (k, a, b)))
        except GivenUp: raise Refused('no closed form of this product was found')
        need(not found.has(sp.Product), 'no closed form of this product was found')
    found = simplest(found)
    return Answer(told(found, call), found)

def op_series(nodes, call):
    values, _ = args_of(nodes, call)
    need(values, 'series takes series(exp(x), x, 0, 4)')
    f = values[0]
    x = variable_of(f, values[1] if len(values) > 1 and isinstance(values[1], sp.Symbol) else None, call)
    rest = [one for one in values[1:] if one != x]
    at = rest[0] if rest else S.Zero
    order = int(rest[1]) if len(rest) > 1 and rest[1].is_Integer else 5
    need(0 <= order <= 30, 'a series of order 0 to 30')
    try: found = tried(lambda: sp.series(f, x, at, order + 1).removeO())
    except GivenUp: raise Refused('no series was found there')
    call.note(f'to the power {order} of ' + (x.name if at == 0 else f'({show(x - at)})'))
    terms = sorted(sp.Add.make_args(found), key=lambda one: sp.degree(sp.expand(one), x) if one.is_polynomial(x) else -1)
    text = show(terms[0]) if terms else '0'
    for one in terms[1:]:
        word = show(one)
        text += ' - ' + word[1:] if word.startswith('-') else ' + ' + word
    return Answer(text, found)

def op_tangent(nodes, call):
    values, _ = args_of(nodes, call)
    need(len(values) in (3, 4) and isinstance(values[1], sp.Symbol), 'tangent takes tangent(x^2, x, 3)')
    f, x, at = values[:3]
    if isinstance(f, sp.Eq): f = f.rhs
    a, b = f.diff(x).subs(x, at), f.subs(x, at)
    need(a.is_finite is not False and b.is_finite is not False and not sp.sympify(a).has(sp.nan), 'there is no tangent of finite slope there')
    need(len(values) == 3 or sp.simplify(b - values[3]) == 0, 'the point is not on the curve')
    line = sp.expand(a * (x - at) + b)
    return Answer('y = ' + told(line, call), line)

def op_subs(nodes, call):
    values, _ = args_of(nodes, call)
    f, at = values[0], values[1:]
    need(at, 'evaluate takes an expression and values, e.g. x^2 at x = 3')
    change = {}
    for one in at:
        need(isinstance(one, sp.Eq) and isinstance(one.lhs, sp.Symbol), 'values are given as x = 3')
        change[one.lhs] = one.rhs
    result = simplest(scalar_or_matrix(f).subs(change))
    need(not result.has(sp.nan, sp.zoo) if isinstance(result, sp.Expr) else True, 'it is not defined there')
    return Answer(told(result, call), result)

def op_dsolve(nodes, call):
    values, _ = args_of([one for one in nodes if one[0] != 'kw'], call)
    flat = [part for one in values for part in (one if isinstance(one, list) else [one])]
    eqs, start = [], {}
    name = sorted(call.unknown)[0] if call.unknown else None
    need(len(call.unknown) == 1, "one unknown function is expected, e.g. y'' + y = 0")
    f = sp.Function(name)
    for one in flat:
        if isinstance(one, sp.Expr) and not isinstance(one, (sp.Symbol, sp.core.function.AppliedUndef)): one = sp.Eq(one, 0, evaluate=False)
        if not isinstance(one, sp.Eq): continue
        if call.var in one.free_symbols: eqs.append(one)
        else: start[one.lhs] = one.rhs
    need(len(eqs) == 1, 'one differential equation is expected')
    y = f(call.var)
    try: found = tried(lambda: sp.dsolve(eqs[0], y, ics=start or None))
    except GivenUp as given: raise Refused('no solution of this differential equation was found (' + str(given) + ')')
    found = found if isinstance(found, list) else [found]
    for one in found:
        try: check = tried(lambda: sp.checkodesol(eqs[0], one)[0])
        except GivenUp: check = None
        need(check is not False or same_ode(eqs[0], one, y), 'the solution found does not hold')
    shorts = [sp.Eq(one.lhs, simplest(one.rhs)) if isinstance(one, sp.Eq) else one for one in found]
    return Answer(' or '.join(told(one.rhs, call, show(one.lhs)) for one in shorts))

def same_ode(equation, solution, y):
    if solution.lhs != y: return False
    rest = (equation.lhs - equation.rhs).subs(y, solution.rhs).doit()
    return same(rest, S.Zero) is True

def transform(nodes, call, work, inverse):
    values, _ = args_of(nodes, call)
    f = values[0]
    names = ('s', 't') if inverse else ('t', 's')
    here = values[1] if len(values) > 1 else call.symbol(names[0])
    there = values[2] if len(values) > 2 else call.symbol(names[1])
    t = sp.Symbol('t', real=True) if inverse else here
    try: found = tried(lambda: work(f, here, t if inverse else there, noconds=True))
    except GivenUp: raise Refused('no transform in closed form was found')
    need(not found.has(sp.Integral, sp.integrals.transforms.LaplaceTransform, sp.integrals.transforms.InverseLaplaceTransform), 'no transform in closed form was found')
    if inverse:
        # Steps at 0 are 1 there; an impulse at 0 is shown.
        found = sp.expand(found).subs(sp.Heaviside(t), 1).subs(t, there)
        call.note('for ' + str(there) + (' >= 0' if found.has(sp.DiracDelta) else ' > 0'))
    found = simplest(found)
    return Answer(told(found, call), found)
`;
