/**
 * The Python code that runs one source: it collects stdout up to a limit and appends the repr of a last expression. It
 * cleans nothing up; what it says of a call decides whether the process may answer another. It imports modules that
 * models often use, so that they are in the snapshot.
 */
import { INTACT } from './pythonIntact.js';
import { PLAIN } from './pythonPlain.js';

export const DRIVER = String.raw`${PLAIN}
def _make_driver(is_plain):
    import ast, asyncio, builtins, random, sys, textwrap, time, traceback
    import collections, datetime, decimal, fractions, functools, itertools, json, math, re, statistics, string

    class Output:
        encoding = 'utf-8'
        def __init__(self, limit):
            self.parts, self.size, self.limit = [], 0, limit + 2
        def write(self, text):
            room = self.limit - self.size
            if room > 0:
                self.parts.append(text[:room])
                self.size += min(len(text), room)
            return len(text)
        def flush(self): pass
        def isatty(self): return False
        def writable(self): return True
        def getvalue(self): return ''.join(self.parts)

    # Pyodide's own event loop belongs to JavaScript and cannot be run to its end from here: one that only sleeps.
    class Selector:
        def select(self, timeout):
            time.sleep(timeout or 0)
            return []
        def close(self): pass

    class Loop(asyncio.BaseEventLoop):
        def __init__(self):
            super().__init__()
            self._selector = Selector()
        def _process_events(self, events): pass
        def _write_to_self(self): pass

    def asyncio_run(main, *, debug=None):
        running = asyncio.events._get_running_loop()
        asyncio.events._set_running_loop(None)
        loop = Loop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()
            asyncio.events._set_running_loop(running)
    asyncio.run = asyncio_run

    def describe(error):
        if isinstance(error, SyntaxError):
            return f'SyntaxError: {error.msg} (line {error.lineno})'
        if isinstance(error, SystemExit):
            return f'SystemExit: {error.code}'
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == '<input>']
        text = traceback.format_exception_only(type(error), error)[-1].strip()
        told = f'{text} (line {lines[-1]})' if lines else text
        if not isinstance(error, ModuleNotFoundError): return told
        return told + '; there are only the standard library, sympy and mpmath'

    def clean(source):
        lines = source.strip('\n').rstrip().split('\n')
        if lines and lines[0].strip().startswith(chr(96) * 3): lines = lines[1:]
        if lines and lines[-1].strip() == chr(96) * 3: lines = lines[:-1]
        return textwrap.dedent('\n'.join(lines))

    # Above this many characters a source is not looked at.
    MAX_PLAIN = 4000
    # What a plain source raises for reasons of its own, which are the same in every process. Not how deep the stack is or
    # how much memory there is.
    ORDINARY = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, RuntimeError,
        SyntaxError, TypeError, ValueError)

    def ordinary(error):
        return isinstance(error, ORDINARY) and not isinstance(error, (NotImplementedError, RecursionError))

    def execute(tree, output):
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        namespace = {'__name__': '__main__', '__builtins__': builtins}
        exec(compile(tree, '<input>', 'exec'), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), '<input>', 'eval'), namespace)
            if value is not None:
                text = output.getvalue()
                if text and not text.endswith('\n'): output.write('\n')
                output.write(repr(value))

    # Returns what is to become of the process, and the result. 'k': it may be kept, 'u': it is used up; then '+' and the output
    # or '-' and the error. '?' and '!': the process has answered calls before ('used'), and this one is for a process that
    # has not; with '?' nothing of it has run, with '!' the process is used up.
    def run(source, limit, used):
        output, errors = Output(limit), Output(limit)
        sys.stdout, sys.stderr, sys.stdin = output, errors, None
        random.seed(0)
        ok, plain = True, False
        try:
            if used and len(source) > MAX_PLAIN: return '?'
            try:
                tree = ast.parse(clean(source), '<input>')
                plain = len(source) <= MAX_PLAIN and is_plain(tree)
            except SyntaxError:
                plain = len(source) <= MAX_PLAIN # Nothing of it has run.
                raise
            if used and not plain: return '!' if errors.size else '?'
            execute(tree, output)
            text = output.getvalue().rstrip() or 'no output (print the result)'
        except SystemExit as error:
            ok = error.code in (None, 0)
            text = output.getvalue().rstrip() or ('no output (print the result)' if ok else describe(error))
        except BaseException as error:
            ok, plain = False, plain and ordinary(error)
            text = describe(error)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        # A warning has been through the machinery of warnings; an address cannot be in the result of a plain source.
        plain = plain and errors.size == 0 and ' at 0x' not in text
        if used and not plain: return '!'
        return ('k' if plain else 'u') + ('+' if ok else '-') + text

    return run

_spark_run = _make_driver(_make_plain())
del _make_driver, _make_plain
${INTACT}`;
