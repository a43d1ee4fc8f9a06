/** The settings `tools.python`. */

/** What the tool `python` may run in. */
export const PYTHON_ENGINES = ['pyodide', 'system'] as const;
export type PythonEngine = (typeof PYTHON_ENGINES)[number];

/** Which interpreter, and what it has to have. */
export interface PythonSettings {
  /** A program, by path or by its name on the PATH; null: `python3`. */
  readonly path?: string | null;
  /** Packages that are told to the model, by the names they are imported by. */
  readonly packages?: readonly string[];
}

/** `tools.python` of the configuration. */
export interface PythonOptions extends PythonSettings {
  /** `pyodide`: CPython as WebAssembly, which the package brings; `system`: an own interpreter in a sandbox (docs/tools.md). */
  readonly engine?: PythonEngine;
}
