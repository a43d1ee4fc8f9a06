/**
 * Makes OpenMP's threads sleep while they wait; a user's own setting wins. By default they spin, and one other busy
 * process then made a training step five times slower (382 ms to 2,184 ms on two cores). OpenMP reads the variable when
 * it is loaded, so this file is imported before anything that loads a native library.
 */
process.env.OMP_WAIT_POLICY ??= 'passive';
