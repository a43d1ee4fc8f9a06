/** The registry of the tools that a run may use, and the registry of the built-in ones. */
import { SparkError, shown, throwIfAborted } from '../errors.js';
import type { Log } from '../log.js';
import { checkKeys, type KeysOf, requireKeys } from '../options.js';
import { redact } from '../secrets/redact.js';
import { BUILTIN_TOOLS, builtinTool } from './builtin.js';
import { BuiltinHosts, HOST_LIMITS } from './builtinHosts.js';
import { fitToShow } from './fitToShow.js';
import { hostedTool } from './hosted.js';
import { inTime } from './inTime.js';
import { clip, oneLine } from './observation.js';
import { packagedPython } from './packagedPython.js';
import { type SearchBackend, searchTool } from './search.js';
import { systemPythonTool } from './system/python.js';
import { PYTHON_ENGINES, type PythonEngine, type PythonOptions } from './system/settings.js';
import {
  type ActionInfo,
  CONTEXT_KEYS,
  checkResult,
  THINK,
  TOOL_NAME,
  type Tool,
  type ToolContext,
  type ToolResult,
} from './tool.js';

/** No tool needs a longer input, and a child should not be sent megabytes. */
const MAX_INPUT_CHARS = 20_000;

/** What tools work in: the children of a kind, or the servers of MCP. */
interface Owned {
  warm(): Promise<void>;
  dispose(): Promise<void>;
}

/** The tools a run may use, in the order of prompts. Whoever makes it disposes of it, which ends the tools' processes. */
export class ToolRegistry {
  /** `run` ends in time by itself; waiting for a child to start does not count. */
  readonly keepsDeadlines = true;
  readonly #tools = new Map<string, Tool>();
  readonly #hosts: Owned[] = [];
  #disposed = false;

  /** Throws `invalid_argument` for what is no tool, and for a name that is no good or taken. */
  register(tool: Tool): this {
    checkTool(tool);
    if (this.#tools.has(tool.name)) {
      throw new SparkError(
        'invalid_argument',
        `expected a new tool name, "${tool.name}" is registered already; rename it`,
      );
    }
    this.#tools.set(tool.name, tool);
    return this;
  }

  /**
   * Ties the life of what tools work in to this registry.
   * @internal
   */
  own(host: Owned): this {
    this.#hosts.push(host);
    return this;
  }

  get names(): readonly string[] {
    return [...this.#tools.keys()];
  }

  /** The tools, then `think`. */
  actions(): readonly ActionInfo[] {
    const tools = [...this.#tools.values()].map(({ name, description, inputHint, example }) => ({
      ...{ name, description, inputHint },
      ...(example === undefined ? {} : { example }),
    }));
    return [
      ...tools,
      { name: THINK, description: 'Thinks on without a tool; there is no observation.', inputHint: '' },
    ];
  }

  /**
   * Runs a tool. What is wrong with the input, and a failure of the tool, is in the result. Throws `interrupted` on an
   * abort, `tool_unavailable` when the tool cannot work at all, and `invalid_argument` when it answers with no result.
   */
  async run(name: string, input: string, context: ToolContext): Promise<ToolResult> {
    requireKeys(context, CONTEXT_KEYS, 'tools.run: context');
    checkCall(input, context);
    throwIfAborted(context.signal);
    const tool = this.#tools.get(name);
    const fail = (code: 'tool_input' | 'tool_failed', text: string): ToolResult => ({
      ok: false,
      code,
      // Redacted, because the error of a user's own tool may contain its key.
      observation: clip(oneLine(redact(text)), context.maxObservationChars),
    });
    if (tool === undefined)
      return fail('tool_input', `no tool named ${oneLine(name, 32)}; the tools are ${this.names.join(', ')}`);
    if (input.trim() === '') return fail('tool_input', `empty input; write ${tool.inputHint}`);
    if (input.length > MAX_INPUT_CHARS)
      return fail('tool_input', `input too long: ${input.length} characters, at most ${MAX_INPUT_CHARS}`);
    const { signal = new AbortController().signal } = context;
    const call = { ...context, signal };
    let given: ToolResult;
    try {
      given = await (tool.keepsDeadlines === true
        ? tool.run(input, call)
        : inTime((timed) => tool.run(input, timed), call));
    } catch (error) {
      throwIfAborted(context.signal);
      if (error instanceof SparkError && error.code === 'tool_unavailable') throw error;
      return fail('tool_failed', `${name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    const result = checkResult(name, given);
    return { ...result, observation: fitToShow(result.observation, context.maxObservationChars) };
  }

  /**
   * Starts the tools' processes now instead of at their first call. Resolves when they are ready; throws
   * `tool_unavailable` when one does not start.
   */
  async warm(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.warm()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Ends the tools' processes, and what tools of one's own hold. Throws `tool_failed` when one of those throws, after all. */
  async dispose(): Promise<void> {
    const own = this.#disposed ? [] : [...this.#tools.values()].filter(({ dispose }) => dispose !== undefined);
    this.#disposed = true;
    const ended = await Promise.allSettled([
      ...this.#hosts.map((host) => host.dispose()),
      ...own.map(async (tool) => tool.dispose!()),
    ]);
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed === undefined) return;
    const { message } = Object(failed.reason) as { readonly message?: string };
    throw new SparkError(
      'tool_failed',
      `a tool cannot be disposed of: ${message ?? failed.reason}; mend its dispose()`,
      {
        cause: failed.reason,
      },
    );
  }
}

function checkTool(tool: Tool): void {
  const wrong = (expected: string, got: unknown) =>
    new SparkError('invalid_argument', `${expected}, got ${shown(got)}; see Tool in the documentation`);
  if (typeof tool !== 'object' || tool === null) {
    throw wrong('expected an object with name, description, inputHint and run', tool);
  }
  const { name, description, inputHint, example, run, dispose } = tool;
  if (typeof name !== 'string' || !TOOL_NAME.test(name)) {
    throw wrong(`expected a tool name like my_tool (${TOOL_NAME.source})`, name);
  }
  if (name === THINK) {
    throw new SparkError('invalid_argument', `expected a tool name other than ${THINK}: that action needs no tool`);
  }
  if (typeof description !== 'string' || description.trim() === '') {
    throw wrong(`tool ${name}: expected a description, one sentence for prompts and the judge`, description);
  }
  if (typeof inputHint !== 'string') throw wrong(`tool ${name}: expected a text as inputHint`, inputHint);
  if (example !== undefined && !isExample(example)) {
    throw wrong(`tool ${name}: expected an example { wanted, input, observation } of three texts, or none`, example);
  }
  if (dispose !== undefined && typeof dispose !== 'function') {
    throw wrong(`tool ${name}: expected a function dispose(), or none`, dispose);
  }
  if (typeof run !== 'function') throw wrong(`tool ${name}: expected a function run(input, context)`, run);
}

function isExample(example: unknown): boolean {
  const { wanted, input, observation } = Object(example) as { readonly [key: string]: unknown };
  return [wanted, input, observation].every((text) => typeof text === 'string' && text.trim() !== '');
}

export interface BuiltinOptions {
  /** Which of the eight, default all; the order is always the same. */
  readonly tools?: readonly string[];
  /** Other names for some of them, as the model is to write them: `{ python: 'python_repl' }`. */
  readonly names?: Readonly<Partial<Record<(typeof BUILTIN_TOOLS)[number], string>>>;
  /** Most calls at once for each kind of child, a process each, default 1; further calls wait. Python has one in reserve. */
  readonly processes?: number;
  /** For `encyclopedia` and `search`: a file of `corpus build`, or a folder of .jsonl articles; default: the package's. */
  readonly corpus?: string;
  /** Where `search` searches; default: the same corpus. */
  readonly searchBackend?: SearchBackend;
  /** What `python` runs in; default: the Python of this package. */
  readonly python?: PythonOptions;
  /** Told when SymPy is loaded for the first time on this machine, which takes half a minute; default: nobody. */
  readonly log?: Log;
}

const PYTHON_OPTIONS = { engine: true, path: true, packages: true } as const satisfies KeysOf<PythonOptions>;

const OPTIONS = {
  tools: true,
  names: true,
  processes: true,
  corpus: true,
  searchBackend: true,
  python: true,
  log: true,
} as const satisfies KeysOf<BuiltinOptions>;

function pythonOptions(given: PythonOptions = {}): PythonOptions & { readonly engine: PythonEngine } {
  checkKeys(given, PYTHON_OPTIONS, 'createBuiltinRegistry: options.python');
  const { engine = 'pyodide' } = given;
  if (PYTHON_ENGINES.includes(engine)) return { ...given, engine };
  throw new SparkError(
    'invalid_config',
    `expected python.engine ${PYTHON_ENGINES.join(' or ')}, got ${shown(engine)}; see docs/tools.md`,
  );
}

function namesOf(given: BuiltinOptions['names'] = {}): ReadonlyMap<string, string> {
  for (const [tool, name] of Object.entries(given)) {
    if (builtinTool(tool) !== undefined && typeof name === 'string' && TOOL_NAME.test(name) && name !== THINK) continue;
    throw new SparkError(
      'invalid_config',
      `expected names of built-in tools with the names that they get, such as python: python_repl, got ${shown({ [tool]: name })}`,
    );
  }
  return new Map(Object.entries(given));
}

/** What a program gets wrong, which no model should be told. */
function checkCall(input: unknown, { timeoutMs, maxObservationChars }: ToolContext): void {
  if (typeof input !== 'string') {
    throw new SparkError('invalid_argument', `tools.run: input: expected a text, got ${shown(input)}`);
  }
  for (const [name, value] of Object.entries({ timeoutMs, maxObservationChars })) {
    if (typeof value === 'number' && value > 0) continue;
    throw new SparkError(
      'invalid_argument',
      `tools.run: context.${name}: expected a positive number, got ${shown(value)}`,
    );
  }
}

/** The built-in tools; ours, as the paper does not name its own. Starts no process before the first call or `warm()`. */
export function createBuiltinRegistry(options: BuiltinOptions = {}): ToolRegistry {
  checkKeys(options, OPTIONS, 'createBuiltinRegistry: options');
  const wanted = new Set<string>(options.tools ?? BUILTIN_TOOLS);
  for (const name of wanted) {
    if (builtinTool(name) === undefined) {
      throw new SparkError('invalid_config', `expected built-in tools of ${BUILTIN_TOOLS.join(', ')}, got "${name}"`);
    }
  }
  const { engine, ...interpreter } = pythonOptions(options.python);
  const names = namesOf(options.names);
  const registry = new ToolRegistry();
  const hosts = new BuiltinHosts({ ...options, wanted }, (host) => registry.own(host));
  const hosted = (name: string): Tool =>
    name === 'python' ? packagedPython(hosts, options.log) : hostedTool(name, hosts.of(builtinTool(name)!.host));
  const named = (tool: Tool): Tool => ({ ...tool, name: names.get(tool.name) ?? tool.name });
  for (const name of BUILTIN_TOOLS) {
    if (!wanted.has(name)) continue;
    const { searchBackend } = options;
    if (name === 'search' && searchBackend !== undefined) registry.register(named(searchTool(searchBackend)));
    else if (name === 'python' && engine === 'system') {
      const { processes: size = 1, log } = options;
      const { tool, host } = systemPythonTool(interpreter, { size, ...HOST_LIMITS, log });
      registry.register(named(tool)).own(host);
    } else registry.register(named(hosted(name)));
  }
  return registry;
}
