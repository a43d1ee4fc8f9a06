/**
 * Linear warm-up, then a cosine to zero (docs/algorithm.md, Optimizer). `step` counts from 0; the first step is already above zero
 * and the last one still is, so no step is wasted.
 */
export function learningRateAt(step: number, totalSteps: number, peak: number, warmup: number): number {
  const warmupSteps = Math.ceil(warmup * totalSteps);
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return (peak * (1 + Math.cos(Math.PI * progress))) / 2;
}
