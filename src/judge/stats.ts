/** Counts what the judge did, for metrics, the report, and warnings when too much is missing. */
import { SparkError } from '../errors.js';
import type { JudgeVerdict } from './judge.js';
import type { TokenUsage } from './prices.js';

interface Tally {
  asked: number;
  missing: number;
}

/** Share of missing scores or verdicts above which there is a warning. */
const MISSING_WARNING = 0.1;
/** Fewer scores or verdicts than this give no warning. */
const ENOUGH = 20;

export class JudgeStats {
  /** Verdicts the server was asked for, failed calls included. */
  calls = 0;
  cacheHits = 0;
  /** HTTP requests beyond the first of a call: the client's retries and the fall-backs to simpler formats. */
  retries = 0;
  /** Keys in replies that name no action. */
  unknownKeys = 0;
  inputTokens = 0;
  outputTokens = 0;
  /** Null: no price is known. */
  costUsd: number | null = 0;
  readonly failures = new Map<string, number>();
  readonly #scores = new Map<string, Tally>();
  readonly #process: Tally = { asked: 0, missing: 0 };
  /** Verdicts with two scores or more, and those of them in which all are the same. */
  readonly #told = { verdicts: 0, constant: 0 };

  usage(usage: TokenUsage): void {
    this.inputTokens += usage.inputTokens;
    this.outputTokens += usage.outputTokens;
  }

  /** Counts one verdict of the cache, as `verdict` does. */
  hit(verdict: JudgeVerdict, stepJudged: boolean): void {
    this.cacheHits++;
    this.verdict(verdict, stepJudged);
  }

  /** Counts one verdict, from the server or the cache. `stepJudged`: it should have a process_ok. */
  verdict(verdict: JudgeVerdict, stepJudged: boolean): void {
    for (const [action, score] of Object.entries(verdict.scores)) {
      const tally = this.#scores.get(action) ?? { asked: 0, missing: 0 };
      tally.asked++;
      if (score === null) tally.missing++;
      this.#scores.set(action, tally);
    }
    const given = Object.values(verdict.scores).filter((score) => score !== null);
    if (given.length > 1) {
      this.#told.verdicts++;
      if (given.every((score) => score === given[0])) this.#told.constant++;
    }
    if (!stepJudged) return;
    this.#process.asked++;
    if (verdict.processOk === null) this.#process.missing++;
  }

  failure(error: unknown): void {
    const code = error instanceof SparkError ? error.code : 'internal';
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  /** Share of scores that are missing, of one action or of all; null before the first verdict. */
  missingRate(action?: string): number | null {
    const tallies =
      action === undefined ? [...this.#scores.values()] : [this.#scores.get(action) ?? { asked: 0, missing: 0 }];
    const asked = tallies.reduce((sum, tally) => sum + tally.asked, 0);
    const missing = tallies.reduce((sum, tally) => sum + tally.missing, 0);
    return asked === 0 ? null : missing / asked;
  }

  /** Share of verdicts that gave all actions the same score; null before the first one. */
  constantRate(): number | null {
    const { verdicts, constant } = this.#told;
    return verdicts === 0 ? null : constant / verdicts;
  }

  /** What was asked, what the cache knew, and what that took, in words; null when nothing was judged. */
  used(): string | null {
    if (this.calls + this.cacheHits === 0) return null;
    const tokens = this.inputTokens + this.outputTokens;
    const cost = this.costUsd === null ? 'at a price that is not known' : `$${this.costUsd.toFixed(4)}`;
    return `${this.calls} verdicts asked for (${tokens} tokens, ${cost}), ${this.cacheHits} from the cache`;
  }

  /** The counters as one flat row for metrics.jsonl. */
  snapshot(): Record<string, number | null> {
    const row: Record<string, number | null> = {
      judge_calls: this.calls,
      judge_cache_hits: this.cacheHits,
      judge_retries: this.retries,
      judge_unknown_keys: this.unknownKeys,
      judge_input_tokens: this.inputTokens,
      judge_output_tokens: this.outputTokens,
      judge_cost_usd: this.costUsd,
      judge_missing_rate: this.missingRate(),
      judge_constant_rate: this.constantRate(),
      judge_process_missing_rate: this.#process.asked === 0 ? null : this.#process.missing / this.#process.asked,
    };
    for (const action of this.#scores.keys()) row[`judge_missing_rate_${action}`] = this.missingRate(action);
    for (const [code, count] of this.failures) row[`judge_failures_${code}`] = count;
    return row;
  }

  /** One sentence for each thing that a person should look at. */
  warnings(): string[] {
    const out: string[] = [];
    for (const [action, { asked, missing }] of this.#scores) {
      if (asked < ENOUGH || missing / asked <= MISSING_WARNING) continue;
      out.push(
        `the judge gave no score for ${action} in ${missing} of ${asked} verdicts; such a step cannot choose it`,
      );
    }
    const { asked, missing } = this.#process;
    if (asked >= ENOUGH && missing / asked > MISSING_WARNING) {
      out.push(`the judge did not say whether the step was coherent in ${missing} of ${asked} verdicts`);
    }
    const { verdicts, constant } = this.#told;
    if (verdicts >= ENOUGH && constant / verdicts > MISSING_WARNING) {
      out.push(`the judge gave all actions the same score in ${constant} of ${verdicts} verdicts`);
    }
    const failed = [...this.failures.values()].reduce((sum, count) => sum + count, 0);
    if (this.calls >= ENOUGH && failed / this.calls > MISSING_WARNING) {
      const codes = [...this.failures].map(([code, count]) => `${code} ${count}`).join(', ');
      out.push(`${failed} of ${this.calls} judge calls gave no verdict (${codes})`);
    }
    return out;
  }
}
