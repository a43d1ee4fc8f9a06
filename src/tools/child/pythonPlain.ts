/**
 * The Python code that decides, before anything runs, whether a source is *plain*: whether it can neither leave
 * something behind in the interpreter nor show where an object lies in memory, so that one process may answer many such
 * sources. A whitelist of what has been thought through; whatever is not on it gets a process of its own.
 *
 * What could depend on earlier calls, and why it cannot be seen here:
 * - changed objects: names go into the call's own namespace. No attribute is assigned, no name with an underscore is
 *   read but `_`, and no builtin is a value that could be called under another name without being harmless there.
 * - addresses: only the repr of iterators, functions and bound methods, and `id`, show them. Iterators (`zip`, views of
 *   dictionaries, generators) stand only where they are used up at once, methods are only called, `lambda` stands only
 *   as the function of `sorted`, `min`, `max`, `sort`, `map` and `filter`.
 * - the order of sets: the hash of NaN is its address. There are no sets.
 * - identity (`is`), which shows what is shared: only with None, True and False.
 * - modules: `math` alone, which holds no state. Attributes of values: methods by name, none that formats by attribute.
 * - recursion: no functions that could call themselves. Depth of data and memory are the driver's business.
 */
export const PLAIN = `
def _make_plain():
    import ast, builtins, math

    MAX_NODES, MAX_DEPTH = 2000, 100
    # Their results show an address when printed.
    ITERATORS = {'enumerate', 'filter', 'map', 'reversed', 'zip'}
    # They use up the iterator that is their first argument.
    CONSUMERS = {'all', 'any', 'dict', 'list', 'max', 'min', 'sorted', 'sum', 'tuple'}
    FUNCTIONS = CONSUMERS | {
        'abs', 'bin', 'bool', 'chr', 'complex', 'divmod', 'float', 'hex', 'int', 'isinstance', 'len', 'oct', 'ord', 'pow',
        'print', 'range', 'repr', 'round', 'str'}
    KINDS = {'bool', 'complex', 'dict', 'float', 'int', 'list', 'range', 'str', 'tuple'}
    MATH = {name for name in dir(math) if not name.startswith('_')}
    CONSTANTS = {'e', 'imag', 'inf', 'nan', 'pi', 'real', 'tau'}
    VIEWS = {'items', 'keys', 'values'}
    CONSUMING_METHODS = {'extend', 'fsum', 'join', 'prod', 'update'}
    METHODS = (MATH - CONSTANTS) | VIEWS | CONSUMING_METHODS | {
        'append', 'clear', 'copy', 'count', 'get', 'index', 'insert', 'pop', 'popitem', 'remove', 'reverse', 'setdefault', 'sort',
        'capitalize', 'casefold', 'center', 'endswith', 'find', 'isalnum', 'isalpha', 'isdecimal', 'isdigit', 'islower',
        'isnumeric', 'isspace', 'isupper', 'ljust', 'lower', 'lstrip', 'partition', 'removeprefix', 'removesuffix', 'replace',
        'rfind', 'rindex', 'rjust', 'rpartition', 'rsplit', 'rstrip', 'split', 'splitlines', 'startswith', 'strip', 'swapcase',
        'title', 'upper', 'zfill', 'as_integer_ratio', 'bit_count', 'bit_length', 'conjugate', 'is_integer'}
    NODES = {getattr(ast, name) for name in '''
        Module Expr Assign AugAssign For While If Pass Break Continue Assert Import ImportFrom alias
        BoolOp NamedExpr BinOp UnaryOp Lambda IfExp Dict ListComp DictComp GeneratorExp Compare Call FormattedValue JoinedStr
        Constant Attribute Subscript Starred Name List Tuple Slice comprehension arguments arg keyword
        Load Store And Or Add Sub Mult Div FloorDiv Mod Pow LShift RShift BitOr BitXor BitAnd Invert Not UAdd USub
        Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn'''.split()}
    VALUE, CONSUMED, FUNCTION, KIND, TARGET, STATEMENT = range(6)

    class Strange(Exception): pass

    def need(condition):
        if not condition: raise Strange

    # A name that may be bound. Binding a builtin hides it only where and when the binding runs, so no other builtins.
    def proper(name):
        return name == '_' or (not name.startswith('_') and '__' not in name
            and (name in FUNCTIONS or name in ITERATORS or not hasattr(builtins, name)))

    # All names that are bound somewhere; fails for nodes and names that are not on the list, and for trees that are large.
    def bound(tree):
        names, todo, count = set(), [(tree, 0)], 0
        while todo:
            node, depth = todo.pop()
            count += 1
            need(type(node) in NODES and count <= MAX_NODES and depth <= MAX_DEPTH)
            kind = type(node)
            if kind is ast.Name:
                need(proper(node.id))
                if type(node.ctx) is ast.Store: names.add(node.id)
            elif kind is ast.arg:
                need(proper(node.arg) and node.annotation is None)
                names.add(node.arg)
            elif kind is ast.alias:
                if node.name == '*': names |= MATH
                else:
                    need(proper(node.asname or node.name))
                    names.add(node.asname or node.name)
            todo.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
        need(not names & ITERATORS)
        return names

    class Check:
        def __init__(self, names):
            self.names = names
        def builtin(self, name):
            return name not in self.names and hasattr(builtins, name)

        # Each method checks a node where its use is the given one, and returns its children with theirs.
        def Module(self, node, use): return self.body(node.body)
        def Expr(self, node, use): return [(node.value, VALUE)]
        def Pass(self, node, use): return []
        Break = Continue = Pass
        def body(self, statements): return [(one, STATEMENT) for one in statements]
        def Assign(self, node, use):
            unpacks = all(type(target) in (ast.Tuple, ast.List) for target in node.targets)
            return [(node.value, CONSUMED if unpacks else VALUE), *((target, TARGET) for target in node.targets)]
        def AugAssign(self, node, use): return [(node.target, TARGET), (node.value, VALUE)]
        def For(self, node, use):
            return [(node.target, TARGET), (node.iter, CONSUMED), *self.body(node.body), *self.body(node.orelse)]
        def If(self, node, use): return [(node.test, VALUE), *self.body(node.body), *self.body(node.orelse)]
        While = If
        def Assert(self, node, use): return [(node.test, VALUE), *([(node.msg, VALUE)] if node.msg else [])]
        def Import(self, node, use):
            need(all(one.name == 'math' for one in node.names))
            return []
        def ImportFrom(self, node, use):
            need(node.module == 'math' and not node.level)
            return []

        def Constant(self, node, use):
            need(use != TARGET and type(node.value) in (int, float, complex, str, bool, type(None)))
            return []
        def Name(self, node, use):
            if use == KIND: need(node.id in KINDS and self.builtin(node.id))
            elif self.builtin(node.id): need(use == FUNCTION and node.id in FUNCTIONS)
            return []
        def Attribute(self, node, use):
            named = type(node.value) is ast.Name
            need(use in (VALUE, CONSUMED) and node.attr in CONSTANTS or use == FUNCTION and named and node.attr in MATH)
            return [(node.value, VALUE)]
        def Subscript(self, node, use): return [(node.value, VALUE), (node.slice, VALUE)]
        def Slice(self, node, use):
            return [(part, VALUE) for part in (node.lower, node.upper, node.step) if part is not None]
        def Starred(self, node, use): return [(node.value, TARGET if use == TARGET else CONSUMED)]
        def List(self, node, use):
            return [(one, use if use in (TARGET, KIND) else VALUE) for one in node.elts]
        Tuple = List
        def Dict(self, node, use):
            need(None not in node.keys)
            return [(one, VALUE) for one in node.keys + node.values]
        def BoolOp(self, node, use): return [(one, VALUE) for one in node.values]
        def BinOp(self, node, use): return [(node.left, VALUE), (node.right, VALUE)]
        def UnaryOp(self, node, use): return [(node.operand, VALUE)]
        def IfExp(self, node, use): return [(node.test, VALUE), (node.body, VALUE), (node.orelse, VALUE)]
        def NamedExpr(self, node, use): return [(node.target, TARGET), (node.value, VALUE)]
        def JoinedStr(self, node, use): return [(one, VALUE) for one in node.values]
        def FormattedValue(self, node, use):
            return [(node.value, VALUE), *([(node.format_spec, VALUE)] if node.format_spec else [])]
        def Compare(self, node, use):
            for op, right in zip(node.ops, node.comparators):
                if type(op) in (ast.Is, ast.IsNot):
                    need(type(right) is ast.Constant and right.value in (None, True, False) and type(right.value) in (bool, type(None)))
            seeks = len(node.ops) == 1 and type(node.ops[0]) in (ast.In, ast.NotIn)
            return [(node.left, VALUE), *((one, CONSUMED if seeks else VALUE) for one in node.comparators)]
        def ListComp(self, node, use): return [(node.elt, VALUE), *self.loops(node)]
        def DictComp(self, node, use): return [(node.key, VALUE), (node.value, VALUE), *self.loops(node)]
        def GeneratorExp(self, node, use):
            need(use == CONSUMED)
            return self.ListComp(node, use)
        def loops(self, node):
            need(not any(one.is_async for one in node.generators))
            for one in node.generators:
                yield from [(one.target, TARGET), (one.iter, CONSUMED), *((test, VALUE) for test in one.ifs)]
        def Lambda(self, node, use):
            a = node.args
            need(use == FUNCTION and not (a.posonlyargs or a.vararg or a.kwonlyargs or a.kwarg or a.defaults or a.kw_defaults))
            return [(node.body, VALUE)]

        def Call(self, node, use):
            called, args = node.func, node.args
            uses, receiver, sorts = [VALUE] * len(args), [], False
            if type(called) is ast.Attribute:
                name = called.attr
                need(name in METHODS and (name not in VIEWS or use == CONSUMED))
                receiver, sorts = [(called.value, VALUE)], name == 'sort'
                if name in CONSUMING_METHODS and args: uses[0] = CONSUMED
            else:
                need(type(called) is ast.Name)
                name = called.id
                if self.builtin(name): uses = self.uses(name, args, use)
                sorts = self.builtin(name) and name in ('sorted', 'min', 'max')
            for one in node.keywords: need(one.arg is not None and not one.arg.startswith('_') and one.arg != 'file')
            given = [(one.value, FUNCTION if sorts and one.arg == 'key' else VALUE) for one in node.keywords]
            return [*receiver, *zip(args, uses, strict=True), *given]
        # How a builtin uses its arguments.
        def uses(self, name, args, use):
            rest = [VALUE] * (len(args) - 1)
            if name in ITERATORS:
                need(use == CONSUMED and args)
                if name == 'zip': return [CONSUMED] * len(args)
                if name == 'enumerate': return [CONSUMED, *rest]
                if name == 'reversed': return [VALUE, *rest]
                need(type(args[0]) is not ast.Starred)
                return [FUNCTION, *[CONSUMED] * len(rest)]
            need(name in FUNCTIONS)
            if name == 'isinstance' and len(args) == 2: return [VALUE, KIND]
            takes = name in CONSUMERS and args and (name not in ('min', 'max') or len(args) == 1)
            return [CONSUMED, *rest] if takes else [VALUE] * len(args)

    def plain(tree):
        try:
            check = Check(bound(tree))
            todo = [(tree, STATEMENT)]
            while todo:
                node, use = todo.pop()
                todo.extend(getattr(check, type(node).__name__)(node, use))
            return True
        except Exception: # Strange, or a fault of this code: then it is not plain either.
            return False

    return plain
`;
