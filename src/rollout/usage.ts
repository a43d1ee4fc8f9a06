/** How often each action was taken so far in this run: what ties and `least-used` go by. */
export class ActionUsage {
  readonly #counts = new Map<string, number>();

  /** `taken`: actions of earlier rollouts, when a run is resumed. */
  constructor(taken: Iterable<string> = []) {
    for (const action of taken) this.add(action);
  }

  count(action: string): number {
    return this.#counts.get(action) ?? 0;
  }

  add(action: string): void {
    this.#counts.set(action, this.count(action) + 1);
  }
}
