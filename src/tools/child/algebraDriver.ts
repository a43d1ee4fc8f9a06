/**
 * Python's side of the tool `algebra`, run before the snapshot is made: it defines `_spark_algebra` and solves some problems, which loads
 * modules and tables of SymPy's that would take a second each.
 */

import { parseAlgebra } from './algebra.js';
import { CALCULUS } from './algebraCalculus.js';
import { EXTREME } from './algebraExtreme.js';
import { FORMS } from './algebraForms.js';
import { READ } from './algebraRead.js';
import { SHOW } from './algebraShow.js';
import { SOLVE } from './algebraSolve.js';

const WARM_UP = [
  'solve(x^2 - 2 = 0, x)',
  'solve(sin(x) = 1/2, x)',
  'x^2 - 3x > 4',
  'x + y = 3, x - y = 1',
  'integrate(exp(-x^2), x, -oo, oo)',
  'integrate(x^2*sin(x), x)',
  'integrate(1/(x^4+1), x)',
  'limit(sin(x)/x, x, 0)',
  'sum(1/n^2, (n, 1, oo))',
  'series(cos(x), x, 0, 4)',
  "y'' + y = 0",
  'factor x^4 + 1 over Z_2',
  'eigenvalues([[2, 1], [1, 2]])',
  'laplace(sin(t), t, s)',
  'solve(cos(x) = x, x)',
  '(2 + 3i)/(1 - i)',
];

export const ALGEBRA = `${READ}${SHOW}${SOLVE}${CALCULUS}${EXTREME}${FORMS}
for _problem in ${JSON.stringify(WARM_UP.map((input) => JSON.stringify(parseAlgebra(input))))}:
    assert _spark_algebra(_problem, 2000, False)[0] == '+', _problem
`;
