/** Parts of a run that are the user's own: given by a program, or exported by the module that the configuration names. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Config } from '../config/index.js';
import type { Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import type { Generator } from '../inference/generator.js';
import type { Judge } from '../judge/judge.js';
import type { Verifier } from '../questions/verifier.js';
import type { Reward } from '../reward.js';
import type { Tools } from '../rollout/settings.js';
import type { Step } from '../trajectory/trajectory.js';

/** The user's own parts; an absent part is made from the configuration. */
export interface UserParts {
  /** Opens a generator of the base model, with an adapter (GGUF file) unless null. The run disposes of it. */
  readonly generator?: (adapterPath: string | null, signal: AbortSignal) => Promise<Generator>;
  /** Opens a model of `spark-rl/engine`. The run disposes of it. */
  readonly engine?: (signal: AbortSignal) => Promise<Model>;
  /** Its `id` is stored in every trajectory, so every judge needs an id of its own. */
  readonly judge?: Judge;
  /** A ToolRegistry, for example. Its owner disposes of it: the run where a function of the parts module made it, else you. */
  readonly tools?: Tools;
  /** The reward of a step, null when it cannot be computed. `rho` is the ρ of the stage. */
  readonly reward?: (step: Step, rho: number) => Reward | null;
  /** Grades the answers to questions that name the verifier `own`. Its `id` is a fact of what it graded. */
  readonly verifier?: Verifier;
}

const callable = z.custom<(...args: never[]) => unknown>((value) => typeof value === 'function', 'expected a function');
const userPartsSchema = z.strictObject({
  generator: callable.optional(),
  engine: callable.optional(),
  judge: z.looseObject({ id: z.string().min(1), judge: callable }).optional(),
  tools: z
    .custom((value) => hasMethods(value, ['actions', 'run']), 'expected an object with actions() and run()')
    .optional(),
  reward: callable.optional(),
  verifier: z.looseObject({ id: z.string().min(1), verify: callable }).optional(),
});

function hasMethods(value: unknown, names: readonly string[]): boolean {
  return (
    typeof value === 'object' && value !== null && names.every((name) => typeof Reflect.get(value, name) === 'function')
  );
}

/** Throws `invalid_argument` for a part of the wrong kind or an unknown one. */
export function checkParts(parts: unknown, source: string): UserParts {
  const checked = userPartsSchema.safeParse(parts);
  if (checked.success) return parts as UserParts;
  const problems = checked.error.issues.map((issue) => `${issue.path.join('.') || 'parts'}: ${issue.message}`);
  throw new SparkError(
    'invalid_argument',
    `${source}: expected some of generator, engine, judge, tools, reward, verifier; ${problems.join('; ')}`,
  );
}

export interface LoadedParts {
  readonly parts: UserParts;
  /** sha256 of the module's file; null without one. */
  readonly hash: string | null;
  /** Whether the tools were made for this run: by a function, and not once for every run of the process. */
  readonly ownsTools: boolean;
}

/**
 * Loads parts from the module that the configuration names; `hash` is the sha256 of its file. The module exports parts
 * by name, or as `default` an object of parts or a function from the configuration to such an object.
 */
export async function loadParts(config: Config): Promise<LoadedParts> {
  if (config.parts === null) return { parts: {}, hash: null, ownsTools: false };
  const file = path.resolve(config.parts);
  const hash = await fileSha256(file);
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new SparkError(
      'invalid_config',
      `parts: ${file} does not load: ${(error as Error).message}; correct the module or the path`,
      { cause: error },
    );
  }
  const { default: main, ...named } = exported;
  const made: unknown =
    typeof main === 'function' ? await (main as (config: Config) => unknown)(config) : (main ?? named);
  return { parts: checkParts(made, file), hash, ownsTools: typeof main === 'function' };
}
