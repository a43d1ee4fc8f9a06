/** Runs the ideal inputs of questions through the real tools, which must show the answers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mentions } from '../../../src/judge/oracle.js';
import { type MiniTool, makeMini, miniRules } from '../../../src/questions/mini.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../../src/tools/registry.js';
import { full } from '../full.js';

const CONTEXT = { timeoutMs: 30_000, maxObservationChars: 400 };
let registry: ToolRegistry;
beforeAll(async () => {
  registry = createBuiltinRegistry();
  await registry.warm();
});
afterAll(() => registry.dispose());

describe('ideal inputs', () => {
  it('give the correct option, for every template and tool', async () => {
    const all = makeMini({ seed: 11, perCategory: 60, split: 'train' });
    const families = new Map<string, typeof all>();
    for (const q of all) {
      const family = `${q.src.split(':')[0]} ${q.category}`;
      families.set(family, [...(families.get(family) ?? []), q]);
    }
    const sample = [...families.values()].flatMap((list) => list.slice(0, full ? 3 : 1));
    expect(families.size).toBeGreaterThanOrEqual(35);
    const tried = new Set<string>();
    const calls = sample.flatMap((question, index) => {
      const rules = miniRules(question)!;
      const inputs = Object.entries(rules.inputs).map(([tool, input]) => ({ question, rules, tool, input }));
      // Python takes a process a call: here every third template's, all of them in the nightly run.
      return inputs.filter(({ tool }) => full || tool !== 'python' || index % 3 === 0);
    });
    // All at once, because every child has a queue.
    await Promise.all(
      calls.map(async ({ question, rules, tool, input }) => {
        tried.add(tool);
        const result = await registry.run(tool as MiniTool, input, CONTEXT);
        expect(result.ok, `${question.src} ${tool} ${input}: ${result.observation}`).toBe(true);
        // A search may cut the passage before the fact; the encyclopedia never cuts the article so short.
        if (tool === 'search') expect(result.observation).toContain(rules.subjects[0]);
        else expect(mentions(result.observation, rules.answer), `${tool} ${input}: ${result.observation}`).toBe(true);
      }),
    );
    expect([...tried, 'think'].sort()).toEqual(Object.keys(miniRules(sample[0]!)!.scores).sort());
  });
});
