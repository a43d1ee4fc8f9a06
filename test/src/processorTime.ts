/**
 * Seconds of processor time that `work` takes, for tests that work does not grow with the square of its input. Not
 * clock time, which also passes while other programs have the processor.
 */
export async function processorSeconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
