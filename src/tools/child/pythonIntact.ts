/**
 * The Python code that asks, after a plain source was run, whether the interpreter still is what it was when its process
 * was started: no plain source should be able to change it, and this is how we would notice.
 */

/** Run before the snapshot is made: errors load modules for their suggestions. */
const WARM_UP = ['foo(3)', '(1', '[].appendd(1)', 'import math; math.pii', "{}['a']", "int('x')"];

/** Sources whose results would show a change of numbers, texts and functions, and of how errors are told. */
const CONTROLS = [
  `import math
s, d = 'Straße, two', {}
for k in 'bca': d[k] = len(d)
[[*range(-5, 257)], 7 * 1, 0.1 + 0.2, 2 ** 100, -7 // 2, 1j * 1j, math.pi, math.sqrt(2), round(2.675, 2), divmod(7, 2),
 f'{s!r:>20} {1234.5:,.2f}', s.upper(), s.split(', '), sorted(d.items()), max(d, key=lambda k: d[k]), sum(d.values()), str(1e16)]`,
  '1/0',
];

/**
 * `_spark_intact()`: the first call remembers; every further one compares. Every name of every module, by identity; the
 * settings that are not names; and the results of CONTROLS.
 */
export const INTACT = `
def _make_intact(run):
    import builtins, decimal, gc, linecache, operator, os, sys, types, warnings
    CONTROLS = ${JSON.stringify(CONTROLS)}
    for source in ${JSON.stringify(WARM_UP)}: run(source, 2000, False)

    def settings():
        return (sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.gettrace(), sys.getprofile(), sys.path[:],
            gc.isenabled(), gc.get_threshold(), len(gc.garbage), os.getcwd(), dict(os.environ), warnings.filters[:],
            len(linecache.cache), repr(decimal.getcontext()))
    def modules():
        return {key: (module, dict(vars(module))) for key, module in sys.modules.items() if type(module) is types.ModuleType}
    def answers():
        return [run(source, 2000, True) for source in CONTROLS]

    # Asked before the snapshot is made: once for all processes.
    as_new = answers()
    kept = None
    def intact():
        nonlocal kept
        if kept is None:
            kept = (len(sys.modules), modules(), settings())
            return True
        count, known, were = kept
        if len(sys.modules) != count or settings() != were: return False
        for key, (module, names) in known.items():
            now = vars(module)
            if sys.modules.get(key) is not module or len(now) != len(names): return False
            if not (all(map(operator.is_, now, names)) and all(map(operator.is_, now.values(), names.values()))): return False
        return answers() == as_new
    return intact

_spark_intact = _make_intact(_spark_run)
del _make_intact
`;
