/**
 * The images of the four tools whose libraries are plain JavaScript. Library and evaluator live in a realm made for one
 * call: what an expression may do to either of them ends with it.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import type { Evaluate, Image, MakeImage } from '../hostProtocol.js';
import { createRealm, ModuleSet, runInRealm, script, textOnly } from './realm.js';

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));

/** The bundles that run without Node, found from what the package's own `exports` lead to. */
const nearby = (name: string, ...path: string[]): string => join(dirname(require.resolve(name)), ...path);
const MATHJS = nearby('mathjs', '..', 'browser', 'math.js');
const NERDAMER = nearby('nerdamer-prime', 'all.min.js');
const LIBRARIES: Readonly<Record<string, { file: string } | { global: string }>> = {
  mathjs: { global: 'mathjs' },
  'simple-statistics': { file: nearby('simple-statistics', 'simple-statistics.mjs') },
  openchemlib: { file: nearby('openchemlib', 'openchemlib.js') },
};

/** A library may warn; nobody reads it. Written in the realm, so that it holds no object of ours. */
const CONSOLE = `{
  const nothing = () => {};
  globalThis.console = { log: nothing, warn: nothing, error: nothing, info: nothing, debug: nothing };
}`;

/** The bundle makes an instance of itself, and others from it: said in the words of the package. */
const MATHJS_AS_PACKAGE = 'globalThis.mathjs = { all: {}, create: (_all, config) => math.create(config) };';

export function mathImages(): readonly MakeImage[] {
  const modules = new ModuleSet((specifier, referrer) => {
    if (Object.hasOwn(LIBRARIES, specifier)) return LIBRARIES[specifier]!;
    if (/^\.\.?\//.test(specifier)) return { file: join(dirname(referrer), specifier) };
    throw new Error(`unexpected import of ${specifier} in ${referrer}`);
  });
  /** A realm with these libraries and the tool's evaluator, which has built what it builds at its first use. */
  const evaluator = async (recipe: Recipe, libraries: readonly vm.Script[]): Promise<Loaded> => {
    const { tool, creator, first, allowEval = false } = recipe;
    const realm = createRealm({}, allowEval);
    runInRealm(realm, CONSOLE, 'console');
    for (const library of libraries) library.runInContext(realm);
    const module = await modules.evaluate(realm, join(here, `${tool}.js`));
    const made = (module[creator] as () => Evaluate & { plain?: unknown })();
    const evaluate = textOnly(realm, made);
    await evaluate(first, 100);
    return { evaluate, plain: made.plain === undefined ? () => 'true' : textOnly(realm, made.plain) };
  };
  const mathjs = [script(MATHJS, 'math'), new vm.Script(MATHJS_AS_PACKAGE)];
  const nerdamer = [script(NERDAMER, 'nerdamer')];
  const { calculator, statistics, algebra, chemistry } = RECIPES;
  return [
    async () => kept(await evaluator(calculator, mathjs), calculator),
    async () => kept(await evaluator(statistics, mathjs), statistics),
    async () => ({ tools: { algebra: (await evaluator(algebra, nerdamer)).evaluate } }),
    async () => kept(await evaluator(chemistry, []), chemistry),
  ];
}

/**
 * An image that answers on as long as what was asked could change nothing, and as its control inputs read as they did
 * when it was new. Anything else, and the next call gets a new one.
 */
function kept({ evaluate, plain }: Loaded, { tool, controls = [] }: Recipe): Image {
  const look = () => controls.map((input) => outcome(evaluate, input)).join('\n');
  const asNew = look();
  let last = '';
  const remember: Evaluate = (input, maxChars) => {
    last = input;
    return evaluate(input, maxChars);
  };
  return { tools: { [tool]: remember }, intact: () => outcome(plain, last) === 'true' && look() === asNew };
}

interface Loaded {
  readonly evaluate: Evaluate;
  /** `true` where the input cannot have changed the library. */
  readonly plain: Evaluate;
}

interface Recipe {
  readonly tool: string;
  readonly creator: string;
  readonly first: string;
  readonly controls?: readonly string[];
  readonly allowEval?: boolean;
}

const RECIPES = {
  calculator: {
    ...{ tool: 'calculator', creator: 'createCalculator', first: '1 + 1' },
    controls: [
      ...[
        '[pi, e, tau, phi, 1/3]',
        'i * (2 - i)',
        'speedOfLight',
        'planckConstant',
        '3 km / 2 h to m/s',
        '20 degC to degF',
      ],
      ...['det([1, 2; 3, 4])', 'bignumber(1) / 3', 'fraction(1, 3) + 1', 'sin(pi / 6) ^ 2', 'max(1, 2)', '1 /', '12!'],
    ],
  },
  statistics: {
    ...{ tool: 'statistics', creator: 'createStatistics', first: 'mean(1, 2)' },
    controls: [
      ...[
        'mean(1, 2, 4)',
        'stdev([1, 2, 4])',
        'normal_cdf(1.5)',
        't_test([1, 2, 4], 1)',
        'combinations(5, 2)',
        'pi * i',
      ],
      ...['linear_regression([[1, 2], [2, 5], [3, 6]])', 'quantile([3, 1, 2], 0.5)', 'mean('],
    ],
  },
  algebra: {
    ...{ tool: 'algebra', creator: 'createAlgebra', first: 'solve(2*x=4, x)' },
    // nerdamer's numeric methods compile functions from the expression: in a realm that holds nothing but itself.
    allowEval: true,
  },
  /**
   * OpenChemLib draws molecules to count their stereo centres, and 1 s goes into that drawing's templates, too much for
   * every call. A text names a molecule and can set nothing.
   */
  chemistry: {
    ...{ tool: 'chemistry', creator: 'createChemistry', first: 'smiles CCO' },
    controls: [
      ...['smiles C[C@H](N)C(=O)O/C=C/c1ccc2ccccc2c1', 'smiles C1CC2CCC1C2.[Na+].[2H]O', 'formula K4[Fe(CN)6]'],
      ...['element Og', 'smiles C1('],
    ],
  },
} as const satisfies Record<string, Recipe>;

function outcome(evaluate: Evaluate, input: string): string {
  try {
    return String(evaluate(input, 1000));
  } catch (error) {
    return String(error);
  }
}
