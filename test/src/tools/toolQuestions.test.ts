import { describe, expect, it } from 'vitest';
import { numbersIn, readToolFixture, showsRight } from '../../../scripts/tool-rights.js';
import { orderFor, type ToolName } from '../../../scripts/tool-rules.js';
import { loadQuestions } from '../../../src/questions/load.js';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { hasShared, REAL_QUESTIONS, shared } from '../shared.js';

const { seed, tools } = readToolFixture();
const TOOLS = BUILTIN_TOOLS as readonly ToolName[];

describe('the questions that measure the tools', () => {
  it.each(TOOLS)('%s: 24, none twice, none both chosen and passed over', (tool) => {
    const { questions, passed } = tools[tool];
    expect(questions).toHaveLength(24);
    const ids = [...questions.map(({ id }) => id), ...passed.flatMap(({ ids }) => ids)];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.runIf(hasShared)('are, with those passed over, the head of the order that rule and seed give', async () => {
    const real = await loadQuestions(shared(REAL_QUESTIONS));
    for (const tool of TOOLS) {
      const chosen = tools[tool].questions.map(({ id }) => id);
      const passed = tools[tool].passed.flatMap(({ ids }) => ids);
      const order = orderFor(tool, real, seed).map(({ question_id }) => question_id);
      const head = order.slice(0, chosen.length + passed.length);
      expect([...chosen, ...passed].sort(), tool).toEqual([...head].sort());
      expect(
        head.filter((id) => !passed.includes(id)),
        tool,
      ).toEqual(chosen);
      expect(head.at(-1), `${tool}: nothing after the last chosen is passed over`).toBe(chosen.at(-1));
    }
  });
});

describe('showsRight', () => {
  const right = (shows: (number | string)[][], without?: string) => ({
    shows,
    tolerance: 0.001,
    ...(without && { without }),
  });

  it.each([
    ['0.0818', 0.081755],
    ['1,234.50 dollars', 1234.5],
    ['x = -2.4 × 10^-5', -2.4e-5],
    ['1.8 x 10^(-3)', 1.8e-3],
    ['6.02e+23 / mol', 6.02e23],
    ['the mean is (-5)/6.', -5 / 6],
    ['[0.5, −3.25]', -3.25],
    ['[H+] = 10^-6 M', 1e-6],
  ])('reads %s', (text, number) => {
    expect(showsRight(text, 'none', right([[number]]))).toBe(true);
  });

  it('takes no other number, no missing group, and nothing that must not be there', () => {
    expect(showsRight('13615.55', 'none', right([[13652.72]]))).toBe(false);
    expect(showsRight('x = 3', 'none', right([[3], [-3]]))).toBe(false);
    expect(showsRight('x^2 and H2O', 'none', right([[2]]))).toBe(false);
    expect(showsRight('integrate(1/r) to log(b)', 'none', right([['log']], 'integr'))).toBe(false);
    expect(showsRight('ln(b)\nread as integrate(1/r, r)', 'none', right([['ln']], 'integr'))).toBe(true);
    expect(showsRight('no\nread as 6*7 = 42', 'none', right([[42]]))).toBe(false);
    expect(showsRight('180 or so', 'none', right([[18000, 180]]))).toBe(true);
  });

  it('does not take an echo of the input for an answer', () => {
    expect(showsRight('cannot read 6 * 7 = 42', '6 * 7 = 42', right([[42]]))).toBe(false);
    expect(numbersIn('')).toEqual([]);
  });
});
