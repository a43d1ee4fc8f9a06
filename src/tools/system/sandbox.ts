/**
 * The sandbox of the user's own Python: bubblewrap with every namespace of its own, a file system of what Python needs to read
 * and a small /tmp, no environment, a seccomp filter (`seccomp.ts`) and limits of the kernel. There is no way to run without.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { SparkError } from '../../errors.js';
import { driverProgram, ENVIRONMENT } from './driver.js';
import type { Interpreter } from './interpreter.js';
import { seccompProgram } from './seccomp.js';

/** Where the programs of the sandbox are looked for, and on what machine; for tests, else this one. */
export interface Machine {
  readonly platform: string;
  readonly architecture: string;
  /** As the variable PATH. */
  readonly programs: string;
}

/** A sandbox as it can be made here. */
export interface Sandbox {
  /** The path of bubblewrap. */
  readonly bwrap: string;
  readonly version: string;
  /** The path of `setarch`, which fixes the addresses of objects; null where it is not there or not allowed. */
  readonly setarch: string | null;
  /** The program of the seccomp filter. */
  readonly filter: Uint8Array;
}

/** How a sandboxed process is started: what is to be written to its descriptors from 3 on stands in `files`. */
export interface SandboxPlan {
  readonly command: string;
  readonly args: readonly string[];
  readonly files: readonly Uint8Array[];
}

/** For `--size`, without which /tmp could take half of the memory. */
const OLDEST: readonly [number, number] = [0, 7];
const TIMEOUT_MS = 20_000;

/** Address space, so that more is a MemoryError; processor time, for a process whose parent was stopped; a file; descriptors. */
const LIMITS = { memoryKb: 896 * 1024, cpuSeconds: 900, fileBlocks: 2 ** 16, descriptors: 128 } as const;
const TMP_BYTES = 2 ** 26;
const RANDOM_BYTES = 2 ** 20;

/** Shared libraries, the cache of the linker, Debian's links to the chosen BLAS, time zones. Of /etc nothing else. */
const SYSTEM = [
  ...['/lib', '/lib32', '/lib64', '/usr/lib', '/usr/lib32', '/usr/lib64', '/nix/store', '/gnu/store'],
  ...['/etc/ld.so.cache', '/etc/alternatives', '/usr/share/zoneinfo'],
];

const INSTEAD = 'set tools.python.engine to pyodide, which needs none of this';

export function thisMachine(): Machine {
  return { platform: process.platform, architecture: process.arch, programs: process.env.PATH ?? '' };
}

/** Looks for what a sandbox is made of. Throws `tool_unavailable`, naming what is missing and what to do. */
export async function findSandbox(machine: Machine): Promise<Sandbox> {
  const { platform, architecture, programs } = machine;
  if (platform !== 'linux')
    throw noSandbox(`expected Linux, whose kernel makes the sandbox, got ${platform}; ${INSTEAD}`);
  const filter = seccompProgram(architecture);
  if (filter === null)
    throw noSandbox(
      `expected a processor of x64 or arm64, whose system calls are known, got ${architecture}; ${INSTEAD}`,
    );
  const bwrap = programOf('bwrap', programs);
  if (bwrap === null)
    throw noSandbox(
      `expected bubblewrap (bwrap) on the PATH, found none; install it (apt-get install bubblewrap, dnf install bubblewrap), or ${INSTEAD}`,
    );
  const said = await output(bwrap, ['--version']);
  const version = /(\d+)\.(\d+)(?:\.\d+)?/.exec(said);
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
  if (!(major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])))
    throw noSandbox(
      `expected bubblewrap ${OLDEST.join('.')} or newer at ${bwrap}, got ${said.trim() || 'no version'}; install a newer one, or ${INSTEAD}`,
    );
  const setarch = programOf('setarch', programs);
  const fixes = setarch !== null && (await output(setarch, ['-R', '/bin/sh', '-c', 'echo fixed'])).trim() === 'fixed';
  return { bwrap, version: version![0], setarch: fixes ? setarch : null, filter };
}

/** What a program writes; nothing where it fails. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const asked = promisify(execFile)(program, args, { env: {}, timeout: TIMEOUT_MS });
  return asked.then(
    ({ stdout }) => stdout,
    () => '',
  );
}

function programOf(name: string, programs: string): string | null {
  for (const folder of programs.split(path.delimiter)) {
    // Relative ones are of a project, and would be others in another folder.
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  return null;
}

/** A process that answers one call. `libraries`: what it can import, as an error says it. */
export function planSandbox(sandbox: Sandbox, interpreter: Interpreter, libraries: string): SandboxPlan {
  const { executable, reads, paths } = interpreter;
  const { memoryKb, cpuSeconds, fileBlocks, descriptors } = LIMITS;
  const limits = `ulimit -v ${memoryKb}; ulimit -t ${cpuSeconds}; ulimit -f ${fileBlocks}; ulimit -n ${descriptors}; ulimit -c 0`;
  const words = [
    ...(sandbox.setarch === null ? [] : [sandbox.setarch, '-R']),
    ...['/bin/sh', '-c', `${limits} && exec "$0" "$@"`, sandbox.bwrap],
    ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    // No --new-session: it has one already (`spawnQuietly`), and is killed by its group, which nothing in there can leave.
    ...['--die-with-parent', '--cap-drop', 'ALL', '--uid', '1000', '--gid', '1000', '--hostname', 'python'],
    ...['--clearenv', ...[...ENVIRONMENT].flatMap(([name, value]) => ['--setenv', name, value])],
    // /tmp first: Python itself may lie in it.
    ...['--size', String(TMP_BYTES), '--tmpfs', '/tmp'],
    ...SYSTEM.flatMap((one) => ['--ro-bind-try', one, one]),
    ...[...reads, executable].flatMap((one) => ['--ro-bind', one, one]),
    ...[
      '--dev-bind',
      '/dev/null',
      '/dev/null',
      '--ro-bind-data',
      '4',
      '/dev/urandom',
      '--symlink',
      'urandom',
      '/dev/random',
    ],
    ...['--remount-ro', '/', '--chdir', '/tmp', '--seccomp', '3'],
    ...['--', executable, '-s', '-c', driverProgram(libraries, paths)],
  ];
  const [command, ...args] = words;
  return { command: command!, args, files: [sandbox.filter, notRandom()] };
}

let bytes: Uint8Array | undefined;

/** What /dev/urandom has in the sandbox: the same in every call, because rollouts must be repeatable. */
function notRandom(): Uint8Array {
  if (bytes !== undefined) return bytes;
  const made = Buffer.alloc(RANDOM_BYTES);
  let state = 0x9e3779b9;
  for (let at = 0; at < RANDOM_BYTES; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    made[at] = state >>> 24;
  }
  bytes = made;
  return made;
}

/** The refusal where a sandboxed process does not start. `said`: what it wrote. */
export function refusal({ bwrap }: Sandbox, { executable }: Interpreter, said: string): SparkError {
  const why = said.trim() === '' ? 'it said nothing' : said.trim().split('\n').at(-1)!;
  if (/^bwrap:/m.test(said) && /namespace|uid map|setgroups|Operation not permitted|Permission denied/i.test(said))
    return noSandbox(
      `expected a kernel that lets ${bwrap} make namespaces, but ${why}. Allow it: sysctl kernel.unprivileged_userns_clone=1 ` +
        '(Debian), sysctl kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for bwrap (Ubuntu), in a ' +
        `container --security-opt seccomp=unconfined and no default AppArmor profile; or ${INSTEAD}`,
    );
  return noSandbox(
    `expected ${executable} to start in the sandbox, but ${why}; name another Python with tools.python.path, or ${INSTEAD}`,
  );
}

function noSandbox(message: string): SparkError {
  return new SparkError('tool_unavailable', `tools.python.engine system: ${message}`);
}
