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
  /** A realm with these libraries and the tool's evaluator. `first` makes what they build at their first use. */
  const evaluator = async ({ tool, creator, first, libraries, allowEval = false }: Recipe): Promise<Evaluate> => {
    const realm = createRealm({}, allowEval);
    runInRealm(realm, CONSOLE, 'console');
    for (const library of libraries) library.runInContext(realm);
    const module = await modules.evaluate(realm, join(here, `${tool}.js`));
    const evaluate = textOnly(realm, (module[creator] as () => unknown)());
    await evaluate(first, 100);
    return evaluate;
  };
  const image = (recipe: Recipe) => async (): Promise<Image> => ({ tools: { [recipe.tool]: await evaluator(recipe) } });
  const mathjs = [script(MATHJS, 'math'), new vm.Script(MATHJS_AS_PACKAGE)];
  const nerdamer = [script(NERDAMER, 'nerdamer')];
  return [
    image({ tool: 'calculator', creator: 'createCalculator', first: '1 + 1', libraries: mathjs }),
    image({ tool: 'statistics', creator: 'createStatistics', first: 'mean(1, 2)', libraries: mathjs }),
    // nerdamer's numeric methods compile functions from the expression: in a realm that holds nothing but itself.
    image({
      ...{ tool: 'algebra', creator: 'createAlgebra', first: 'solve(2*x=4, x)' },
      ...{ libraries: nerdamer, allowEval: true },
    }),
    async () => {
      const chemistry = await evaluator({
        ...{ tool: 'chemistry', creator: 'createChemistry', first: 'smiles CCO', libraries: [] },
      });
      const look = () => CONTROLS.map((input) => outcome(chemistry, input)).join('\n');
      const asNew = look();
      return { tools: { chemistry }, intact: () => look() === asNew };
    },
  ];
}

interface Recipe {
  readonly tool: string;
  readonly creator: string;
  readonly first: string;
  readonly libraries: readonly vm.Script[];
  readonly allowEval?: boolean;
}

/**
 * OpenChemLib draws molecules to count their stereo centres, and 1 s goes into that drawing's templates. A text names a
 * molecule and can set nothing; so its image is kept as long as these, which between them use all that we ask of it,
 * read as they did at first.
 */
const CONTROLS = [
  'smiles C[C@H](N)C(=O)O/C=C/c1ccc2ccccc2c1',
  'smiles C1CC2CCC1C2.[Na+].[2H]O',
  'formula K4[Fe(CN)6]',
  'element Og',
  'smiles C1(',
];

function outcome(evaluate: Evaluate, input: string): string {
  try {
    return String(evaluate(input, 1000));
  } catch (error) {
    return String(error);
  }
}
