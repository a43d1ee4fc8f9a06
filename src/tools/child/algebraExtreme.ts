/** Least and greatest values, also under conditions: where derivatives vanish, by Lagrange, refuted by numbers elsewhere. */
export const EXTREME = `
def op_extreme(nodes, call, sign):
    values, _ = args_of(nodes, call)
    flat = [part for one in values for part in (one if isinstance(one, list) else [one])]
    f, rest = flat[0], flat[1:]
    need(isinstance(f, sp.Expr), 'minimize and maximize take an expression, and conditions')
    # minimize x^2 on [1, 3]
    if len(values) == 2 and isinstance(values[1], list) and len(rest) == 2 and all(isinstance(one, sp.Expr) and one.is_number for one in rest):
        x = variable_of(f, None, call)
        rest = [sp.Ge(x, rest[0], evaluate=False), sp.Le(x, rest[1], evaluate=False)]
    need(all(isinstance(one, (sp.core.relational.Relational, sp.Symbol)) for one in rest), 'conditions are written as relations, e.g. minimize(x^2, x >= 1, x <= 3)')
    conditions = [one for one in rest if isinstance(one, sp.core.relational.Relational)]
    names = sorted(f.free_symbols | {n for one in conditions for n in one.free_symbols}, key=str)
    need(1 <= len(names) <= 4, 'one to four variables')
    hs = [one.lhs - one.rhs for one in conditions]
    equal = [isinstance(one, sp.Eq) for one in conditions]
    need(len(conditions) <= 4, 'at most four conditions')
    best = []
    free = [k for k in range(len(hs)) if not equal[k]]
    for mask in range(2 ** len(free)):
        active = [h for k, h in enumerate(hs) if equal[k] or (mask >> free.index(k)) & 1]
        if len(active) > len(names): continue
        ls = sp.symbols(f'_l0:{len(active)}', real=True)
        L = f + sum((l * h for l, h in zip(ls, active)), S.Zero)
        eqs = [sp.numer(sp.together(L.diff(v))) for v in names] + active
        eqs = [one for one in eqs if one != 0]
        if not eqs: continue
        try: found = tried(sp.solve, eqs, [*names, *ls], dict=True)
        except GivenUp: raise Refused('the points where the derivatives vanish were not found')
        for one in found:
            at = {n: one[n] for n in names if n in one}
            if len(at) < len(names) or any(abs(complex(sp.N(v)).imag) > 1e-12 for v in at.values() if not v.free_symbols): continue
            if any(v.free_symbols for v in at.values()): continue
            ok = True
            for c, h in zip(conditions, hs):
                value = float(sp.re(sp.N(h.subs(at))))
                slack = {'<=': value <= 1e-9, '<': value < 0, '>=': value >= -1e-9, '>': value > 0, '==': abs(value) < 1e-9}
                ok = ok and slack.get(c.rel_op, False)
            if ok: best.append((f.subs(at), at))
    need(best, 'no point where an extreme value could be was found')
    values = [float(sp.re(sp.N(v))) for v, _ in best]
    pick = min(values) if sign > 0 else max(values)
    # No number elsewhere may be better: the least of what is found is no minimum of what has none.
    refute(f, names, conditions, hs, pick, sign)
    chosen = [(v, at) for (v, at), number in zip(best, values) if abs(number - pick) < 1e-9 * max(1, abs(pick))]
    value = simplest(chosen[0][0])
    points = []
    for _, at in chosen:
        text = ', '.join(told(simpler(at[n]), call, n.name) for n in names)
        if text not in points: points.append(text)
    return Answer(told(value, call) + ' at ' + '; '.join(points[:4]), value)

def refute(f, names, conditions, hs, pick, sign):
    if any(isinstance(one, sp.Eq) for one in conditions):
        return CALL[0].note('the best of the points where the derivatives vanish')
    g = sp.lambdify(names, [f, *hs], 'mpmath')
    state = 12345
    for k in range(3000):
        at = []
        for _ in names:
            state = (state * 1103515245 + 12345) % 2 ** 31
            at.append((state / 2 ** 30 - 1) * 10 ** (k % 5 - 1))
        try: value, *rest = g(*at)
        except Exception: continue
        if isinstance(value, mpmath.mpc) or any(isinstance(one, mpmath.mpc) for one in rest): continue
        inside = all({'<=': one <= 0, '<': one < 0, '>=': one >= 0, '>': one > 0}.get(c.rel_op, True) for c, one in zip(conditions, rest))
        if inside and sign * (value - pick) < -1e-7 * max(1, abs(pick)):
            raise Refused(('no minimum' if sign > 0 else 'no maximum') + ' was found: at ' + ', '.join(f'{n.name} = {v:.4g}' for n, v in zip(names, at))
                + f' the value is {float(value):.6g}, beyond the best of the points where the derivatives vanish, {pick:.6g}')
`;
