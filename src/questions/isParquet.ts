/** Whether a file begins as Parquet does: `PAR1`, or `PARE` where it is encrypted. */
export function isParquet(bytes: Uint8Array): boolean {
  return /^PAR[1E]/.test(Buffer.from(bytes.subarray(0, 4)).toString('latin1'));
}
