/**
 * Verifiers: how it is decided whether an answer is right. They are named in a question's row or, for the questions of a
 * file without options, by `questions.verifier`. A question with options always has `letter`.
 */
import { z } from 'zod';

/** Names of verifiers. */
export const VERIFIERS = ['letter', 'exact', 'number', 'regex', 'own'] as const;

const tolerance = z.number().min(0);

/** Each verifier by its name, with its settings. */
const byName = z.discriminatedUnion('name', [
  /** The letter of one of the options. */
  z.strictObject({ name: z.literal('letter') }),
  /** The answer's own words, after the normalisation of exact.ts. */
  z.strictObject({ name: z.literal('exact'), ignoreCase: z.boolean().default(true) }),
  /** A number, right within the larger of two tolerances; the relative one is a share of the right answer. */
  z.strictObject({
    name: z.literal('number'),
    absolute: tolerance.default(0),
    relative: tolerance.default(1e-9),
    /** null: an answer with a unit is not read. `any`: whatever unit is left aside. Else the one unit that is left aside. */
    unit: z.string().trim().min(1).nullable().default(null),
  }),
  /** `answer` is a regular expression in RE2's syntax, which the whole answer has to match. */
  z.strictObject({ name: z.literal('regex'), ignoreCase: z.boolean().default(false) }),
  /** The user's own function (parts.verifier); `id`: only under this id. */
  z.strictObject({ name: z.literal('own'), id: z.string().min(1).optional() }),
]);

/** A verifier as rows and configurations name it: `number`, or `{ name: number, absolute: 0.1 }`. */
export const verifierSchema = z.preprocess((value) => (typeof value === 'string' ? { name: value } : value), byName);

/** A verifier with its settings, plain data. */
export type VerifierSettings = z.infer<typeof byName>;
