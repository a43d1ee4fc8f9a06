/**
 * Runs several contenders on the same work, in turn (ours, eager, compiled, ours again, …), so that other load of the
 * machine affects all of them. Then checks by their losses that they did the same work.
 */
import type { Log } from '../../src/log.js';
import { Contender, type Measured } from './contender.js';

export interface Entrant {
  readonly name: string;
  readonly command: readonly string[];
  /** Its data differ from ours, and so do its losses. */
  readonly otherWork?: boolean;
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
  /** Why there are no numbers */
  readonly failed?: string;
}

/** One loss of one step that differs by more than the tolerance. */
export interface Disagreement {
  readonly name: string;
  readonly step: number;
  readonly loss: string;
  readonly ours: number;
  readonly theirs: number;
  readonly relative: number;
}

/** Only the first steps are compared, because differences in the last bits grow during training. */
const STEPS_COMPARED = 4;
/** Relative. bf16 has 8 bits, so the same sums in another order differ by this much. */
const TOLERANCE: Readonly<Record<string, number>> = { f32: 1e-3, bf16: 3e-2 };
/**
 * The difference of smaller losses is taken relative to this, as a mean of signed terms can be near zero by
 * cancellation.
 */
const SMALLEST = 0.1;

export async function compare(comparison: Comparison, log: Log): Promise<Outcome[]> {
  const failed = new Map<string, string>();
  const running: Contender[] = [];
  // One after another, because warming up, and above all compiling, needs the whole machine.
  for (const { name, command } of comparison.entrants) {
    log.progress(`${comparison.title}: ${name} warms up`);
    const contender = new Contender(name, command);
    running.push(contender);
    await attempt(contender, failed, () => contender.ready());
    // If ours, the first, fails, the others have no data to work on and nothing to be compared with.
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
    const entrant = comparison.entrants.find(({ name }) => name === contender.name)!;
    outcomes.push({ ...entrant, ...(measured === undefined ? { failed: failed.get(contender.name)! } : { measured }) });
  }
  return outcomes;
}

/** Calls `act` unless the contender has failed before; records a failure, so that the others can go on. */
async function attempt<T>(contender: Contender, failed: Map<string, string>, act: () => Promise<T>) {
  if (failed.has(contender.name)) return undefined;
  try {
    return await act();
  } catch (error) {
    failed.set(contender.name, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** The losses of the first steps that differ from those of ours, the first outcome. */
export function disagreements(outcomes: readonly Outcome[], dtype: string): Disagreement[] {
  const ours = outcomes[0]?.measured;
  if (ours === undefined) return [];
  const found: Disagreement[] = [];
  for (const { name, measured, otherWork } of outcomes.slice(1)) {
    if (otherWork === true) continue;
    for (let step = 0; step < Math.min(STEPS_COMPARED, measured?.losses.length ?? 0); step++) {
      for (const [loss, theirs] of Object.entries(measured!.losses[step]!)) {
        const own = ours.losses[step]?.[loss] ?? Number.NaN;
        const relative = Math.abs(own - theirs) / Math.max(SMALLEST, Math.abs(theirs));
        if (relative <= TOLERANCE[dtype]!) continue; // false for NaN
        found.push({ name, step, loss, ours: own, theirs, relative });
      }
    }
  }
  return found;
}
