/** The tool `python` in the Python of this package: with SymPy for the sources that ask for it. */
import { abortable } from '../abortable.js';
import { SparkError } from '../errors.js';
import type { Log } from '../log.js';
import type { BuiltinHosts } from './builtinHosts.js';
import { hostedTool } from './hosted.js';
import { sympyPayload } from './pythonSnapshot.js';
import type { Tool } from './tool.js';

/** A source that may import what only the children with SymPy have. */
const NAMES_SYMPY = /\b(?:sympy|mpmath)\b/;

/** `log` is told once where SymPy is missing and a source asked for it. */
export function packagedPython(hosts: BuiltinHosts, log: Log | undefined): Tool {
  const plain = hostedTool('python', hosts.of('python'));
  let warned = false;
  // The host is made only when a source names it: it takes more memory, and without algebra few runs need it.
  const withSympy: Tool['run'] = async (input, context) => {
    const lack = await abortable(sympyPayload(log), context.signal).then(
      () => null,
      (error: unknown) => error,
    );
    if (!(lack instanceof SparkError && lack.code === 'tool_unavailable'))
      return hosts.of('sympy').run('python', input, context);
    const result = await plain.run(input, context);
    const module = /^ModuleNotFoundError: No module named '(sympy|mpmath)\b/.exec(result.observation)?.[1];
    if (result.ok || module === undefined) return result;
    if (!warned) log?.warn(`a source in python asked for ${module}: ${lack.message}`);
    warned = true;
    const observation = `ModuleNotFoundError: No module named '${module}'; npx spark-rl setup fetches it`;
    return { ok: false, code: 'tool_failed', observation };
  };
  return { ...plain, run: (input, context) => (NAMES_SYMPY.test(input) ? withSympy : plain.run)(input, context) };
}
