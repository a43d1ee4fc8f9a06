/**
 * The user's own Python as the engine of the tool `python` (`tools.python.engine: system`): a new process in a new sandbox for
 * every call, so that no call depends on the calls before it. The next one is started while a call runs.
 */
import { abortable } from '../../abortable.js';
import { ToolHost, type ToolHostOptions } from '../host.js';
import { describeHosted } from '../hosted.js';
import { endChild, type HostChannel } from '../hostSpawn.js';
import type { Tool } from '../tool.js';
import { openSandboxed } from './channel.js';
import { askInterpreter, type Interpreter } from './interpreter.js';
import { findSandbox, type Machine, planSandbox, refusal, type Sandbox, thisMachine } from './sandbox.js';
import type { PythonSettings } from './settings.js';

/** An interpreter that has been started in the sandbox here. */
export interface SystemPython {
  readonly interpreter: Interpreter;
  readonly sandbox: Sandbox;
  /** Starts a process that answers one call. */
  start(): HostChannel;
}

const TRIAL_MS = 60_000;
const opened = new Map<string, Promise<SystemPython>>();

/**
 * The interpreter and its sandbox, looked for once in this process. Throws `tool_unavailable`, which says what is missing and what
 * to do; the next call then looks again.
 */
export function systemPython(settings: PythonSettings = {}): Promise<SystemPython> {
  const machine = thisMachine();
  const key = JSON.stringify([settings.path ?? null, settings.packages ?? [], machine.programs]);
  let found = opened.get(key);
  if (found === undefined) {
    found = openSystemPython(settings, machine);
    found.catch(() => opened.delete(key));
    opened.set(key, found);
  }
  return found;
}

/** The same, looked for anew; for tests. */
export async function openSystemPython(settings: PythonSettings, machine: Machine): Promise<SystemPython> {
  const sandbox = await findSandbox(machine);
  const interpreter = await askInterpreter(settings);
  const plan = planSandbox(sandbox, interpreter, librariesOf(interpreter));
  const start = () => openSandboxed(plan);
  const lack = await trial(start);
  if (lack !== null) throw refusal(sandbox, interpreter, lack);
  return { interpreter, sandbox, start };
}

/** Whether a process says that it is ready: null, or what it said instead. */
async function trial(start: () => HostChannel & { stderr(): string }): Promise<string | null> {
  const channel = start();
  const { child } = channel;
  return new Promise((resolve) => {
    const late = setTimeout(() => endChild(child), TRIAL_MS);
    // Children keep no process alive.
    const settle = (said: string | null) => {
      clearTimeout(late);
      endChild(child);
      resolve(said);
    };
    channel.receive((message) => settle('ready' in message ? null : 'its first words were an answer'));
    child.on('error', ({ message }) => settle(message));
    child.on('close', (code, signal) => {
      const said = channel.stderr();
      settle(said.trim() === '' ? channel.reason(code, signal) : said);
    });
  });
}

function librariesOf({ packages }: Interpreter): string {
  const all = ['the standard library', ...Object.keys(packages)];
  return `there are ${all.join(', ').replace(/, ([^,]+)$/, ' and $1')}`;
}

/** What prompts say of the tool. Asks no interpreter, so that a run can be read where there is none. */
export function describeSystemPython({ packages = [] }: PythonSettings): string {
  const has =
    packages.length === 0 ? 'standard library, and what else is installed' : `standard library, ${packages.join(', ')}`;
  return `Runs Python 3 (${has}) and shows what it prints and the value of a last expression.`;
}

/** Versions of the interpreter and of its packages, as facts of what was computed by them. Throws `tool_unavailable`. */
export async function systemPythonVersions(settings: PythonSettings): Promise<Readonly<Record<string, string>>> {
  const { interpreter } = await systemPython(settings);
  return { version: interpreter.version, ...interpreter.packages };
}

/** What `createBuiltinRegistry` registers in place of the tool with Pyodide, and what it owns. */
export interface SystemPythonTool {
  readonly tool: Tool;
  readonly host: { warm(): Promise<void>; dispose(): Promise<void> };
}

/** `limits`: of a ToolHost. */
export function systemPythonTool(
  settings: PythonSettings,
  limits: Pick<ToolHostOptions, 'size' | 'startTimeoutMs' | 'slowAfterMs' | 'maxRssMb' | 'log'>,
): SystemPythonTool {
  const host = new ToolHost({
    ...limits,
    kind: 'python',
    retireAfter: 1,
    prepare: async () => (await systemPython(settings)).start,
  });
  let disposed = false;
  return {
    tool: {
      name: 'python',
      ...describeHosted('python'),
      description: describeSystemPython(settings),
      keepsDeadlines: true,
      async run(input, context) {
        // Before the host: its children's reasons are cut short, and the deadline of the call is not for this.
        if (!disposed) await abortable(systemPython(settings), context.signal);
        return host.run('python', input, context);
      },
    },
    host: {
      async warm() {
        await systemPython(settings);
        await host.warm();
      },
      dispose() {
        disposed = true;
        return host.dispose();
      },
    },
  };
}
