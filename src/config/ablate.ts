/** The `ablate` section of the configuration: what each ablation goes through (docs/experiments.md). */
import { z } from 'zod';
import { judgeSettings } from '../judge/settings.js';
import { SELECTION_RULES } from '../trajectory/trajectory.js';

const fraction = z.number().min(0).max(1);

/** At least two values, each once. */
const values = (value: z.ZodNumber) =>
  z
    .array(value)
    .min(2, 'expected two values or more')
    .refine((all) => new Set(all).size === all.length, 'expected every value once');

/** Names become parts of file names. */
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, 'expected letters, digits, dots, dashes');

/** A training of `ablate signal`: which rollouts and ρ, and settings of `ppo` that are its own. */
const signalCell = z.strictObject({
  /** Of the stage, in files and tables. */
  name,
  selection: z.enum(SELECTION_RULES).default('min-score'),
  /** Null: reward.rho */
  rho: fraction.nullable().default(null),
  settings: z.record(z.string(), z.unknown()).default({}),
  /** The rows it is compared with. */
  against: z.array(name).default(['sft']),
});

/** A judge of `ablate judge`: settings as in `judge`, or a module that exports one. */
const otherJudge = z.union([
  z.strictObject({ name, parts: z.string().min(1) }),
  z.strictObject({ name, ...judgeSettings.shape }),
]);

/** Lists and not objects by name: a list in a file or flag replaces the whole list before. */
const named = <T extends z.ZodType<{ readonly name: string }>>(entry: T) =>
  z.array(entry).refine((all) => new Set(all.map((one) => one.name)).size === all.length, 'expected every name once');

const PAPER = { actionLoss: 'clip', actionTemperature: null, baseline: 'value', entropyBonus: 0 };
/** With the λ of the configuration. */
const JUDGED = { actionLoss: 'judged', baseline: 'value', entropyBonus: 0 };
const WITHOUT_RARITY = { selection: 'max-score', rho: 0 } as const;

/** What teaches the choice of an action: each loss without a reward for rarity and with it. */
const SIGNAL: readonly z.input<typeof signalCell>[] = [
  { name: 'ppo-clip', ...WITHOUT_RARITY, settings: PAPER },
  { name: 'ppo-judged', ...WITHOUT_RARITY, settings: JUDGED },
  { name: 'ppo-bonus', ...WITHOUT_RARITY, settings: { ...PAPER, entropyBonus: 0.3 } },
  { name: 'spark-clip', settings: PAPER, against: ['sft', 'ppo-clip'] },
  { name: 'spark-baseline', settings: { ...PAPER, baseline: 'judged' }, against: ['sft', 'ppo-clip'] },
  { name: 'spark-judged', settings: JUDGED, against: ['sft', 'ppo-clip', 'ppo-judged'] },
];

export const ablateSettings = z.strictObject({
  /** τ of `ablate tau` **P** */
  tau: values(z.number().min(0).max(10)).default([5, 6, 7]),
  /** ρ of `ablate rho` */
  rho: values(fraction).default([0, 0.25, 0.5, 0.75, 0.9]),
  /** The categories of one part of `ablate heldout`, the others are the second; empty: every other category. */
  heldout: z.array(z.string()).default([]),
  /** The judges of `ablate judge`, beside the run's own. */
  judges: named(otherJudge).default([]),
  /** How many rollouts of each run they judge; 0: all. */
  judgeRollouts: z.number().int().min(0).default(50),
  /** Iterations of `ablate online`, each from rollouts of its own; null: ppo.iterations. */
  onlineIterations: z.number().int().min(2).nullable().default(null),
  /** The trainings of `ablate signal`, which all start where `ppo.init` says. */
  signal: named(signalCell)
    .min(1, 'expected a training or more')
    .default(() => SIGNAL.map((cell) => signalCell.parse(cell))),
});

export type OtherJudge = z.infer<typeof otherJudge>;
export type AblateSettings = z.infer<typeof ablateSettings>;
