/** Forms of expressions, whole numbers, polynomials modulo a number, matrices, vectors; and the entry that answers a problem. */
export const FORMS = String.raw`
def modulus_of(nodes, call):
    for one in nodes:
        if one[0] == 'kw' and one[1] in ('modulus', 'mod'):
            n = ev(one[2], call)
            need(n.is_Integer and 2 <= n <= 10 ** 12, 'a modulus is a whole number above 1')
            return int(n)
    return None

def one_expr(nodes, call, what):
    values, _ = args_of(nodes, call)
    need(values and isinstance(scalar_or_matrix(values[0]), (sp.Expr, sp.MatrixBase)), what + ' takes an expression')
    return scalar_or_matrix(values[0]), values[1:]

def checked(e, found, call):
    need(isinstance(e, sp.MatrixBase) or same(e, found) is not False, 'the form that was found does not hold')
    return Answer(told(found, call), found)

def poly_mod(e, n, call):
    free = sorted(e.free_symbols, key=str)
    need(len(free) == 1 and e.is_polynomial(*free), 'a polynomial in one variable is expected')
    return sp.Poly(e, free[0], modulus=n, symmetric=False)

def shown_mod(poly, n):
    p = sp.Poly([int(c) % n for c in poly.all_coeffs()], poly.gen)
    return show(p.as_expr())

def op_factor(nodes, call):
    e, rest = one_expr(nodes, call, 'factor')
    names_only(rest, 'factor')
    n = modulus_of(nodes, call)
    if n is not None:
        need(sp.isprime(n), 'factors are found modulo a prime number')
        lead, parts = poly_mod(e, n, call).factor_list()
        words = [] if int(lead) % n == 1 and parts else [str(int(lead) % n)]
        words += [f'({shown_mod(p, n)})' + (f'^{k}' if k > 1 else '') for p, k in parts]
        if len(parts) == 1 and parts[0][1] == 1: call.note(f'irreducible modulo {n}')
        call.note(f'modulo {n}')
        return Answer('*'.join(words))
    if e.is_Integer:
        need(abs(e) < 10 ** 40, 'a whole number below 10^40')
        try: found = tried(sp.factorint, e)
        except GivenUp: raise Refused('its factors take too long to find')
        if e in (0, 1, -1): return Answer(str(e), e)
        text = '*'.join(f'{p}^{k}' if k > 1 else str(p) for p, k in sorted(found.items()))
        if len(found) == 1 and list(found.values()) == [1]: call.note('prime')
        return Answer(text, e)
    try: found = tried(sp.factor, e)
    except GivenUp: raise Refused('it was not factored')
    if found == e or not found.is_Mul and not found.is_Pow: call.note('it has no factors over the rationals')
    return checked(e, found, call)

def op_expand(nodes, call):
    e, rest = one_expr(nodes, call, 'expand')
    names_only(rest, 'expand')
    n = modulus_of(nodes, call)
    if n is not None:
        call.note(f'modulo {n}')
        if e.is_Integer: return Answer(str(e % n), e % n)
        return Answer(shown_mod(poly_mod(e, n, call), n))
    try: found = tried(sp.expand, e)
    except GivenUp: raise Refused('it takes too long to expand')
    return checked(e, found, call)

def op_form(work, what):
    def op(nodes, call):
        e, rest = one_expr(nodes, call, what)
        names_only(rest, what)
        if modulus_of(nodes, call) is not None: return op_expand(nodes, call)
        if isinstance(e, sp.MatrixBase): return Answer(show(simplest(e)), e)
        try: found = tried(work, e, *[one for one in rest if isinstance(one, sp.Symbol)][:1]) if what == 'apart' else tried(work, e)
        except GivenUp: raise Refused(what + ' did not end; write less at once')
        if what == 'simplify': found = min([e, found], key=lambda one: len(show(one)))
        return checked(e, found, call)
    return op

def op_gcd(nodes, call, work, what):
    values, _ = args_of(nodes, call)
    flat = [part for one in values for part in (one if isinstance(one, list) else [one])]
    need(len(flat) >= 2 and all(isinstance(one, sp.Expr) for one in flat), what + ' takes two or more, e.g. gcd(x^3-1, x^2-1)')
    n = modulus_of(nodes, call)
    if n is not None:
        need(sp.isprime(n), 'modulo a prime number')
        result = poly_mod(flat[0], n, call)
        for one in flat[1:]: result = getattr(result, what)(poly_mod(one, n, call))
        call.note(f'modulo {n}')
        return Answer(shown_mod(result.monic(), n))
    result = flat[0]
    for one in flat[1:]:
        try: result = tried(work, result, one)
        except GivenUp: raise Refused(what + ' takes whole numbers or polynomials')
    return Answer(told(result, call), result)

def op_div(nodes, call, part):
    values, _ = args_of(nodes, call)
    need(len(values) >= 2, 'two polynomials are expected')
    a, b = values[:2]
    n = modulus_of(nodes, call)
    if n is not None:
        need(sp.isprime(n), 'modulo a prime number')
        q, r = poly_mod(a, n, call).div(poly_mod(b, n, call))
        q, r = shown_mod(q, n), shown_mod(r, n)
        call.note(f'modulo {n}')
        return Answer({'both': f'quotient {q}, remainder {r}', 'quo': q, 'rem': r}[part])
    if a.is_number and b.is_number:
        need(a.is_Integer and b.is_Integer and b != 0, 'whole numbers or polynomials are expected')
        q, r = a // b, a % b
    else:
        try: q, r = tried(sp.div, a, b)
        except GivenUp: raise Refused('polynomials are expected')
        need(same(a, q * b + r) is not False, 'the quotient found does not hold')
    if part == 'both': return Answer(f'quotient {show(q)}, remainder {show(r)}')
    return Answer(told(q if part == 'quo' else r, call), q if part == 'quo' else r)

# Options that are not known change what is asked.
def names_only(rest, what):
    need(all(isinstance(one, sp.Symbol) for one in rest), what + ' takes an expression and a variable; other options are not understood')

# An expression of whole numbers modulo n, powers by squaring; for powers too large to be written out.
def residue(node, n, call):
    kind, rest = node[0], node[1:]
    if kind == 'num':
        q = sp.Rational(rest[0])
        return int(q.p) * inverse_mod(int(q.q), n) % n
    if kind == 'neg': return -residue(rest[0], n, call) % n
    if kind in '+-*/':
        a, b = residue(rest[0], n, call), residue(rest[1], n, call)
        return {'+': lambda: a + b, '-': lambda: a - b, '*': lambda: a * b, '/': lambda: a * inverse_mod(b, n)}[kind]() % n
    if kind == '^':
        k = ev(rest[1], call)
        need(k.is_Integer, 'a power modulo a number is a whole number')
        base = residue(rest[0], n, call)
        return pow(base, int(k), n) if k >= 0 else pow(inverse_mod(base, n), int(-k), n)
    value = ev(node, call)
    need(value.is_Integer, 'whole numbers are expected')
    return int(value) % n

def inverse_mod(a, n):
    from math import gcd
    need(gcd(a, n) == 1, f'{a} has no inverse modulo {n}')
    return pow(a, -1, n)

def op_mod(nodes, call):
    need(len(nodes) == 2, 'mod takes two, e.g. 7^100 mod 13')
    n = ev(nodes[1], call)
    if not n.is_Integer: return op_div(nodes, call, 'rem')
    need(n > 0, 'a modulus is a whole number above 0')
    if names_in(nodes[0]): return op_expand([nodes[0], ['kw', 'modulus', nodes[1]]], call)
    if nodes[0][0] == 'call' and nodes[0][1] in OPERATIONS or inexact_in(nodes[0]):
        value = ev(nodes[0], call)
        return Answer(told(sp.Mod(value, n), call), sp.Mod(value, n))
    value = sp.Integer(residue(nodes[0], int(n), call))
    return Answer(str(value), value)

def inexact_in(node): return any(one[0] == 'num' and '.' in one[1] for one in walk(node))
def walk(node):
    yield node
    for one in node[1:]:
        if isinstance(one, list):
            if one and isinstance(one[0], str): yield from walk(one)
            else:
                for part in one:
                    if isinstance(part, list): yield from walk(part)
def names_in(node): return sorted({one[1] for one in walk(node) if one[0] == 'sym'})

# All residues for which all congruences [left, right, modulus] hold.
def op_congruences(nodes, call):
    names = sorted({n for one in nodes for part in one[1:3] for n in names_in(part)})
    if not names:
        answers = []
        for one in nodes:
            n = int(ev(one[3], call))
            answers.append(residue(one[1], n, call) == residue(one[2], n, call))
        return Answer('true' if all(answers) else 'false')
    need(len(names) == 1, 'congruences in one variable are solved')
    x = call.symbol(names[0])
    pairs = []
    for one in nodes:
        n = ev(one[3], call)
        need(n.is_Integer and 2 <= n <= 200000, 'a modulus is a whole number from 2 to 200000')
        f = ev(one[1], call) - ev(one[2], call)
        need(f.is_polynomial(x), 'a polynomial in the variable is expected')
        p = sp.Poly(f, x)
        cs = [int(c.p) * inverse_mod(int(c.q), int(n)) % int(n) for c in p.all_coeffs()]
        good = []
        for t in range(int(n)):
            value = 0
            for c in cs: value = (value * t + c) % int(n)
            if value == 0: good.append(t)
        pairs.append((good, int(n)))
    residues, modulus = [0], 1
    for good, n in pairs:
        need(len(residues) * len(good) <= 20000, 'too many solutions')
        new = []
        for a in residues:
            for b in good:
                one = sp.ntheory.modular.solve_congruence((a, modulus), (b, n)) if modulus > 1 else (b, n)
                if one is not None: new.append(int(one[0]))
        modulus = int(sp.ilcm(modulus, n))
        residues = sorted(set(new))
    if not residues: return Answer('no solution modulo ' + str(modulus))
    shown = ', '.join(map(str, residues[:40])) + (', …' if len(residues) > 40 else '')
    call.note(f'{len(residues)} solution{"s" if len(residues) > 1 else ""} modulo {modulus}')
    return Answer(f'{x.name} ≡ {shown} (mod {modulus})')

def op_solve_mod(nodes, call):
    n = next((one[2] for one in nodes if one[0] == 'kw' and one[1] in ('modulus', 'mod')), None)
    todo = []
    for one in nodes:
        for part in (one[1:] if one[0] == 'list' else [one]):
            if part[0] == 'rel': todo.append(['cong', part[2], part[3], n])
            elif part[0] not in ('kw', 'sym'): todo.append(['cong', part, ['num', '0'], n])
    return op_congruences(todo, call)

def matrix_of(nodes, call, what):
    values, _ = args_of(nodes, call)
    need(values, what + ' takes a matrix, e.g. ' + what + '([[1, 2], [3, 4]])')
    m = values[0]
    if isinstance(m, list): m = sp.Matrix(m)
    need(isinstance(m, sp.MatrixBase) and m.rows <= 12 and m.cols <= 12, what + ' takes a matrix of at most 12 rows, e.g. ' + what + '([[1, 2], [3, 4]])')
    return m

def op_matrix(what):
    def op(nodes, call):
        m = matrix_of(nodes, call, what)
        if what in ('det', 'inverse', 'eigenvalues', 'eigenvectors', 'trace', 'charpoly'): need(m.is_square, 'a square matrix is expected')
        if what == 'det': found = simplest(m.det())
        elif what == 'trace': found = m.trace()
        elif what == 'rank': found = sp.Integer(m.rank())
        elif what == 'transpose': found = m.T
        elif what == 'rref': found = m.rref()[0]
        elif what == 'nullspace':
            space = m.nullspace()
            return Answer('only the zero vector' if not space else 'spanned by ' + ', '.join(show(list(v)) for v in space))
        elif what == 'charpoly':
            call.note('det(lambda*I - A)')
            found = m.charpoly(sp.Symbol('lambda')).as_expr()
        elif what == 'inverse':
            need(simplest(m.det()) != 0, 'the matrix has no inverse: its determinant is 0')
            found = simplest(m.inv())
        else: return eigen(m, what, call)
        return Answer(told(found, call), found)
    return op

def eigen(m, what, call):
    x = sp.Symbol('lambda')
    p = sp.Poly(m.charpoly(x).as_expr(), x)
    try: values = tried(sp.roots, p)
    except GivenUp: values = {}
    if sum(values.values()) != m.rows or any(len(show(one)) > 70 for one in values):
        need(not m.free_symbols, 'no closed form of the eigenvalues was found')
        values = {}
        for one in p.nroots(n=20): values[one] = values.get(one, 0) + 1
        need(what == 'eigenvalues', 'no closed form of the eigenvalues, so no vectors')
    words, parts = [], sorted(values, key=lambda one: show(one) if one.free_symbols else (complex(sp.N(one)).real, complex(sp.N(one)).imag))
    for one in parts:
        text = '≈ ' + decimal(one) if one.has(sp.Float) else told(simpler(one), call)
        text += f' ({values[one]} times)' if values[one] > 1 else ''
        if what == 'eigenvectors': text += ': ' + ', '.join(show([simplest(c) for c in v]) for v in (m - one * sp.eye(m.rows)).nullspace(simplify=True))
        words.append(text)
    return Answer(('; ' if what == 'eigenvectors' else ', ').join(words), list(values))

def op_degree(nodes, call):
    e, rest = one_expr(nodes, call, 'degree')
    x = variable_of(e, rest[0] if rest else None, call)
    need(e.is_polynomial(x), 'a polynomial is expected')
    return Answer(str(sp.degree(sp.expand(e), x)), sp.Integer(sp.degree(sp.expand(e), x)))

def op_discriminant(nodes, call):
    e, rest = one_expr(nodes, call, 'discriminant')
    x = variable_of(e, rest[0] if rest else None, call)
    found = sp.factor(sp.discriminant(e, x))
    return Answer(told(found, call), found)

def op_parabola(nodes, call, what):
    e, rest = one_expr(nodes, call, what)
    x = variable_of(e, rest[0] if rest else None, call)
    need(e.is_polynomial(x) and sp.degree(sp.expand(e), x) == 2, what + ' takes a polynomial of degree 2, e.g. x^2 - 4*x + 3')
    a, b, c = sp.Poly(e, x).all_coeffs()
    at, value = simplest(-b / (2 * a)), simplest(c - b ** 2 / (4 * a))
    if what == 'vertex': return Answer('(' + told(at, call) + ', ' + told(value, call) + ')')
    found = sp.Add(sp.Mul(a, sp.Pow(x - at, 2)), value)
    return Answer(told(found, call), found)

def op_cross(nodes, call, what):
    values, _ = args_of(nodes, call)
    need(len(values) == 2 and all(isinstance(one, list) for one in values), what + ' takes two vectors, e.g. ' + what + '([1, 2, 3], [4, 5, 6])')
    a, b = (sp.Matrix(one) for one in values)
    need(a.shape == b.shape and (what == 'dot' or a.rows == 3), 'vectors of the same length' + ('' if what == 'dot' else ', which is 3'))
    found = a.dot(b) if what == 'dot' else a.cross(b)
    found = simplest(found)
    return Answer(told(found, call) if what == 'dot' else show(list(found)), found)

def op_gradient(nodes, call, what):
    values, _ = args_of(nodes, call)
    f, rest = values[0], values[1:]
    names = [part for one in rest for part in (one if isinstance(one, list) else [one])]
    free = set().union(*(one.free_symbols for one in f)) if isinstance(f, list) else f.free_symbols
    names = names or sorted(free, key=str)
    if what == 'gradient': out = [simplest(f.diff(v)) for v in names]
    elif what == 'hessian': return Answer(show(simplest(sp.hessian(f, names))))
    elif what == 'laplacian':
        e = simplest(sum(f.diff(v, 2) for v in names))
        return Answer(told(e, call), e)
    elif what == 'jacobian': return Answer(show(simplest(sp.Matrix(f).jacobian(names))))
    else:
        need(isinstance(f, list), what + ' takes a vector field, e.g. ' + what + '([x*y, y*z, z*x])')
        if not rest or len(names) < len(f): names = [call.symbol(n) for n in 'xyz'][:len(f)]
        if what == 'divergence':
            e = simplest(sum(one.diff(v) for one, v in zip(f, names)))
            return Answer(told(e, call), e)
        need(len(f) == 3, 'curl takes three components')
        x, y, z = names
        p, q, r = f
        out = [simplest(one) for one in (r.diff(y) - q.diff(z), p.diff(z) - r.diff(x), q.diff(x) - p.diff(y))]
    call.note('with respect to ' + ', '.join(n.name for n in names))
    return Answer(show(out))

def op_num(nodes, call):
    e, rest = one_expr(nodes, call, 'N')
    digits = int(rest[0]) if rest and rest[0].is_Integer and 1 <= rest[0] <= 50 else 10
    near = decimal(e, digits)
    need(near is not None, 'it is no number')
    return Answer(near, e)

OPERATIONS = {
    'solve': op_solve, 'solveset': op_solve, 'nsolve': op_nsolve, 'roots': op_roots, 'solvemod': op_solve_mod, 'dsolve': op_dsolve,
    'diff': op_diff, 'integrate': op_integrate, 'limit': op_limit, 'sum': op_sum, 'product': op_product, 'series': op_series,
    'subs': op_subs, 'tangent': op_tangent, 'factor': op_factor, 'expand': op_expand, 'simplify': op_form(sp.simplify, 'simplify'),
    'apart': op_form(sp.apart, 'apart'), 'together': op_form(sp.together, 'together'), 'cancel': op_form(sp.cancel, 'cancel'),
    'trigsimp': op_form(sp.trigsimp, 'trigsimp'), 'trigexpand': op_form(sp.expand_trig, 'trigexpand'), 'radsimp': op_form(sp.radsimp, 'radsimp'),
    'gcd': lambda n, c: op_gcd(n, c, sp.gcd, 'gcd'), 'lcm': lambda n, c: op_gcd(n, c, sp.lcm, 'lcm'),
    'div': lambda n, c: op_div(n, c, 'both'), 'quo': lambda n, c: op_div(n, c, 'quo'), 'rem': lambda n, c: op_div(n, c, 'rem'),
    'mod': op_mod, 'degree': op_degree, 'discriminant': op_discriminant, 'N': op_num,
    'vertex': lambda n, c: op_parabola(n, c, 'vertex'), 'complete_square': lambda n, c: op_parabola(n, c, 'complete_square'),
    'minimize': lambda n, c: op_extreme(n, c, 1), 'maximize': lambda n, c: op_extreme(n, c, -1),
    'laplace': lambda n, c: transform(n, c, sp.laplace_transform, False), 'invlaplace': lambda n, c: transform(n, c, sp.inverse_laplace_transform, True),
    'dot': lambda n, c: op_cross(n, c, 'dot'), 'cross': lambda n, c: op_cross(n, c, 'cross'),
}
for _what in ('det', 'inverse', 'eigenvalues', 'eigenvectors', 'rank', 'trace', 'transpose', 'rref', 'nullspace', 'charpoly'):
    OPERATIONS[_what] = op_matrix(_what)
for _what in ('gradient', 'hessian', 'laplacian', 'jacobian', 'divergence', 'curl'):
    OPERATIONS[_what] = (lambda what: lambda n, c: op_gradient(n, c, what))(_what)

# Their letters are real numbers; elsewhere they may be complex.
REAL = {'tangent', 'integrate', 'limit', 'diff', 'minimize', 'maximize', 'simplify', 'laplace', 'gradient', 'hessian', 'divergence', 'curl', 'sum', 'series'}
CALL = [None]

def operation_names(node): return {one[1] for one in walk(node) if one[0] == 'call'}

def answered(problem):
    call = CALL[0] = Call()
    trees = problem['trees']
    call.unknown = set(problem['unknown'])
    names = {one for tree in trees for one in operation_names(tree)}
    if names & REAL or names & {'abs', 'floor', 'ceil', 'max', 'min', 'sgn', 'sign'}: call.assume = {'real': True}
    call.var = call.symbol(problem['var']) if problem['var'] else None
    call.bare = problem['bare']
    tree = trees[0]
    if tree[0] == 'call' and tree[1] in OPERATIONS: answer = OPERATIONS[tree[1]](tree[2], call)
    elif tree[0] == 'congruences': answer = op_congruences(tree[1:], call)
    else: answer = plainly(ev(tree, call), tree, call)
    return answer.text + ''.join('\n' + one for one in [*problem['notes'], *call.notes])

# An expression without an operation: its value or its simplest form.
def plainly(value, tree, call):
    if isinstance(value, list): return Answer('[' + ', '.join(told(one, call) if isinstance(one, sp.Expr) else show(one) for one in value) + ']')
    if isinstance(value, (sp.core.relational.Relational, sp.logic.boolalg.BooleanAtom)): return op_solve([tree], call)
    need(not value.has(sp.nan, sp.zoo), 'it is not defined: a division by zero')
    found = simplest(value)
    return Answer(told(found, call), found)

# '+' and the answer, '-' and what is wrong, '!' where stack or memory ended.
def _spark_algebra(text, limit, used):
    import json
    try: return '+' + answered(json.loads(text))[:limit + 2]
    except Refused as error: return '-' + str(error)
    except GivenUp as error: return '-not solved: ' + str(error)
    except KeyboardInterrupt: return '-it takes too long; ask for less at once'
    except (RecursionError, MemoryError): return '!'
    except Exception as error:
        return '-not solved (' + (type(error).__name__ + ': ' + str(error).split('\n')[0])[:160] + '); write e.g. solve(2*x+3=11, x) or diff(x^3, x)'
`;
