/** What the steps of a rollout set are like: actions, fallbacks, and what the rarity audit found. */
import { type AuditSummary, AuditTally } from '../evaluate/audit.js';
import type { SelectionRule, Trajectory } from '../trajectory/trajectory.js';
import { percent } from '../units.js';

/** Counts the steps of a set, those of earlier commands included. */
export class StepTally {
  /** Steps by action */
  readonly actions: Record<string, number> = {};
  /** Steps in which no action was viable */
  fallbacks = 0;
  #steps = 0;

  readonly #audit: AuditTally;

  constructor({ selection, tau }: { readonly selection: SelectionRule; readonly tau: number }) {
    this.#audit = new AuditTally(selection, tau);
  }

  add(trajectory: Trajectory): void {
    this.#audit.add(trajectory);
    for (const { action, choice } of trajectory.steps) {
      this.actions[action] = (this.actions[action] ?? 0) + 1;
      this.#steps += 1;
      if (choice === 'fallback') this.fallbacks += 1;
    }
  }

  /** Null before the first step */
  fallbackRate(): number | null {
    return this.#steps === 0 ? null : this.fallbacks / this.#steps;
  }

  /** Null when no state was scored again */
  audit(): AuditSummary | null {
    const summary = this.#audit.summary();
    return summary.audited === 0 ? null : summary;
  }

  /** For the ends of lines; empty without fallbacks. */
  text(): string {
    return this.fallbacks === 0 ? '' : `, ${fallbackText(this.fallbacks, this.#steps)}`;
  }
}

export function fallbackText(fallbacks: number, steps: number): string {
  return `no action viable in ${fallbacks} of ${steps} steps`;
}

/** The audit in words. */
export function auditText({ states, audited, noise, changed, byNoise, luck }: AuditSummary): string {
  const share = (of: number | null) => percent(of ?? Number.NaN);
  const points = (of: number | null) => (of ?? Number.NaN).toFixed(2);
  return (
    `audit: ${audited} of ${states} states scored again, noise ${points(noise)} points; the means chose another action in ` +
    `${share(changed)}, noise alone decides the choice of one verdict in about ${share(byNoise)}, luck ${points(luck)} points`
  );
}

/** The audit as columns of metrics.jsonl; empty without one. */
export function auditRow(audit: AuditSummary | null): Record<string, number | null> {
  if (audit === null) return {};
  const { states, audited, noise, changed, byNoise, luck } = audit;
  return {
    audit_share: audited / states,
    audit_noise: noise,
    audit_changed: changed,
    audit_by_noise: byNoise,
    audit_luck: luck,
  };
}
