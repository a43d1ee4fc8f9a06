/**
 * The Python program of a sandboxed process: it makes sure that it is confined, answers one call, and waits to be ended. What
 * it is asked and answers are lines of JSON on its standard input and output, which the source it runs does not get.
 */
import { PYTHON_CORE } from '../child/pythonCore.js';

/** All that the environment of the sandbox has. One thread: results of BLAS then do not depend on the number of processors. */
export const ENVIRONMENT: ReadonlyMap<string, string> = new Map([
  ['HOME', '/tmp'],
  ['LANG', 'C.UTF-8'],
  ['PYTHONHASHSEED', '0'],
  ['PYTHONDONTWRITEBYTECODE', '1'],
  ...['OMP', 'OPENBLAS', 'MKL', 'NUMEXPR'].map((name) => [`${name}_NUM_THREADS`, '1'] as const),
  ['MPLBACKEND', 'Agg'],
]);

const KEPT = [...ENVIRONMENT.keys(), 'PWD', 'LC_CTYPE'].map((name) => JSON.stringify(name)).join(', ');

const PROGRAM = String.raw`
def _spark_main(libraries, paths):
    import os, sys, json, random, signal, _socket
    import ast, builtins, textwrap, traceback
    sys.path[:] = paths
    sys.argv[:] = ['']
${PYTHON_CORE}

    # Each of these has to fail; one that does not is said, and nothing is run.
    def open_doors():
        def fork():
            if os.fork() == 0: os._exit(0)
        def writable(path):
            if not os.access(path, os.W_OK): raise OSError
        tries = {
            'processes': fork,
            'the network': lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).close(),
            'local sockets': lambda: _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).close(),
            'other processes': lambda: os.listdir('/proc/1'),
            'the password file': lambda: os.stat('/etc/passwd'),
            'the devices of the machine': lambda: os.stat('/dev/tty'),
            'writing beside /tmp': lambda: writable('/'),
            'writing to Python': lambda: writable(os.path.dirname(os.__file__)),
        }
        for name, door in tries.items():
            try: door()
            except OSError: continue
            yield name
        if not set(os.environ) <= KEPT: yield 'the environment'
    # Bubblewrap sets PWD, and Python LC_CTYPE where the C locale is not UTF-8.
    KEPT = {${KEPT}}

    def answered(source, limit):
        output = Output(limit)
        sys.stdout, sys.stderr, sys.stdin = output, Output(limit), None
        random.seed(0)
        try:
            execute(ast.parse(clean(source), '<input>'), output)
            return True, output.getvalue().rstrip() or 'no output (print the result)'
        except SystemExit as error:
            ok = error.code in (None, 0)
            return ok, output.getvalue().rstrip() or ('no output (print the result)' if ok else describe(error))
        except BaseException as error:
            # Where memory ended there has to be some for telling it.
            reserve.clear()
            return False, describe(error)

    # Bound before the source runs, which may change modules.
    encode, write, pause, end = json.JSONEncoder().encode, os.write, signal.pause, os._exit
    def send(message, to):
        rest = memoryview((encode(message) + '\n').encode('ascii'))
        while rest: rest = rest[write(to, rest):]

    doors = list(open_doors())
    if doors:
        os.write(2, ('the sandbox leaves open: ' + ', '.join(doors) + '\n').encode())
        os._exit(1)
    reserve, replies = bytearray(1 << 20), os.dup(1)
    send({'ready': True, 'python': sys.version.split()[0]}, replies)
    asked = b''
    while not asked.endswith(b'\n'):
        part = os.read(0, 1 << 16)
        if not part: end(0)
        asked += part
    request = json.loads(asked)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2): os.dup2(null, descriptor)
    limit = request['maxChars']
    ok, text = answered(request['input'], limit)
    told = {'ok': True, 'observation': text[:limit + 1]} if ok else {'ok': False, 'code': 'tool_input', 'observation': text[:2000]}
    send({'id': request['id'], **told}, replies)
    # The parent ends this process when it has read the answer.
    while True: pause()
`;

/** `libraries`: what can be imported, as an error says it; `paths`: where modules are looked for. */
export function driverProgram(libraries: string, paths: readonly string[]): string {
  return `${PROGRAM}\n_spark_main(${JSON.stringify(libraries)}, ${JSON.stringify(paths)})\n`;
}
