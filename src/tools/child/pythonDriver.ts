/**
 * The Python code that runs one source: it collects stdout up to a limit and appends the repr of a last expression. It
 * serves one call and cleans nothing up. It imports modules that models often use, so that they are in the snapshot.
 */
export const DRIVER = String.raw`
def _make_driver():
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
        return f'{text} (line {lines[-1]})' if lines else text

    def clean(source):
        lines = source.strip('\n').rstrip().split('\n')
        if lines and lines[0].strip().startswith(chr(96) * 3): lines = lines[1:]
        if lines and lines[-1].strip() == chr(96) * 3: lines = lines[:-1]
        return textwrap.dedent('\n'.join(lines))

    def execute(source, output):
        tree = ast.parse(clean(source), '<input>')
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        namespace = {'__name__': '__main__', '__builtins__': builtins}
        exec(compile(tree, '<input>', 'exec'), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), '<input>', 'eval'), namespace)
            if value is not None:
                text = output.getvalue()
                if text and not text.endswith('\n'): output.write('\n')
                output.write(repr(value))

    def run(source, limit):
        output = Output(limit)
        sys.stdout, sys.stderr, sys.stdin = output, Output(limit), None
        random.seed(0)
        ok = True
        try:
            execute(source, output)
            text = output.getvalue().rstrip() or 'no output (print the result)'
        except SystemExit as error:
            ok = error.code in (None, 0)
            text = output.getvalue().rstrip() or ('no output (print the result)' if ok else describe(error))
        except BaseException as error:
            ok = False
            text = describe(error)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        return ('+' if ok else '-') + text

    return run

_spark_run = _make_driver()
del _make_driver
`;
