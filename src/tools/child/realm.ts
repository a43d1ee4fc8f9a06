/**
 * A bare JavaScript realm for code that reads or runs a model's text: its own globals, no `process`, no `require`, no
 * dynamic `import` except of the files given. Alone a vm context is no security boundary; it is one layer, and the one
 * that keeps Node's modules out of the object graph that Python or generated functions can walk. Where only strings go
 * in and out, it is also all the state a call can leave behind, and is thrown away with it.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import type { Evaluate } from '../hostProtocol.js';

export function createRealm(globals: Record<string, unknown>, allowEval: boolean): vm.Context {
  return vm.createContext(Object.assign(Object.create(null), globals), {
    codeGeneration: { strings: allowEval, wasm: true },
  });
}

/** Evaluates an ES module in the realm. `allowed(specifier)` gives the file of a dynamic import, or null to refuse. */
export async function importInRealm(
  context: vm.Context,
  file: string,
  allowed: (specifier: string) => string | null,
): Promise<Record<string, unknown>> {
  const load = async (path: string): Promise<vm.SourceTextModule> => {
    const module = new vm.SourceTextModule(readFileSync(path, 'utf8'), {
      context,
      identifier: path,
      initializeImportMeta: (meta) => {
        meta.url = `file://${path}`;
      },
      importModuleDynamically: (specifier: string) => {
        const target = allowed(specifier);
        if (target === null) throw new Error('import is not available here');
        return load(target) as never;
      },
    });
    await module.link((specifier) => {
      throw new Error(`unexpected import of ${specifier} in ${path}`);
    });
    await module.evaluate();
    return module;
  };
  return (await load(file)).namespace as Record<string, unknown>;
}

/** Runs a classic script in the realm and gives its completion value. */
export function runInRealm(context: vm.Context, source: string, filename: string): unknown {
  return vm.runInContext(source, context, { filename });
}

/**
 * The standard names as constants. A vm realm looks every global up through a slow hook; with these before it OpenChemLib
 * runs five times as fast, mathjs and nerdamer by a quarter.
 */
const STANDARD = `const { ${(vm.runInNewContext('Object.getOwnPropertyNames(globalThis).join()') as string)
  .split(',')
  .filter((name) => !['globalThis', 'undefined', 'NaN', 'Infinity', 'eval'].includes(name))
  .join(', ')} } = globalThis;`;

/** A classic script that is read and compiled once, for any number of realms. It leaves its global `name`. */
export function script(file: string, name: string): vm.Script {
  const text = readFileSync(file, 'utf8');
  const source = `(function () { ${STANDARD} ${text}\n globalThis.${name} ??= ${name}; }).call(globalThis);`;
  return new vm.Script(source, { filename: file });
}

/** The file of an import, or the name of the realm's global that holds the library. */
type Resolve = (specifier: string, referrer: string) => { file: string } | { global: string };

/** ES modules for any number of realms: each file is read once, and compiled from V8's cache after the first time. */
export class ModuleSet {
  readonly #sources = new Map<string, { text: string; cachedData?: Buffer }>();

  readonly #resolve: Resolve;

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  async evaluate(context: vm.Context, file: string): Promise<Record<string, unknown>> {
    const loaded = new Map<string, vm.Module>();
    const module = this.#compile(context, file, loaded);
    await module.link((specifier, referrer) => {
      const found = this.#resolve(specifier, referrer.identifier);
      if ('file' in found) return this.#compile(context, found.file, loaded);
      return globalModule(context, found.global, loaded);
    });
    await module.evaluate();
    return module.namespace as Record<string, unknown>;
  }

  #compile(context: vm.Context, file: string, loaded: Map<string, vm.Module>): vm.Module {
    const known = loaded.get(file);
    if (known !== undefined) return known;
    let source = this.#sources.get(file);
    if (source === undefined) {
      source = { text: STANDARD + readFileSync(file, 'utf8') };
      this.#sources.set(file, source);
    }
    const { text, cachedData } = source;
    const module = new vm.SourceTextModule(text, {
      ...{ context, identifier: file },
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    source.cachedData ??= (module as CachingModule).createCachedData();
    loaded.set(file, module);
    return module;
  }
}

/** Node has had it since 13; its types forget it. */
interface CachingModule extends vm.SourceTextModule {
  createCachedData(): Buffer;
}

function globalModule(context: vm.Context, name: string, loaded: Map<string, vm.Module>): vm.Module {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const names = JSON.parse(String(runInRealm(context, `JSON.stringify(Object.keys(${name}))`, 'names'))) as string[];
  const library = runInRealm(context, name, 'library') as Record<string, unknown>;
  const module: vm.SyntheticModule = new vm.SyntheticModule(
    names,
    () => {
      for (const key of names) module.setExport(key, library[key]);
    },
    { context, identifier: name },
  );
  loaded.set(name, module);
  return module;
}

/**
 * An evaluator of the realm, as this realm may call it: strings in, one string out, thrown errors as text. No object of
 * one realm enters the other, so neither can be changed through the other.
 */
export function textOnly(context: vm.Context, evaluator: unknown): Evaluate {
  const call = (runInRealm(context, TEXT_ONLY, 'text-only') as (f: unknown) => (input: string, max: number) => unknown)(
    evaluator,
  );
  return (input, maxChars) => {
    const answer = call(input, maxChars);
    if (typeof answer !== 'string') throw new Error('failed');
    if (answer.startsWith('+')) return answer.slice(1);
    throw new Error(answer.slice(1));
  };
}

const TEXT_ONLY = `(evaluate) => (input, maxChars) => {
  try {
    return '+' + evaluate(input, maxChars);
  } catch (error) {
    try {
      return '-' + String((error && error.message) || error);
    } catch {
      return '-failed';
    }
  }
}`;
