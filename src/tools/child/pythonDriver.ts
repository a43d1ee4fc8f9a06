/**
 * The Python code that runs one source: it collects stdout up to a limit and appends the repr of a last expression. It
 * cleans nothing up; what it says of a call decides whether the process may answer another. It imports modules that
 * models often use, so that they are in the snapshot.
 */
import { PYTHON_CORE } from './pythonCore.js';
import { INTACT } from './pythonIntact.js';
import { PLAIN } from './pythonPlain.js';

export const DRIVER = `${PLAIN}
def _make_driver(is_plain):
    import ast, asyncio, builtins, random, sys, textwrap, time, traceback
    import collections, datetime, decimal, fractions, functools, itertools, json, math, re, statistics, string

    libraries = 'there are only the standard library, sympy and mpmath'
${PYTHON_CORE}

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

    # Above this many characters a source is not looked at.
    MAX_PLAIN = 4000
    # What a plain source raises for reasons of its own, which are the same in every process. Not how deep the stack is or
    # how much memory there is.
    ORDINARY = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, RuntimeError,
        SyntaxError, TypeError, ValueError)

    def ordinary(error):
        return isinstance(error, ORDINARY) and not isinstance(error, (NotImplementedError, RecursionError))

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
