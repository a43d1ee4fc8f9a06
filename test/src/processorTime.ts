/**
 * Seconds of processor time that `work` takes, for tests of work that must not grow with the square of its input. Not the
 * clock: that also runs while something else has the processor.
 */
export async function processorSeconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
