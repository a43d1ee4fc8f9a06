/** What we use of Cephes: its package has types, but its `exports` hide them from TypeScript. */
declare module 'cephes' {
  /** Resolved as soon as the functions can be called. */
  export const compiled: Promise<void>;
  /** Regularised lower and upper incomplete gamma functions. */
  export function igam(a: number, x: number): number;
  export function igamc(a: number, x: number): number;
  /** Regularised incomplete beta function. */
  export function incbet(a: number, b: number, x: number): number;
  /** ln |Γ(x)| */
  export function lgam(x: number): number;
  /** The normal distribution and its inverse. */
  export function ndtr(x: number): number;
  export function ndtri(p: number): number;
}
