/** How often each action was taken so far in a rollout set; ties and `least-used` depend on it. */
export class ActionUsage {
  readonly #counts: Map<string, number>;

  /** `taken`: how often actions were taken by earlier rollouts of the set. */
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
