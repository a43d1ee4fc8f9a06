/** The names that algebra knows: functions, operations under all the names they are called by, constants, words. */

/** Functions of numbers, as Python's side knows them (`FUNCTIONS` in algebraRead.ts). */
export const FUNCTIONS = new Set(
  `sin cos tan sec csc cot asin acos atan asec acsc acot arcsin arccos arctan arcsec arccsc arccot sinh cosh tanh sech csch coth
   asinh acosh atanh acoth arcsinh arccosh arctanh exp sqrt cbrt gamma beta zeta erf erfc factorial binomial floor ceil sign sgn re im
   conjugate arg max min Heaviside DiracDelta LambertW abs besselj bessely besseli besselk Si Ci Ei li atan2 factorial2 ln log
   nCr nPr comb nthRoot root log2 log10 lg cis`.split(/\s+/),
);

/** Other names of functions. */
export const SAME_FUNCTION: Readonly<Record<string, string>> = {
  ceiling: 'ceil',
  Abs: 'abs',
  Max: 'max',
  Min: 'min',
  Log: 'log',
  Ln: 'ln',
  Sqrt: 'sqrt',
  Sin: 'sin',
  Cos: 'cos',
  Tan: 'tan',
  Exp: 'exp',
  sen: 'sin',
  tg: 'tan',
  ctg: 'cot',
  cosec: 'csc',
  real_root: 'root',
};

/** Operations by every name: those of SymPy, Mathematica, Maxima, MATLAB, and of speech. */
export const OPERATIONS: Readonly<Record<string, string>> = Object.freeze({
  ...named(
    'solve',
    'solve solveset linsolve nonlinsolve solve_system solveEquations system solve_linear_system Solve reduce solve_univariate_inequality reduce_inequalities',
  ),
  ...named('nsolve', 'nsolve fsolve'),
  ...named('roots', 'roots zeros real_roots nroots root_of'),
  ...named('dsolve', 'dsolve ode desolve ode_solve'),
  ...named('diff', 'diff differentiate derivative Derivative D deriv'),
  ...named('integrate', 'integrate integral Integral int defint antiderivative Integrate quad'),
  ...named('limit', 'limit lim Limit'),
  ...named('sum', 'sum summation Sum'),
  ...named('product', 'product prod Product'),
  ...named('series', 'series taylor maclaurin taylor_series Series'),
  ...named('tangent', 'tangent tangent_line'),
  ...named('factor', 'factor factorise factorize Factor factorint factor_list'),
  ...named('expand', 'expand Expand distribute'),
  ...named('simplify', 'simplify Simplify nsimplify'),
  ...named('apart', 'apart partfrac partial_fractions partial_fraction partialfraction'),
  ...named('together', 'together combine'),
  ...named('cancel', 'cancel ratsimp'),
  ...named('trigsimp', 'trigsimp'),
  ...named('trigexpand', 'trigexpand expand_trig'),
  ...named('radsimp', 'radsimp rationalize'),
  ...named('gcd', 'gcd GCD gcf hcf'),
  ...named('lcm', 'lcm LCM'),
  ...named('div', 'div divide polydiv'),
  ...named('quo', 'quo quotient'),
  ...named('rem', 'rem remainder'),
  ...named('mod', 'mod Mod'),
  ...named('degree', 'degree'),
  ...named('discriminant', 'discriminant'),
  ...named('vertex', 'vertex'),
  ...named('complete_square', 'complete_square completing_the_square complete_the_square'),
  ...named('N', 'N evalf numeric'),
  ...named('minimize', 'minimize minimise minimum'),
  ...named('maximize', 'maximize maximise maximum'),
  ...named('laplace', 'laplace laplace_transform'),
  ...named('invlaplace', 'invlaplace inverse_laplace inverse_laplace_transform'),
  ...named('dot', 'dot'),
  ...named('cross', 'cross'),
  ...named('det', 'det determinant Det'),
  ...named('inverse', 'inverse inv'),
  ...named('eigenvalues', 'eigenvalues eigenvals eigenvalue eig'),
  ...named('eigenvectors', 'eigenvectors eigenvects eigenvector'),
  ...named('rank', 'rank'),
  ...named('trace', 'trace tr'),
  ...named('transpose', 'transpose'),
  ...named('rref', 'rref'),
  ...named('nullspace', 'nullspace kernel'),
  ...named('charpoly', 'charpoly characteristic_polynomial'),
  ...named('gradient', 'gradient grad'),
  ...named('hessian', 'hessian'),
  ...named('laplacian', 'laplacian'),
  ...named('jacobian', 'jacobian'),
  ...named('divergence', 'divergence'),
  ...named('curl', 'curl'),
  ...named('subs', 'subs substitute'),
});

function named(operation: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, operation]));
}

/** Options that may stand in a call as `name=value`; all others are equations. */
export const OPTIONS = new Set(['modulus', 'dir', 'domain', 'dict', 'deep', 'check', 'hint']);

export const CONSTANTS: Readonly<Record<string, string>> = {
  pi: 'pi',
  Pi: 'pi',
  PI: 'pi',
  e: 'e',
  i: 'i',
  j: 'j',
  oo: 'oo',
  inf: 'oo',
  infty: 'oo',
  Infinity: 'oo',
  infinity: 'oo',
};

/** Names of several letters that are one symbol. */
export const GREEK = new Set(
  `alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi varphi chi psi omega
   Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega hbar`.split(/\s+/),
);
