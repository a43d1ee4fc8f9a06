/** True in scripts/nightly.sh: tests that usually try some cases then try all of them. */
export const full = (process.env.SPARK_TEST_FULL ?? '') !== '';
