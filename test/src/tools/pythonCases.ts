/** What the tool `python` answers, whatever it runs in: input and observation. */
export const PYTHON_ANSWERS: readonly (readonly [input: string, observation: string])[] = [
  ['37*24', '888'],
  ['print("a")\nprint(2)\n[1, 2]', 'a\n2\n[1, 2]'],
  ['```python\nfor i in range(3):\n    print(i)\n```', '0\n1\n2'],
  ['    x = "ä"\n    x * 2', "'ää'"],
  ['import statistics, fractions\nfractions.Fraction(1, 3) + statistics.mean([1, 3])', 'Fraction(7, 3)'],
  ['import asyncio\nasync def f():\n    await asyncio.sleep(0.001)\n    return 5\nasyncio.run(f())', '5'],
  ['x = 1', 'no output (print the result)'],
  ['exit()', 'no output (print the result)'],
];

/** What it refuses: input and message. */
export const PYTHON_REFUSALS: readonly (readonly [input: string, message: RegExp])[] = [
  ['1/0', /^ZeroDivisionError: division by zero \(line 1\)$/],
  ['x = 1\nx +', /^SyntaxError: invalid syntax \(line 2\)$/],
  ['undefined_name', /^NameError/],
];
