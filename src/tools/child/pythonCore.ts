/**
 * The Python code that both engines of the tool `python` have in common, so that a source means the same in either: what of an
 * input is the source, how it is run, what is collected of its output, and how its errors are told. It stands inside a
 * function that has imported ast, builtins, textwrap and traceback, and said in `libraries` what can be imported.
 */
export const PYTHON_CORE = String.raw`
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

    def describe(error):
        if isinstance(error, SyntaxError):
            return f'SyntaxError: {error.msg} (line {error.lineno})'
        if isinstance(error, SystemExit):
            return f'SystemExit: {error.code}'
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == '<input>']
        # What follows the first are notes, which say less.
        text = traceback.format_exception_only(type(error), error)[0].strip()
        told = f'{text} (line {lines[-1]})' if lines else text
        if not isinstance(error, ModuleNotFoundError): return told
        return f'{told}; {libraries}'

    def clean(source):
        lines = source.strip('\n').rstrip().split('\n')
        if lines and lines[0].strip().startswith(chr(96) * 3): lines = lines[1:]
        if lines and lines[-1].strip() == chr(96) * 3: lines = lines[:-1]
        return textwrap.dedent('\n'.join(lines))

    def execute(tree, output):
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        namespace = {'__name__': '__main__', '__builtins__': builtins}
        exec(compile(tree, '<input>', 'exec'), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), '<input>', 'eval'), namespace)
            if value is not None:
                text = output.getvalue()
                if text and not text.endswith('\n'): output.write('\n')
                output.write(repr(value))`;
