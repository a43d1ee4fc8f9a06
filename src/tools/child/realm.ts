/**
 * A bare JavaScript realm for code that runs a model's text: its own globals, no `process`, no `require`, no dynamic
 * `import` except of the files given. Alone a vm context is no security boundary; it is one layer, and the one that
 * keeps Node's modules out of the object graph that Python or generated functions can walk.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

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
