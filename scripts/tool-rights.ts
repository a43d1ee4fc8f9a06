/**
 * The questions of test/fixtures/tool-questions.json, and whether an observation shows what is right. What is right was
 * decided from the mathematics or the fact, before any tool was asked.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { BUILTIN_TOOLS } from '../src/tools/builtin.js';
import type { ToolName } from './tool-rules.js';

/** A pattern that does not compile would be found only when its question is asked. */
const pattern = z.string().refine((source) => {
  try {
    return new RegExp(source, 'is') !== undefined;
  } catch {
    return false;
  }
}, 'expected a regular expression');

const right = z.strictObject({
  /** Every group must be shown, by one of its members: a number (other units, exact or rounded), or a pattern. */
  shows: z.array(z.array(z.union([z.number(), pattern])).min(1)).min(1),
  /** How far a number may be off, relative to it. */
  tolerance: z.number().positive().max(0.01).default(0.001),
  /** What a right observation never holds, such as the integral that was to be solved. */
  without: pattern.optional(),
});
export type Right = z.infer<typeof right>;

const toolQuestions = z.strictObject({
  questions: z.array(z.strictObject({ id: z.number().int(), input: z.string().min(1), right })),
  passed: z.array(z.strictObject({ why: z.string().min(1), ids: z.array(z.number().int()).min(1) })),
});

const fixture = z.strictObject({
  seed: z.number().int(),
  tools: z.strictObject(Object.fromEntries(BUILTIN_TOOLS.map((tool) => [tool, toolQuestions]))),
});

export interface ToolFixture {
  readonly seed: number;
  readonly tools: Readonly<Record<ToolName, z.infer<typeof toolQuestions>>>;
}

/** The fixture, checked. Throws when it is not well-formed. */
export function readToolFixture(): ToolFixture {
  const file = new URL('../test/fixtures/tool-questions.json', import.meta.url);
  return fixture.parse(JSON.parse(readFileSync(file, 'utf8'))) as ToolFixture;
}

/** Whether the observation shows all of `right`. An echo of the input shows nothing, nor does what it was read as. */
export function showsRight(observation: string, input: string, { shows, tolerance, without }: Right): boolean {
  const said = observation.replaceAll(input, ' ').replace(/^read as .*$/gm, ' ');
  if (without !== undefined && new RegExp(without, 'is').test(said)) return false;
  const numbers = numbersIn(said);
  return shows.every((group) =>
    group.some((one) =>
      typeof one === 'string'
        ? new RegExp(one, 'is').test(said)
        : numbers.some((number) => Math.abs(number - one) <= (one === 0 ? 1e-9 : Math.abs(one) * tolerance)),
    ),
  );
}

const NUMBER = String.raw`\d+(?:\.\d+)?|\.\d+`;
const POWER = String.raw`(?:e|\s*(?:\*|×|x|·)\s*10\s*(?:\^|\*\*)\s*)\(?([-−+]?\d+)\)?`;
const FRACTION = String.raw`\s*/\s*\(?(${NUMBER})\)?`;
const EVERY_NUMBER = new RegExp(
  String.raw`(?<![\w.^])(?<!\^[-−(])\(?([-−]?\s?)\(?(${NUMBER})\)?(?:${POWER})?(?:${FRACTION})?`,
  'gi',
);

/** Every number of a text: `-3.5`, `1,234.50`, `2.4 × 10^-5`, `10^-6`; of `5/6` the fraction and both its numbers. */
export function numbersIn(text: string): number[] {
  const plain = text
    .replace(/(?<=\d),(?=\d{3}(?!\d))/g, '')
    .replace(/(?<![\w.]|[*×x·]\s?)10\s*(?:\^|\*\*)(?=\s*\(?[-−\d])/g, '1e');
  return [...plain.matchAll(EVERY_NUMBER)].flatMap(([, sign, digits, power, divisor]) => {
    const negative = sign?.trim() ? -1 : 1;
    const value = negative * Number(digits) * 10 ** Number((power ?? '0').replace('−', '-'));
    return divisor === undefined ? [value] : [value / Number(divisor), value, Number(divisor)];
  });
}
