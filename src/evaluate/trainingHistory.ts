/**
 * What the rows of one training have told so far, in the form in which the signs ask for it. Rows come one by one, while the
 * training runs or out of its file, so nothing that is asked after each of them may cost a pass over all.
 */

/** One row of metrics.jsonl, where a number that is not finite is the word `NaN` or `Infinity`. */
export type TrainingRow = Readonly<Record<string, number | string>>;

export class TrainingHistory {
  readonly #columns = new Map<string, number[]>();
  readonly #events = new Map<string, { readonly first: TrainingRow; latest: TrainingRow }>();
  #row: TrainingRow = {};
  #step = 0;
  #epoch: TrainingRow[] = [];
  #epochName = '';
  #epochs = 0;
  #firstPass: readonly TrainingRow[] = [];

  add(row: TrainingRow): void {
    this.#row = row;
    if (row.event !== undefined) this.#addEvent(String(row.event), row);
    else this.#addStep(row);
  }

  /** The row that came last. */
  get row(): TrainingRow {
    return this.#row;
  }

  /** Optimizer steps that are done. */
  get step(): number {
    return this.#step;
  }

  /** The steps of the epoch that the last step belongs to, so far, and its name. */
  get epoch(): readonly TrainingRow[] {
    return this.#epoch;
  }

  get epochName(): string {
    return this.#epochName;
  }

  /** Epochs begun. */
  get epochs(): number {
    return this.#epochs;
  }

  /** The steps of the first epoch that went over all data: another epoch of so many steps has seen the same. Empty without. */
  get firstPass(): readonly TrainingRow[] {
    return this.#firstPass;
  }

  /** The finite numbers of the optimizer steps' column, in order. */
  column(name: string): readonly number[] {
    return this.#columns.get(name) ?? [];
  }

  /** The first row of an event, and the latest; null without any. */
  event(name: string): { readonly first: TrainingRow; readonly latest: TrainingRow } | null {
    return this.#events.get(name) ?? null;
  }

  #addEvent(name: string, row: TrainingRow): void {
    const known = this.#events.get(name);
    if (known === undefined) this.#events.set(name, { first: row, latest: row });
    else known.latest = row;
  }

  #beginEpoch(name: string): void {
    const cut = this.event('target_kl')?.latest.afterStep === this.#epoch.at(-1)?.step;
    // The first of all has none before it.
    if (this.#epochs > 0 && this.#firstPass.length === 0 && !cut) this.#firstPass = this.#epoch;
    this.#epoch = [];
    this.#epochName = name;
    this.#epochs += 1;
  }

  #addStep(row: TrainingRow): void {
    if (typeof row.step === 'number') this.#step = row.step;
    const name = `iteration ${row.iteration ?? 0}, epoch ${row.epoch ?? 0}`;
    if (name !== this.#epochName) this.#beginEpoch(name);
    this.#epoch.push(row);
    for (const [column, value] of Object.entries(row)) {
      if (typeof value !== 'number' || !Number.isFinite(value)) continue;
      const values = this.#columns.get(column) ?? [];
      values.push(value);
      this.#columns.set(column, values);
    }
  }
}
