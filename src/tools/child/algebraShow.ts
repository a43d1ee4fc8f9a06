/** How `algebra` writes results, tries what may take for ever, and compares two forms in numbers. */
export const SHOW = String.raw`
from sympy.printing.str import StrPrinter

class Shown(StrPrinter):
    # 4 - x^2 in place of -x^2 + 4.
    def _as_ordered_terms(self, e, order=None):
        terms = super()._as_ordered_terms(e, order=order)
        turn = len(terms) == 2 and terms[0].could_extract_minus_sign() and not terms[1].could_extract_minus_sign()
        return terms[::-1] if turn else terms
    def _print_Abs(self, e): return 'abs(' + self._print(e.args[0]) + ')'
    def _print_ImaginaryUnit(self, e): return 'i'
    def _print_Exp1(self, e): return 'e'
    def _print_Infinity(self, e): return 'infinity'
    def _print_NegativeInfinity(self, e): return '-infinity'
    def _print_ComplexInfinity(self, e): return 'complex infinity'
    def _print_log(self, e): return 'ln(' + self._print(e.args[0]) + ')'
    def _print_MatrixBase(self, e):
        return '[' + ', '.join('[' + ', '.join(self._print(one) for one in e.row(k)) + ']' for k in range(e.rows)) + ']'
    _print_ImmutableDenseMatrix = _print_MutableDenseMatrix = _print_ImmutableSparseMatrix = _print_MatrixBase
    def _print_Piecewise(self, e):
        parts = []
        for value, condition in e.args:
            parts.append(self._print(value) + (' otherwise' if condition == True else ' if ' + self._print(condition)))
        return '{' + '; '.join(parts) + '}'
    def _print_And(self, e): return ' and '.join(self._print(one) for one in e.args)
    def _print_Or(self, e): return ' or '.join(self._print(one) for one in e.args)
    def _print_Integral(self, e): return 'integral(' + ', '.join(self._print(one) for one in e.args) + ')'
    def _print_Sum(self, e): return 'sum(' + ', '.join(self._print(one) for one in e.args) + ')'

def show(e):
    if isinstance(e, bool): return str(e).lower()
    if isinstance(e, (list, tuple)) and not isinstance(e, sp.Tuple): return '[' + ', '.join(show(one) for one in e) + ']'
    return Shown().doprint(e).replace('**', '^')

# Decimals to 7 digits, without zeros at the end; None where there is no such number.
def decimal(e, digits=7):
    try: number = sp.N(e, digits + 8)
    except (TypeError, ValueError, ArithmeticError, AttributeError): return None
    real, imaginary = number.as_real_imag()
    if not (real.is_Float or real.is_Integer) or not (imaginary.is_Float or imaginary.is_Integer): return None
    size = max(abs(real), abs(imaginary))
    parts = [plain(one, digits) if abs(one) > size * sp.Float('1e-14') else '0' for one in (real, imaginary)]
    if parts[1] == '0': return parts[0]
    sign = '-' if parts[1].startswith('-') else '+'
    body = 'i' if parts[1].lstrip('-') == '1' else parts[1].lstrip('-') + '*i'
    return ('-' if sign == '-' else '') + body if parts[0] == '0' else f'{parts[0]} {sign} {body}'

def plain(number, digits):
    text = mpmath.nstr(mpmath.mp.make_mpf(number._mpf_) if number.is_Float else mpmath.mpf(int(number)), digits, min_fixed=-5, max_fixed=16)
    return text[:-2] if text.endswith('.0') else text

def is_decimal(e, near): return e.is_Rational and 'e' not in near and sp.Rational(near) == e

# A value in words: exact where that is short, and decimals where the exact form is no whole number.
def told(e, call, name=None):
    if isinstance(e, sp.MatrixBase) or not isinstance(e, sp.Expr): text = show(e)
    elif not e.free_symbols and e.is_finite is not False:
        exact, near = show(e), decimal(e, 10 if call.inexact else 7)
        if near is None or e.is_Integer: text = exact
        elif len(exact) > 80 or (call.inexact and (len(exact) > 14 or e.is_Rational)):
            same = is_decimal(e, near)
            return (name + (' = ' if same else ' ≈ ') if name else ('' if same else '≈ ')) + near
        elif near == exact: text = exact
        else: text = exact + (' = ' if is_decimal(e, near) else ' ≈ ') + near
    else:
        if call.inexact: e = rounded(e)
        text = show(e)
    return (name + ' = ' if name else '') + text

# Long fractions inside an expression are decimals where decimals were given.
def rounded(e):
    return e.replace(lambda one: one.is_Rational and not one.is_Integer and len(str(one.q)) > 3, lambda one: sp.Float(one, 10))

# What an operation answers: lines of words, and the value for what is computed from it.
class Answer:
    def __init__(self, text, value=None): self.text, self.value = text, value

# Runs what may take for ever: GivenUp where patience ends or SymPy has no method.
def tried(work, *args, **kw):
    try: return work(*args, **kw)
    except KeyboardInterrupt: raise GivenUp('it takes too long')
    except (NotImplementedError, ValueError, TypeError, AttributeError, KeyError, IndexError, ArithmeticError, AssertionError,
            sp.PolynomialError, RuntimeError) as error:
        if isinstance(error, RecursionError): raise
        raise GivenUp(str(error).split('\n')[0][:120])

POINTS = [sp.Rational(*one) for one in ((7123, 10007), (13791, 10007), (-4177, 10007), (25013, 10007), (-17011, 10007), (3119, 100003))]

# Whether two expressions agree in numbers at points; None where none could be compared.
def same(a, b):
    names = sorted((a.free_symbols | b.free_symbols), key=str)
    seen = 0
    for k in range(len(POINTS)):
        # Decimals: powers of fractions would be worked out exactly.
        at = {name: (sp.Float(POINTS[(k + 2 * j) % len(POINTS)], 40) if not name.is_positive else sp.Float(abs(POINTS[(k + 2 * j) % len(POINTS)]), 40))
            if not name.is_integer else sp.Integer(k + j + 2) for j, name in enumerate(names)}
        try: x, y = (sp.N(one.subs(at), 20) for one in (a, b))
        except (TypeError, ValueError, ArithmeticError): continue
        if not (x.is_number and y.is_number) or x.has(sp.nan, sp.zoo, sp.oo) or y.has(sp.nan, sp.zoo, sp.oo): continue
        try: apart = abs(complex(x - y)); size = max(1.0, abs(complex(x)), abs(complex(y)))
        except (TypeError, OverflowError): continue
        if apart > 1e-9 * size: return False
        seen += 1
        if seen == 3 or not names: return True
    return True if seen else None
`;
