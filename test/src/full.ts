/** Set by scripts/nightly.sh: every case of what is tried by day on some of them. */
export const full = (process.env.SPARK_TEST_FULL ?? '') !== '';
