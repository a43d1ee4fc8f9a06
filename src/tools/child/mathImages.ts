/**
 * Makes the images of the tools with an `image` recipe in builtin.ts, whose libraries are plain JavaScript. An image is
 * a realm with library and evaluator. It is dropped after a call that may have changed it.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { BUILTIN, BUILTIN_TOOLS, type BuiltinTool, type ImageRecipe } from '../builtin.js';
import type { Evaluate, HostKind, Image, MakeImage } from '../hostProtocol.js';
import { createRealm, ModuleSet, runInRealm, script, textOnly } from './realm.js';

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));

/** A file of a package beside the one that its `exports` resolve to; used to find bundles that run without Node. */
const nearby = (name: string, ...path: string[]): string => join(dirname(require.resolve(name)), ...path);
const MATHJS = nearby('mathjs', '..', 'browser', 'math.js');
const LIBRARIES: Readonly<Record<string, { file: string } | { global: string }>> = {
  mathjs: { global: 'mathjs' },
  'simple-statistics': { file: nearby('simple-statistics', 'simple-statistics.mjs') },
  cephes: { file: nearby('cephes', 'index.mjs') },
  openchemlib: { file: nearby('openchemlib', 'openchemlib.js') },
};

/** A silent console for libraries. Evaluated in the realm, so that the realm holds no object of ours. */
const CONSOLE = `{
  const nothing = () => {};
  globalThis.console = { log: nothing, warn: nothing, error: nothing, info: nothing, debug: nothing };
}`;

/** Gives mathjs' browser bundle, which is an instance, the interface of the npm package: `all` and `create`. */
const MATHJS_AS_PACKAGE = 'globalThis.mathjs = { all: {}, create: (_all, config) => math.create(config) };';

/** `wanted`: the tools to make images for; default: all of this kind. */
export function mathImages(kind: HostKind, wanted: readonly string[] = BUILTIN_TOOLS): readonly MakeImage[] {
  const modules = new ModuleSet((specifier, referrer) => {
    if (Object.hasOwn(LIBRARIES, specifier)) return LIBRARIES[specifier]!;
    if (/^\.\.?\//.test(specifier)) return { file: join(dirname(referrer), specifier) };
    throw new Error(`unexpected import of ${specifier} in ${referrer}`);
  });
  const libraries: Readonly<Record<Library, readonly vm.Script[]>> = {
    mathjs: [script(MATHJS, 'math'), new vm.Script(MATHJS_AS_PACKAGE)],
  };
  /** A realm with the tool's libraries and its evaluator, called once so that all lazy work is done. */
  const evaluator = async (tool: string, { image, example }: Recipe): Promise<Loaded> => {
    const realm = createRealm({});
    runInRealm(realm, CONSOLE, 'console');
    for (const one of image.libraries.flatMap((name) => libraries[name])) one.runInContext(realm);
    const module = await modules.evaluate(realm, join(here, `${tool}.js`));
    const made = (module[image.creator] as () => Evaluate & { plain?: unknown })();
    const evaluate = textOnly(realm, made);
    await evaluate(example, 100);
    return { evaluate, plain: made.plain === undefined ? () => 'true' : textOnly(realm, made.plain) };
  };
  return BUILTIN_TOOLS.flatMap((tool): MakeImage[] => {
    const recipe: BuiltinTool = BUILTIN[tool];
    const { host, image, example } = recipe;
    if (image === undefined || host !== kind || !wanted.includes(tool)) return [];
    return [
      async () => {
        const loaded = await evaluator(tool, { image, example });
        return image.controls.length === 0
          ? { tools: { [tool]: loaded.evaluate } }
          : kept(loaded, tool, image.controls);
      },
    ];
  });
}

type Library = ImageRecipe['libraries'][number];
type Recipe = { readonly image: ImageRecipe; readonly example: string };

/**
 * An image for several calls. It stays in use while no input could have changed it and the control inputs give the
 * results of a new image; otherwise the next call gets a new image.
 */
function kept({ evaluate, plain }: Loaded, tool: string, controls: readonly string[]): Image {
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
  /** Returns 'true' when the input cannot have changed the library. */
  readonly plain: Evaluate;
}

function outcome(evaluate: Evaluate, input: string): string {
  try {
    return String(evaluate(input, 1000));
  } catch (error) {
    return String(error);
  }
}
