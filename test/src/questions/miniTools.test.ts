/** Runs the ideal inputs of questions through the real tools, which must show the answers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mentions } from '../../../src/judge/oracle.js';
import { chemistryTemplates } from '../../../src/questions/mini/chemistry.js';
import { factTemplates } from '../../../src/questions/mini/facts.js';
import { randomOf } from '../../../src/questions/mini/random.js';
import type { MiniProblem, MiniTemplate } from '../../../src/questions/mini/template.js';
import { type MiniTool, makeMini, miniRules } from '../../../src/questions/mini.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../../src/tools/registry.js';
import { full } from '../full.js';

/** Observations as short as configs/quickstart.yaml makes them. */
const CONTEXT = { timeoutMs: 30_000, maxObservationChars: 280 };
/** All problems of a template that picks from a list: one is drawn often enough to be missed once in 10^8 times. */
function everyProblem(template: MiniTemplate): MiniProblem[] {
  const random = randomOf(`every ${template.name} ${template.category}`);
  const drawn = Array.from({ length: 1000 }, () => template.draw(random));
  return [...new Map(drawn.map((args) => [args.join(), args])).values()].map((args) => template.build(args));
}

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
    const calls = sample.flatMap((question) => {
      const rules = miniRules(question)!;
      return Object.entries(rules.inputs).map(([tool, input]) => ({ question, rules, tool, input }));
    });
    // All at once, because every child has a queue.
    await Promise.all(
      calls.map(async ({ question, rules, tool, input }) => {
        tried.add(tool);
        const result = await registry.run(tool as MiniTool, input, CONTEXT);
        expect(result.ok, `${question.src} ${tool} ${input}: ${result.observation}`).toBe(true);
        expect(mentions(result.observation, rules.answer), `${tool} ${input}: ${result.observation}`).toBe(true);
      }),
    );
    expect([...tried, 'think'].sort()).toEqual(Object.keys(miniRules(sample[0]!)!.scores).sort());
  });

  it('give it for the rarest viable tool of every question of a set', async () => {
    const questions = makeMini({ seed: 12, perCategory: 20, split: 'test' });
    const rules = questions.map((question) => miniRules(question)!);
    expect(new Set(rules.map(({ hint }) => hint)).size).toBe(8);
    await Promise.all(
      rules.map(async ({ hint, inputs, answer }) => {
        const { observation } = await registry.run(hint, inputs[hint]!, CONTEXT);
        expect(mentions(observation, answer), `${hint} ${inputs[hint]}: ${observation}`).toBe(true);
      }),
    );
  });

  it('give it for every formula and fact there is', async () => {
    const templates = [...chemistryTemplates, ...factTemplates()];
    const problems = templates.flatMap((template) => everyProblem(template));
    expect(problems.length).toBeGreaterThan(400);
    await Promise.all(
      problems.flatMap(({ inputs, answer }) =>
        Object.entries(inputs).map(async ([tool, input]) => {
          const { observation } = await registry.run(tool as MiniTool, input, CONTEXT);
          expect(mentions(observation, answer), `${tool} ${input}: ${observation}`).toBe(true);
        }),
      ),
    );
  });
});
