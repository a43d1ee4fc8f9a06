/** How often each action was taken so far in a rollout set: what ties and `least-used` go by. */
export class ActionUsage {
  readonly #counts: Map<string, number>;

  /** `taken`: actions of earlier rollouts, when a run is resumed. */
  constructor(taken: Iterable<readonly [action: string, times: number]> = []) {
    this.#counts = new Map(taken);
  }

  count(action: string): number {
    return this.#counts.get(action) ?? 0;
  }

  add(action: string): void {
    this.#counts.set(action, this.count(action) + 1);
  }

  all(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  copy(): ActionUsage {
    return new ActionUsage(this.#counts);
  }
}
