/** The tool `python` where a source asks for SymPy: in the children that have it, or with words where no SymPy is installed. */
import { afterEach, expect, it, vi } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { silentLog } from '../../../src/log.js';
import type { BuiltinHosts } from '../../../src/tools/builtinHosts.js';
import { packagedPython } from '../../../src/tools/packagedPython.js';
import { sympyPayload } from '../../../src/tools/pythonSnapshot.js';
import type { ToolContext, ToolResult } from '../../../src/tools/tool.js';

vi.mock('../../../src/tools/pythonSnapshot.js');
afterEach(() => vi.resetAllMocks());

const context: ToolContext & { readonly signal: AbortSignal } = {
  timeoutMs: 1000,
  maxObservationChars: 400,
  signal: new AbortController().signal,
};

/** Children that say of what kind they are, but for what `plain` answers. */
function hosts(plain: (input: string) => ToolResult = () => ({ ok: true, observation: 'python' })) {
  const of = (kind: string) => ({
    run: async (_name: string, input: string) => (kind === 'python' ? plain(input) : { ok: true, observation: kind }),
  });
  return { of } as unknown as BuiltinHosts;
}

const lacks = (module: string): ToolResult => ({
  ...{ ok: false, code: 'tool_failed' },
  observation: `ModuleNotFoundError: No module named '${module}'`,
});

it('runs a source that names SymPy where SymPy is, and every other one where it is not', async () => {
  vi.mocked(sympyPayload).mockResolvedValue(new Uint8Array());
  const python = packagedPython(hosts(), silentLog);
  expect((await python.run('import sympy', context)).observation).toBe('sympy');
  expect((await python.run('from mpmath import mp', context)).observation).toBe('sympy');
  expect((await python.run('print(1)', context)).observation).toBe('python');
  expect(sympyPayload).toHaveBeenCalledTimes(2);
});

it('names the command where SymPy is not installed, and tells the log once', async () => {
  vi.mocked(sympyPayload).mockRejectedValue(new SparkError('tool_unavailable', 'npx spark-rl setup fetches it'));
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (text: string) => void warnings.push(text) };
  const python = packagedPython(
    hosts((input) => (/^import (\w+)/.exec(input) ? lacks(input.slice(7)) : { ok: true, observation: 'no import' })),
    log,
  );
  for (const module of ['sympy', 'mpmath']) {
    expect(await python.run(`import ${module}`, context)).toEqual({
      ...{ ok: false, code: 'tool_failed' },
      observation: `ModuleNotFoundError: No module named '${module}'; npx spark-rl setup fetches it`,
    });
  }
  expect(warnings).toEqual(['a source in python asked for sympy: npx spark-rl setup fetches it']);
  // A source that only says the word is answered.
  expect((await python.run('print("sympy")', context)).observation).toBe('no import');
});

it('leaves another failure of SymPy to the children that have it', async () => {
  vi.mocked(sympyPayload).mockRejectedValue(new SparkError('io_error', 'disk'));
  expect((await packagedPython(hosts(), silentLog).run('import sympy', context)).observation).toBe('sympy');
});
