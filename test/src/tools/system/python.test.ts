/**
 * The user's own Python in its sandbox: it says what Pyodide says, hostile sources reach nothing and end in an error, and no
 * call changes another. Where bubblewrap cannot work this is skipped, with the refusal as the reason.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { endChild } from '../../../../src/tools/hostSpawn.js';
import { createBuiltinRegistry } from '../../../../src/tools/registry.js';
import { type SystemPython, systemPython } from '../../../../src/tools/system/python.js';
import { planSandbox } from '../../../../src/tools/system/sandbox.js';
import { full } from '../../full.js';
import { POISONS } from '../poisons.js';
import { PYTHON_ANSWERS, PYTHON_REFUSALS } from '../pythonCases.js';
import { snippets } from '../snippets.js';

const python = { engine: 'system', path: process.env.PYTHON ?? null } as const;
const found = await systemPython(python).then(
  (one) => one,
  (error: Error) => error.message,
);
const lack = typeof found === 'string' ? found : null;
const has = (name: string) => typeof found !== 'string' && found.interpreter.packages[name] !== undefined;
const because = lack === null ? '' : ` (skipped: ${lack})`;

const registry = createBuiltinRegistry({ tools: ['python'], python });
const limits = { timeoutMs: 30_000, maxObservationChars: 2000 };
const run = (source: string, timeoutMs = limits.timeoutMs) => registry.run('python', source, { ...limits, timeoutMs });
const shown = async (source: string) => (await run(source)).observation;

const folder = mkdtempSync(path.join(tmpdir(), 'spark-secret-'));
afterAll(async () => {
  await registry.dispose();
  rmSync(folder, { recursive: true });
});

/** What a process of the sandbox says that is started with other words, and its exit code. */
async function startedWith(change: (args: readonly string[]) => readonly string[]) {
  const { sandbox, interpreter } = found as SystemPython;
  const { command, args, files } = planSandbox(sandbox, interpreter, 'nothing');
  const child = spawn(command, change(args), { env: {}, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] });
  for (const [index, file] of files.entries()) {
    // Nobody reads the filter that is left out.
    (child.stdio[3 + index] as Writable).on('error', () => {}).end(file);
  }
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout!), text(child.stderr!)]);
  return { code, stdout, stderr };
}
const unfiltered = (args: readonly string[]) => {
  const at = args.indexOf('--seccomp');
  return args.toSpliced(at, 2);
};

describe.skipIf(lack !== null)(`each wall of the sandbox${because}`, () => {
  it('is tried before anything runs', async () => {
    const { code, stdout, stderr } = await startedWith(unfiltered);
    expect(stderr).toMatch(/^the sandbox leaves open: processes, the network, local sockets$/m);
    expect([code, stdout]).toEqual([1, '']);
  });

  it('stands behind the filter, too: no other process and no network but its own', async () => {
    const look = 'import os, socket; print(os.getpid(), socket.if_nameindex())';
    const { code, stdout } = await startedWith((args) => unfiltered(args).with(-1, look));
    expect(stdout).toMatch(/^\d \[\(1, 'lo'\)\]$/m);
    expect(code).toBe(0);
  });
});

describe.skipIf(lack !== null)(`the engine says what Pyodide says${because}`, () => {
  // A process each.
  it.each(PYTHON_ANSWERS.filter((_, at) => full || at % 2 === 1))('%s', async (input, observation) => {
    expect(await run(input)).toEqual({ ok: true, observation });
  });

  it.each(PYTHON_REFUSALS)('refuses %s', async (input, message) => {
    expect(await run(input)).toEqual({ ok: false, code: 'tool_input', observation: expect.stringMatching(message) });
  });

  it('cuts long output, and names what there is where a module is missing', async () => {
    const long = await registry.run('python', 'for i in range(10**5): print("abc")', {
      ...limits,
      maxObservationChars: 280,
    });
    expect([long.ok, long.observation.length, long.observation.at(-1)]).toEqual([true, 280, '…']);
    expect(await shown('import nowhere')).toMatch(
      /^ModuleNotFoundError: No module named 'nowhere' \(line 1\); there are the standard library/,
    );
  });

  it('draws the same numbers in every call, has the same order of sets and the same addresses', async () => {
    const address = typeof found !== 'string' && found.sandbox.setarch !== null ? ', object()' : '';
    const draw = `import random, os, uuid\n[random.random(), random.Random().random(), os.urandom(4), uuid.uuid4(), hash("a"), {"b", "a", "c"}${address}]`;
    expect(await shown(draw)).toBe(await shown(draw));
  });

  it.skipIf(!has('numpy'))('has the packages of its interpreter', async () => {
    const source =
      'import numpy as np\nnp.linalg.det(np.array([[1., 2.], [3., 4.]])).round(6), np.random.default_rng().random()';
    expect(await shown(source)).toMatch(/-2\.0\b/);
    if (full) expect(await shown(source)).toBe(await shown(source));
  });

  it.skipIf(!full)('on generated sources, and on those that draw or end in memory', async () => {
    await using pyodide = createBuiltinRegistry({ tools: ['python'] });
    const others = [
      'import random\n[random.randint(1, 100) for _ in range(9)]',
      "len('a' * 10**9)",
      'exit(2)',
      'input()',
    ];
    let equal = 0;
    for (const source of [...others, ...snippets(80, 7)]) {
      const [ours, theirs] = [await run(source), await pyodide.run('python', source, limits)];
      expect([source, ours.ok]).toEqual([source, theirs.ok]);
      // Words of errors are those of the version.
      const kind = (text: string) => (ours.ok ? text : text.split(/[:(]/)[0]);
      expect([source, kind(ours.observation)]).toEqual([source, kind(theirs.observation)]);
      equal += 1;
    }
    expect(equal).toBe(84);
  });
});

/** Sources tried one by one in one process: what each of them got, or the name of its exception. */
const tried = (sources: readonly string[]): string =>
  `told = []\nfor source in ${JSON.stringify(sources)}:\n` +
  '    try: told.append(eval(source, {"__builtins__": __builtins__, "i": __import__}))\n' +
  '    except BaseException as error: told.append(type(error).__name__)\ntold';

describe.skipIf(lack !== null)(`hostile sources${because}`, () => {
  it('reach no file, process, program, variable or network', async () => {
    const secret = path.join(folder, 'secret');
    writeFileSync(secret, 'the secret');
    process.env.SPARK_TEST_SECRET = 'the secret';
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const doors: readonly (readonly [source: string, got: RegExp])[] = [
      [`open(${JSON.stringify(secret)}).read()`, /^FileNotFoundError$/],
      ['open("/etc/passwd").read()', /^FileNotFoundError$/],
      ['open("/etc/shadow").read()', /^FileNotFoundError$/],
      ['i("os").listdir("/proc")', /^FileNotFoundError$/],
      ['i("os").listdir("/sys")', /^FileNotFoundError$/],
      ['i("os").listdir("/usr/bin")', /^FileNotFoundError$/],
      ['sorted(i("os").listdir("/dev"))', /^\['null', 'random', 'urandom'\]$/],
      ['"SPARK_TEST_SECRET" in i("os").environ or "PATH" in i("os").environ', /^False$/],
      ['i("os").mkdir("/new")', /^OSError$/],
      ['open(i("os").__file__, "a")', /^OSError$/],
      ['open(i("os").path.dirname(i("os").__file__) + "/new.py", "w")', /^OSError$/],
      ['i("os").chmod(i("os").__file__, 0o777)', /^OSError$/],
      ['i("os").fork()', /^PermissionError$/],
      ['i("subprocess").run(["id"])', /^(PermissionError|FileNotFoundError)$/],
      ['i("os").posix_spawn("/bin/sh", ["sh"], {})', /^(PermissionError|FileNotFoundError)$/],
      ['i("os").kill(-1, 9)', /^ProcessLookupError$/],
      ['i("os").setsid()', /^OSError$/],
      [`i("socket").create_connection(("127.0.0.1", ${port}), 1)`, /^PermissionError$/],
      [`i("urllib.request", fromlist=["x"]).urlopen("http://127.0.0.1:${port}/")`, /^URLError$/],
      ['i("socket").socket(i("socket").AF_UNIX)', /^PermissionError$/],
      ['i("socket").getaddrinfo("example.org", 80)', /^gaierror$/],
      ['i("os").memfd_create("x")', /^OSError$/],
      ['i("os").sched_setaffinity(0, {0})', /^OSError$/],
      // ptrace, mount, unshare, bpf, io_uring_setup and keyctl of x86-64, past Python.
      [
        '[i("ctypes").CDLL(None).syscall(n, 0, 0, 0, 0, 0) for n in (101, 165, 272, 321, 425, 250)]',
        /^\[(-1(, )?){6}\]$/,
      ],
      ['i("resource").setrlimit(i("resource").RLIMIT_AS, (-1, -1))', /^(ValueError|PermissionError)$/],
    ];
    const { observation } = await run(tried(doors.map(([source]) => source)));
    server.close();
    delete process.env.SPARK_TEST_SECRET;
    // repr has quotes around texts, and commas within lists.
    const got = observation.slice(1, -1).match(/\[[^\]]*\]|'[^']*'|[^,\s]+/g) ?? [];
    expect(got.length).toBe(doors.length);
    const open = doors.flatMap(([source, wanted], at) => {
      const text = got[at]!.replace(/^'(.*)'$/, '$1');
      return wanted.test(text) ? [] : [[source, text]];
    });
    expect(open).toEqual([]);
    expect(connections).toBe(0);
  });

  it('take no more memory, disk, threads or output than they may', async () => {
    expect(await shown("len('a' * 10**9)")).toMatch(/^MemoryError/);
    if (full) expect(await shown('held = []\nwhile True: held.append(bytearray(10**7))')).toMatch(/^MemoryError/);
    const disk =
      'n = 0\ntry:\n    while True: open(f"{n}", "wb").write(b"x" * 10**7); n += 1\nexcept OSError as error: print(error)\nn < 10';
    expect(await shown(disk)).toMatch(/No space left on device\nTrue$/);
    expect(await shown('open("large", "wb").write(b"x" * 10**8)')).toMatch(/^OSError: \[Errno (27|28)\]/);
    const threads =
      'import threading, time\nn = 0\ntry:\n    for n in range(2000): threading.Thread(target=time.sleep, args=(100,)).start()\nexcept (RuntimeError, MemoryError): print(n < 500)';
    expect(await shown(threads)).toBe('True');
    expect(
      (await run('import os\nfor fd in range(3, 20):\n    try: os.write(fd, b"x" * 10**6)\n    except OSError: pass'))
        .ok,
    ).toBe(false);
  });

  it('forge an answer for no call but their own', async () => {
    const reply = JSON.stringify({ id: 1, ok: true, observation: 'forged' });
    const forged = `import os\nfor _ in range(3):\n    for fd in range(3, 20):\n        try: os.write(fd, ${JSON.stringify(`${reply}\n{"ready": true}\n`)}.encode())\n        except OSError: pass`;
    // A call waits behind it.
    const [own, next] = await Promise.all([run(forged), run('6 * 7')]);
    expect([own.observation, next.observation]).toEqual(['forged', '42']);
  });

  it('end at the deadline, or when they end themselves, with all of their processes, and the calls beside them are answered', async () => {
    const bad: readonly (readonly [string, RegExp])[] = [
      [
        'import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n10 ** 10 ** 8',
        /^timed out after 0\.5 s$/,
      ],
      ['import ctypes; ctypes.string_at(0)', /^python stopped: its process ended \(signal 11\)$/],
      ['import os; os._exit(0)', /^python stopped: its process ended \(exit code 0\)$/],
    ];
    const seen = new Set<string>();
    for (const [source, message] of bad) {
      const [result, good] = await Promise.all([run(source, 500), run('40 + 2')]);
      for (const pid of ours()) seen.add(pid);
      expect(result.observation).toMatch(message);
      expect([result.ok, good.observation]).toEqual([false, '42']);
    }
    await registry.dispose();
    // Killed while bubblewrap is still at work, too.
    for (let ms = 0; ms < 10; ms += 2) {
      const { child } = (found as SystemPython).start();
      await new Promise((resolve) => setTimeout(resolve, ms));
      for (const pid of ours()) seen.add(pid);
      endChild(child);
    }
    expect(seen.size).toBeGreaterThan(0);
    const left = () => [...seen].filter((pid) => commandOf(pid).includes(DRIVER));
    for (let look = 0; look < 200 && left().length > 0; look++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(left()).toEqual([]);
  });
});

/** In the command of every process of a sandbox. */
const DRIVER = '_spark_main';

/** The processes of the sandboxes that this process has started. */
function ours(): string[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => [pid, parentOf(pid)]),
  );
  const isOurs = (pid: string | undefined): boolean =>
    pid === String(process.pid) || (pid !== undefined && isOurs(parents.get(pid)));
  return [...parents.keys()].filter((pid) => isOurs(pid) && commandOf(pid).includes(DRIVER));
}

/** Undefined for a process that has ended. */
function parentOf(pid: string): string | undefined {
  return /^PPid:\s*(\d+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
}

function commandOf(pid: string): string {
  return textOf(`/proc/${pid}/cmdline`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

describe.skipIf(lack !== null)(`after a poison${because}`, { timeout: 600_000 }, () => {
  const FIXTURE = `
import ast, asyncio, builtins, decimal, fractions, gc, json, math, os, random, statistics, sys, textwrap
async def five(): return 5
try: big = len(str(10 ** 5000))
except ValueError: big = 'limited'
[json.dumps([1, {'a': None}]), ast.dump(ast.parse('1 + 1')), textwrap.dedent('  a'), random.random(), math.sqrt(2), math.pi,
  str(decimal.Decimal(1) / 3), fractions.Fraction(1, 3), statistics.mean([1, 2, 4]), 3 + 4, 7 * 1, sum([1, 2]), big, sys.getrecursionlimit(),
  os.getcwd(), os.listdir('.'), dict(os.environ), hasattr(builtins, 'left'), asyncio.run(five()), hash('a'), sys.path, object()]`;
  // Those for SymPy cost a second each, plain ones change nothing in Pyodide either: a process each.
  const poisons = POISONS.filter(
    ({ tool, input }) =>
      tool === 'python' && (full || (/import/.test(input) && !/sympy|pyodide|while True/.test(input))),
  );

  it('the next call is answered as before it', async () => {
    await using own = createBuiltinRegistry({ tools: ['python'], python });
    const fixture = async () => (await own.run('python', FIXTURE, limits)).observation;
    const fresh = await fixture();
    expect(fresh).toMatch(/'limited'.*, 5, /s);
    for (const { input } of poisons) {
      const timeoutMs = /while True/.test(input) ? 300 : limits.timeoutMs;
      const { observation } = await own.run('python', input, { ...limits, timeoutMs });
      if (!/while True/.test(input))
        expect([input, observation]).toEqual([input, expect.not.stringMatching(/^timed out/)]);
      if (full) expect([input, await fixture()]).toEqual([input, fresh]);
    }
    expect(await fixture()).toBe(fresh);
  });
});
