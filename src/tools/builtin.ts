/**
 * The table of the built-in tools, in the order of prompts. Each tool also has a file of its own in child/. Registry,
 * children, configuration and `doctor` all read this table.
 */
import type { HostKind } from './hostProtocol.js';
import type { ActionExample } from './tool.js';

/** How the `math` and `chemistry` children make the image of a tool: child/<name>.ts in a realm with these libraries. */
export interface ImageRecipe {
  /** The export of child/<name>.ts that makes its evaluator. */
  readonly creator: string;
  readonly libraries: readonly 'mathjs'[];
  /**
   * After a call these inputs are evaluated. When their results are no longer those of a new image, the call has
   * changed the image, and it is not used again. Empty: every call gets a new image.
   */
  readonly controls: readonly string[];
}

export interface BuiltinTool {
  /** The kind of child it runs in. */
  readonly host: HostKind;
  /** One sentence for prompts and the judge. */
  readonly description: string;
  /** What the input looks like, with an example. */
  readonly inputHint: string;
  /** An input that works. `doctor` and every new image evaluate it. */
  readonly example: string;
  /** A call as the worked example in the instructions shows it; of a long observation the beginning. */
  readonly worked: ActionExample;
  /** Only for tools of the `math` and `chemistry` children. */
  readonly image?: ImageRecipe;
}

export const BUILTIN = {
  calculator: {
    host: 'math',
    description: 'Evaluates arithmetic with units, physical constants, matrices and complex numbers.',
    inputHint: 'an expression, e.g. 3 km / 2 h to m/s',
    example: '6 * 7',
    worked: { wanted: '15 percent of 240', input: '0.15 * 240', observation: '36' },
    image: {
      creator: 'createCalculator',
      libraries: ['mathjs'],
      controls: [
        '[pi, e, tau, phi, 1/3]',
        'i * (2 - i)',
        'speedOfLight',
        'planckConstant',
        '3 km / 2 h to m/s',
        '20 degC to degF',
        'det([1, 2; 3, 4])',
        'bignumber(1) / 3',
        'fraction(1, 3) + 1',
        'sin(pi / 6) ^ 2',
        'max(1, 2)',
        '1 /',
        '12!',
      ],
    },
  },
  python: {
    host: 'python',
    description:
      'Runs Python 3 (standard library, sympy, mpmath) and shows what it prints and the value of a last expression.',
    inputHint: 'Python source, e.g. sum(n for n in range(100) if n % 3 == 0)',
    example: 'print(6 * 7)',
    worked: {
      wanted: 'the sum of the multiples of 3 below 100',
      input: 'sum(n for n in range(100) if n % 3 == 0)',
      observation: '1683',
    },
  },
  algebra: {
    host: 'sympy',
    description: 'Solves equations and does symbolic algebra and calculus.',
    inputHint: 'e.g. solve(2*x+3=11, x) or diff(x^3, x)',
    example: 'solve(x - 42 = 0, x)',
    worked: { wanted: 'the x for which 2x + 3 is 11', input: 'solve(2*x+3=11, x)', observation: '4' },
  },
  logic: {
    host: 'logic',
    description: 'Decides logical entailment and satisfiability with an SMT solver.',
    inputHint: 'propositional, e.g. p -> q, p |- q, or an SMT-LIB 2 script',
    example: 'p -> q, p |- q',
    worked: { wanted: 'whether q follows from p -> q and p', input: 'p -> q, p |- q', observation: 'valid' },
  },
  statistics: {
    host: 'math',
    description: 'Computes descriptive statistics, distributions, regression and hypothesis tests.',
    inputHint: 'a call, e.g. mean(1, 2, 3) or normal_cdf(1.96)',
    example: 'mean(41, 43)',
    worked: { wanted: 'the mean of 1, 2 and 6', input: 'mean(1, 2, 6)', observation: '3' },
    image: {
      creator: 'createStatistics',
      libraries: ['mathjs'],
      controls: [
        'mean(1, 2, 4)',
        'stdev([1, 2, 4])',
        'normal_cdf(1.5)',
        't_test([1, 2, 4], 1)',
        'combinations(5, 2)',
        'pi * i',
        'linear_regression([[1, 2], [2, 5], [3, 6]])',
        'quantile([3, 1, 2], 0.5)',
        'mean(',
      ],
    },
  },
  chemistry: {
    host: 'chemistry',
    description: 'Gives molar masses, compositions, elements and structure facts of molecules.',
    inputHint: 'e.g. mass H2O, formula C6H12O6, smiles CCO, element Fe',
    example: 'mass H2O',
    worked: { wanted: 'the molar mass of water', input: 'mass H2O', observation: 'H2O: 18.015 g/mol' },
    // Kept between calls: to count stereo centres OpenChemLib draws the molecule, and loading the drawing's templates
    // takes 1 s. An input only names a molecule and cannot change anything.
    image: {
      creator: 'createChemistry',
      libraries: [],
      controls: [
        'smiles C[C@H](N)C(=O)O/C=C/c1ccc2ccccc2c1',
        'smiles C1CC2CCC1C2.[Na+].[2H]O',
        'formula K4[Fe(CN)6]',
        'element Og',
        'smiles C1(',
      ],
    },
  },
  encyclopedia: {
    host: 'corpus',
    description: 'Looks up an article by its title.',
    inputHint: 'a title, e.g. Magna Carta',
    example: 'Magna Carta',
    worked: {
      wanted: 'what the Magna Carta is',
      input: 'Magna Carta',
      observation: 'Magna Carta was sealed by King John of England in 1215 at Runnymede, a meadow by the Thames.',
    },
  },
  search: {
    host: 'corpus',
    description: 'Finds passages about a query, best first.',
    inputHint: 'a query, e.g. year the Magna Carta was sealed',
    example: 'Magna Carta year',
    worked: {
      wanted: 'the year in which the Magna Carta was sealed',
      input: 'year the Magna Carta was sealed',
      observation: '1. Magna Carta: Magna Carta was sealed by King John of England in 1215 at Runnymede',
    },
  },
} as const satisfies Readonly<Record<string, BuiltinTool>>;

/** The names of the built-in tools, in the order of prompts. */
export const BUILTIN_TOOLS = Object.keys(BUILTIN) as readonly (keyof typeof BUILTIN)[];

/** The row of a tool; undefined for any other name, such as that of a user's tool or `constructor`. */
export function builtinTool(name: string): BuiltinTool | undefined {
  return Object.hasOwn(BUILTIN, name) ? BUILTIN[name as keyof typeof BUILTIN] : undefined;
}
