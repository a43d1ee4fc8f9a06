/** The user's own Python: which it is, where its modules are, and what packages it has. Asked once, outside the sandbox. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SparkError, shown } from '../../errors.js';
import type { PythonSettings } from './settings.js';

/** An interpreter as it says itself. */
export interface Interpreter {
  readonly executable: string;
  /** `3.13.1` */
  readonly version: string;
  /** Where modules are looked for, in order. */
  readonly paths: readonly string[];
  /** What it needs to read: folders, and of a virtual environment its file of settings. */
  readonly reads: readonly string[];
  /** Versions by package, of those that are worth naming and are there; `?` where it does not say. */
  readonly packages: Readonly<Record<string, string>>;
}

/** Those whose versions are kept with what was computed by them. */
const NAMED = ['numpy', 'scipy', 'pandas', 'sympy', 'mpmath'];
const OLDEST: readonly [number, number] = [3, 9];
const TIMEOUT_MS = 60_000;

/**
 * Modules are looked for in the standard library and the site-packages alone: what a `.pth` file or PYTHONPATH adds is a
 * project of the user's, and its files are no business of what a model wrote.
 */
const PROBE = `
import sys
if sys.version_info[:2] < (${OLDEST.join(', ')}):
    print('{"old": "%s"}' % sys.version.split()[0])
    raise SystemExit
import importlib.metadata, importlib.util, json, os, site, sysconfig
known = json.loads(sys.argv[1])
prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
own = [sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'), *site.getsitepackages()]
if site.ENABLE_USER_SITE: own.append(site.getusersitepackages())
inside = lambda path: any(path == one or path.startswith(one + os.sep) for one in own)
paths = [p for p in sys.path if os.path.isabs(p) and inside(p) and os.path.exists(p)]
reads = [*own, *(os.path.join(p, 'lib') for p in prefixes if p != '/usr'), *(os.path.join(p, 'pyvenv.cfg') for p in prefixes)]
def version(name):
    try:
        if importlib.util.find_spec(name) is None: return None
    except Exception: return None
    try: return importlib.metadata.version(name)
    except Exception: return '?'
found = {name: version(name) for name in known}
print(json.dumps({'executable': sys.executable, 'implementation': sys.implementation.name, 'version': sys.version.split()[0],
    'paths': paths, 'reads': sorted({p for p in reads if os.path.exists(p)}),
    'packages': {name: one for name, one in found.items() if one}}))
`;

/** Throws `tool_unavailable` for a program that is not there or no CPython of today, and where a named package is missing. */
export async function askInterpreter({ path, packages = [] }: PythonSettings = {}): Promise<Interpreter> {
  const program = path ?? 'python3';
  const known = JSON.stringify([...new Set([...NAMED, ...packages])]);
  // -E: the interpreter in the sandbox gets no PYTHON… variables either.
  const { stdout } = await promisify(execFile)(program, ['-E', '-c', PROBE, known], {
    cwd: '/',
    timeout: TIMEOUT_MS,
  }).catch((error: NodeJS.ErrnoException & { readonly stderr?: string }) => {
    const last = error.stderr?.trim().split('\n').at(-1);
    const why = error.code === 'ENOENT' ? 'there is no such program' : last || error.message.split('\n')[0]!;
    throw unavailable(`expected Python at ${program}, but ${why}; ${NAME_ANOTHER}`, error);
  });
  const said = read(program, stdout);
  if (said.old !== undefined)
    throw unavailable(`expected Python ${OLDEST.join('.')} or newer at ${program}, got ${said.old}; ${NAME_ANOTHER}`);
  const { implementation, ...interpreter } = said;
  if (implementation !== 'cpython')
    throw unavailable(`expected CPython at ${program}, got ${implementation}; ${NAME_ANOTHER}`);
  const missing = packages.filter((name) => interpreter.packages[name] === undefined);
  if (missing.length === 0) return interpreter;
  throw unavailable(
    `expected ${missing.join(', ')} of tools.python.packages in ${interpreter.executable}, which has none; install what is ` +
      `missing (${interpreter.executable} -m pip install …), name another Python with tools.python.path, or take it out of ` +
      'tools.python.packages',
  );
}

type Said = Interpreter & { readonly implementation: string; readonly old?: string };

function read(program: string, stdout: string): Said {
  try {
    return JSON.parse(stdout) as Said;
  } catch (error) {
    throw unavailable(`expected Python at ${program}, but it wrote ${shown(stdout.trim())}; ${NAME_ANOTHER}`, error);
  }
}

const NAME_ANOTHER = 'name another with tools.python.path, or set tools.python.engine to pyodide';

function unavailable(message: string, cause?: unknown): SparkError {
  return new SparkError(
    'tool_unavailable',
    `tools.python.engine system: ${message}`,
    cause === undefined ? {} : { cause },
  );
}
