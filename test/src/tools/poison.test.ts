/**
 * The result of a call never depends on earlier calls. Each tool answers its fixtures in fresh processes; then one
 * registry gets every poison, and after each the fixtures must give the same answers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../../src/tools/registry.js';
import { FIXTURES, LAST, POISONS } from './poisons.js';

const context = { timeoutMs: 30_000, maxObservationChars: 2000 };
type Answers = Record<string, readonly string[]>;

/** A tool without fixtures fails in a test of its own, which says what to do, and not in all of them. */
const TOOLS = BUILTIN_TOOLS.filter((tool) => FIXTURES[tool] !== undefined);

it.each(BUILTIN_TOOLS)('%s has fixtures and poisons', (tool) => {
  const add = (list: string, what: string) => `${tool}: add ${what} to ${list} in test/src/tools/poisons.ts`;
  expect(FIXTURES[tool]?.length ?? 0, add('FIXTURES', 'inputs whose answers would show a change')).toBeGreaterThan(0);
  const poisons = POISONS.filter((poison) => poison.tool === tool);
  expect(poisons.length, add('POISONS', 'inputs that try to change its child')).toBeGreaterThan(0);
});

async function answer(registry: ToolRegistry, tool: string, inputs = FIXTURES[tool]!): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const input of inputs) {
    const { ok, observation } = await registry.run(tool, input, context);
    texts.push(`${ok} ${observation}`);
  }
  return texts;
}

async function answers(registry: ToolRegistry): Promise<Answers> {
  const lists = await Promise.all(TOOLS.map((tool) => answer(registry, tool)));
  return Object.fromEntries(TOOLS.map((tool, index) => [tool, lists[index]!]));
}

/**
 * What is asked after a poison. Only at the end and after poisons of their kind: fixtures that draw random numbers, which need a
 * new image themselves, and those of SymPy, whose process takes seconds to start. Only at the end: Python's last two.
 */
const asked = (tool: string, poison: string): readonly string[] => {
  const all = FIXTURES[tool]!;
  return all
    .slice(0, all.includes(LAST) ? all.indexOf(LAST) : all.length)
    .filter((fixture) => /random/.test(poison) || !/^random/.test(fixture))
    .filter((fixture) => /sympy/.test(poison) || !/import .*sympy/.test(fixture));
};

describe('after a poison', { timeout: 240_000 }, () => {
  const registry = createBuiltinRegistry();
  let fresh: Answers;
  const poisoned = new Map<string, readonly string[]>();

  /** One poison after another for each kind of tool, but the kinds at the same time, as each has its own process. */
  const giveAll = async (tool: string): Promise<void> => {
    for (const { input } of POISONS.filter((poison) => poison.tool === tool)) {
      await registry.run(tool, input, { ...context, timeoutMs: /while True|zeros/.test(input) ? 500 : 10_000 });
      poisoned.set(`${tool} ${input}`, await answer(registry, tool, asked(tool, input)));
    }
  };

  beforeAll(async () => {
    const first = createBuiltinRegistry();
    fresh = await answers(first);
    await first.dispose();
    await Promise.all(TOOLS.map(giveAll));
  }, 240_000);
  afterAll(() => registry.dispose());

  it('the fixtures are answered at all, by every tool', () => {
    expect(Object.keys(fresh)).toEqual(TOOLS);
    for (const [tool, texts] of Object.entries(fresh)) {
      expect(texts.length, tool).toBe(FIXTURES[tool]!.length);
      expect(texts.filter((text) => text.startsWith('true ')).length, tool).toBeGreaterThanOrEqual(1);
      expect(texts.join('\n'), tool).not.toMatch(/stopped|timed out|POISON/);
    }
  });

  it.each(POISONS.map(({ tool, input }) => [tool, input.slice(0, 60), input] as const))('%s: %s', (tool, _, input) => {
    const want = asked(tool, input).map((fixture) => fresh[tool]![FIXTURES[tool]!.indexOf(fixture)]);
    expect(poisoned.get(`${tool} ${input}`)).toEqual(want);
  });

  it('and all tools answer as in a fresh process when all of it is over', async () => {
    expect(await answers(registry)).toEqual(fresh);
  });
});
