/**
 * Several contenders at the same work, in turn: ours, eager, compiled, ours again, … so that whatever else the machine
 * does falls on all of them. Then: did they do the same work, and how do they stand to each other?
 */
import type { Log } from '../../src/log.js';
import { Contender, type Measured } from './contender.js';

export interface Entrant {
  readonly name: string;
  readonly command: readonly string[];
}

export interface Comparison {
  readonly title: string;
  readonly mode: 'sft' | 'ppo';
  readonly shape: string;
  readonly dtype: string;
  /** Ours first */
  readonly entrants: readonly Entrant[];
  readonly rounds: number;
  readonly perTurn: number;
}

export interface Outcome extends Entrant {
  readonly measured?: Measured;
  /** Why it has no numbers */
  readonly failed?: string;
}

/** One loss of one step that differs by more than it may. */
export interface Disagreement {
  readonly name: string;
  readonly step: number;
  readonly loss: string;
  readonly ours: number;
  readonly theirs: number;
  readonly relative: number;
}

/** The machine's arithmetic differs in its last bits, and training makes that grow: the first steps are compared. */
const STEPS_COMPARED = 4;
/** bf16 has 8 bits: two sound orders of the same sums differ by this much. */
const TOLERANCE: Readonly<Record<string, number>> = { f32: 1e-3, bf16: 3e-2 };
/** Losses below this are compared as if they were this large: a mean of signed terms may be near zero by cancellation. */
const SMALLEST = 0.1;

export async function compare(comparison: Comparison, log: Log): Promise<Outcome[]> {
  const failed = new Map<string, string>();
  const running: Contender[] = [];
  // One after the other: a warm-up, compilation above all, wants the machine for itself.
  for (const { name, command } of comparison.entrants) {
    log.progress(`${comparison.title}: ${name} warms up`);
    const contender = new Contender(name, command);
    running.push(contender);
    await attempt(contender, failed, () => contender.ready());
    // Without ours, the first, there is no work to give the others and nothing to compare them with.
    if (failed.has(comparison.entrants[0]!.name)) break;
  }
  for (let round = 0; round < comparison.rounds; round++) {
    for (const contender of running) {
      log.progress(`${comparison.title}: round ${round + 1} of ${comparison.rounds}, ${contender.name}`);
      await attempt(contender, failed, () => contender.run(comparison.perTurn));
    }
  }
  const outcomes: Outcome[] = [];
  for (const contender of running) {
    const measured = await attempt(contender, failed, () => contender.end());
    contender.stop();
    const { name, command } = contender;
    outcomes.push(measured === undefined ? { name, command, failed: failed.get(name)! } : { name, command, measured });
  }
  return outcomes;
}

/** A contender that failed sits out the rest; the others go on. */
async function attempt<T>(contender: Contender, failed: Map<string, string>, act: () => Promise<T>) {
  if (failed.has(contender.name)) return undefined;
  try {
    return await act();
  } catch (error) {
    failed.set(contender.name, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Losses of the first steps against ours, `ours` being the first outcome. */
export function disagreements(outcomes: readonly Outcome[], dtype: string): Disagreement[] {
  const ours = outcomes[0]?.measured;
  if (ours === undefined) return [];
  const found: Disagreement[] = [];
  for (const { name, measured } of outcomes.slice(1)) {
    for (let step = 0; step < Math.min(STEPS_COMPARED, measured?.losses.length ?? 0); step++) {
      for (const [loss, theirs] of Object.entries(measured!.losses[step]!)) {
        const own = ours.losses[step]?.[loss] ?? Number.NaN;
        const relative = Math.abs(own - theirs) / Math.max(SMALLEST, Math.abs(theirs));
        if (relative <= TOLERANCE[dtype]!) continue; // NaN is not
        found.push({ name, step, loss, ours: own, theirs, relative });
      }
    }
  }
  return found;
}
