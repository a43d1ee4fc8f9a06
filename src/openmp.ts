/**
 * Imported before anything that loads OpenMP. Its threads by default spin while they wait; one other busy process then
 * made a training step five times slower (382 ms to 2,184 ms on two cores). The runtime reads this when it is loaded, so
 * it has to be in the environment before the first native library is. A user's own setting wins.
 */
process.env.OMP_WAIT_POLICY ??= 'passive';
