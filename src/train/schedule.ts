/**
 * Linear warm-up, then a cosine to zero (docs/algorithm.md, Optimizer). `step` counts from 0. No step is wasted: the
 * rates of the first and the last step are above zero.
 */
export function learningRateAt(step: number, totalSteps: number, peak: number, warmup: number): number {
  const warmupSteps = Math.ceil(warmup * totalSteps);
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return (peak * (1 + Math.cos(Math.PI * progress))) / 2;
}
