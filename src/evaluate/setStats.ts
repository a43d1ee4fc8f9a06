/**
 * What trajectories are like as a whole (`trajectories stats`): of a rollout set, of an evaluation, and of each of their
 * categories. Accuracy, entropy and shares are those of an evaluation (summary.ts), the noise is the audit's.
 */
import { scorePair } from '../reward.js';
import { SELECTION_RULES, type Step, type Trajectory, writtenTokens } from '../trajectory/trajectory.js';
import { type AuditSummary, AuditTally } from './audit.js';
import { answeredStep, Share, type StageEvaluation, SummaryTally } from './summary.js';

/** The numbers of a group of trajectories (docs/metrics.md, trajectories stats). Shares are null where nothing is known. */
export interface GroupStats extends Omit<StageEvaluation, 'questions' | 'perCategory' | 'perCategoryEntropy'> {
  readonly trajectories: number;
  readonly steps: number;
  /** steps / trajectories; 0 without trajectories, as the next two */
  readonly stepsPerTrajectory: number;
  readonly tokensPerTrajectory: number;
  /** Of them those that the model wrote */
  readonly writtenPerTrajectory: number;
  /** All tokens, and those that the model wrote */
  readonly tokens: number;
  readonly written: number;
  /** Mean score of the actions taken, in points of 0 to 10 */
  readonly chosenScore: number | null;
  /** Share of scores that the judge was asked for and did not give */
  readonly missingScoreShare: number | null;
  /** Share of steps without a verdict on coherence, of trajectories that a judge saw */
  readonly missingVerdictShare: number | null;
  /** Share of steps in which no action was viable, of those whose action a rule chose */
  readonly fallbackShare: number | null;
  /** Share of calls of tools that failed; `think` calls none */
  readonly toolErrorShare: number | null;
  /** Trajectories by how they ended */
  readonly ends: Readonly<Record<string, number>>;
}

export interface SetStats extends GroupStats {
  readonly perCategory: readonly (GroupStats & { readonly category: string })[];
  /** Null where no state was scored again */
  readonly audit: AuditSummary | null;
}

export interface SetTallyOptions {
  /** Every action there is to choose from; those that a judge scored count, too. */
  readonly actionNames: readonly string[];
  /** τ for trajectories that have none, as those of an evaluation; null: unknown. */
  readonly tau: number | null;
}

/** Adds trajectories up one by one; what it holds does not grow with their number. */
export class SetTally {
  readonly #tau: number | null;
  readonly #all = new Group();
  readonly #categories = new Map<string, Group>();
  readonly #names: Set<string>;
  #audit: AuditTally | null = null;

  constructor({ actionNames, tau }: SetTallyOptions) {
    this.#tau = tau;
    this.#names = new Set(actionNames);
  }

  add(trajectory: Trajectory): void {
    const { category, steps } = trajectory;
    const group = this.#categories.get(category) ?? new Group();
    this.#categories.set(category, group);
    for (const one of [this.#all, group]) one.add(trajectory, trajectory.tau ?? this.#tau);
    for (const { scores } of steps) for (const name of Object.keys(scores ?? {})) this.#names.add(name);
    this.#look(trajectory);
  }

  #look(trajectory: Trajectory): void {
    const rule = SELECTION_RULES.find((one) => one === trajectory.selection);
    if (rule === undefined || trajectory.tau === null) return;
    this.#audit ??= new AuditTally(rule, trajectory.tau);
    this.#audit.add(trajectory);
  }

  stats(): SetStats {
    const all = this.#all.stats([...this.#names]);
    const names = Object.keys(all.actions);
    const audit = this.#audit?.summary() ?? null;
    const byCategory = [...this.#categories].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      ...all,
      perCategory: byCategory.map(([category, group]) => ({ category, ...group.stats(names) })),
      audit: audit === null || audit.audited === 0 ? null : audit,
    };
  }
}

class Group {
  readonly #summary = new SummaryTally();
  readonly #ends = new Map<string, number>();
  readonly #missingScores = new Share();
  readonly #missingVerdicts = new Share();
  readonly #fallbacks = new Share();
  readonly #toolErrors = new Share();
  readonly #chosen = { count: 0, sum: 0 };
  #trajectories = 0;
  #steps = 0;
  #tokens = 0;
  #written = 0;

  add(trajectory: Trajectory, tau: number | null): void {
    const { category, correct, answer, steps, end, judge } = trajectory;
    this.#summary.add({ category, correct, answer, steps: steps.map((step) => answeredStep(step, tau)) });
    this.#trajectories += 1;
    this.#steps += steps.length;
    this.#tokens += trajectory.tokens.length;
    this.#written += writtenTokens(trajectory);
    this.#ends.set(end, (this.#ends.get(end) ?? 0) + 1);
    for (const step of steps) this.#step(step, judge !== null);
  }

  #step(step: Step, judged: boolean): void {
    const { scores, pair, processOk, choice, observation, toolError } = step;
    const { chosen } = scorePair(step);
    for (const score of Object.values(scores ?? pair ?? {})) this.#missingScores.add(score === null);
    if (judged) this.#missingVerdicts.add(processOk === null);
    if (choice !== 'policy') this.#fallbacks.add(choice === 'fallback');
    if (observation !== null) this.#toolErrors.add(toolError !== null);
    if (chosen === null) return;
    this.#chosen.count += 1;
    this.#chosen.sum += chosen;
  }

  stats(actionNames: readonly string[]): GroupStats {
    const {
      questions,
      perCategory: _accuracy,
      perCategoryEntropy: _entropy,
      ...summary
    } = this.#summary.summary(actionNames);
    const each = (count: number) => (questions === 0 ? 0 : count / questions);
    return {
      trajectories: this.#trajectories,
      ...summary,
      steps: this.#steps,
      stepsPerTrajectory: each(this.#steps),
      tokensPerTrajectory: each(this.#tokens),
      writtenPerTrajectory: each(this.#written),
      tokens: this.#tokens,
      written: this.#written,
      chosenScore: this.#chosen.count === 0 ? null : this.#chosen.sum / this.#chosen.count,
      missingScoreShare: this.#missingScores.share(),
      missingVerdictShare: this.#missingVerdicts.share(),
      fallbackShare: this.#fallbacks.share(),
      toolErrorShare: this.#toolErrors.share(),
      ends: Object.fromEntries(this.#ends),
    };
  }
}
