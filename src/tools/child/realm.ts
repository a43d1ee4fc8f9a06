/**
 * A bare JavaScript realm (vm context) for code that reads or runs a model's text: own globals, no `process`, no
 * `require`, no dynamic `import` except of given files. A vm context alone is no security boundary. It is one layer,
 * which keeps Node's modules out of reach of Python or generated functions. When only strings go in and out, it also
 * holds all the state that a call can leave behind, which is gone when the realm is dropped.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import type { Evaluate } from '../hostProtocol.js';

export function createRealm(globals: Record<string, unknown>): vm.Context {
  return vm.createContext(Object.assign(Object.create(null), globals), {
    codeGeneration: { strings: false, wasm: true },
  });
}

/** Evaluates an ES module in the realm. `allowed(specifier)` returns the file of a dynamic import, or null to refuse it. */
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

/** Runs a classic script in the realm and returns its completion value. */
export function runInRealm(context: vm.Context, source: string, filename: string): unknown {
  return vm.runInContext(source, context, { filename });
}

/**
 * Declares the standard globals as constants. A vm context looks up every global through a slow hook; with this line in
 * front OpenChemLib is five times as fast, mathjs is faster by a quarter.
 */
const STANDARD = `const { ${(vm.runInNewContext('Object.getOwnPropertyNames(globalThis).join()') as string)
  .split(',')
  .filter((name) => !['globalThis', 'undefined', 'NaN', 'Infinity', 'eval'].includes(name))
  .join(', ')} } = globalThis;`;

/** A classic script, read and compiled once for any number of realms. Running it defines the global `name`. */
export function script(file: string, name: string): vm.Script {
  const text = readFileSync(file, 'utf8');
  const source = `(function () { ${STANDARD} ${text}\n globalThis.${name} ??= ${name}; }).call(globalThis);`;
  return new vm.Script(source, { filename: file });
}

/** Resolves an import to a file, or to the realm's global that holds the library. */
type Resolve = (specifier: string, referrer: string) => { file: string } | { global: string };

/** ES modules for any number of realms: each file is read once, and after the first time compiled from V8's cache. */
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
      context,
      identifier: file,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    source.cachedData ??= (module as CachingModule).createCachedData();
    loaded.set(file, module);
    return module;
  }
}

/** Exists since Node 13, but is missing in Node's types. */
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
 * Wraps an evaluator of the realm for callers outside: strings in, one string out, errors as text. No object of either
 * realm enters the other, so neither can be changed through it.
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
