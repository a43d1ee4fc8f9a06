/** A row before it is checked, with where it stood: `row 3`, or `row 3 (line 5)` where blank lines come before it. */
export interface RawRow {
  readonly where: string;
  readonly value: unknown;
}
