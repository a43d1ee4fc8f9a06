/** What words ask of `algebra`. */

/** A request: an operation and the texts of its arguments; `options` are written behind them. */
export interface Request {
  /** null: a formula, an equation, or several. */
  readonly operation: string | null;
  readonly parts: readonly string[];
  readonly options?: readonly string[];
}
