/** Numbers as messages and reports show them. */

/** `812.3 MB`, from 10^9 bytes on `1.3 GB`: decimal units. */
export function byteText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** `41.7 %` for a share of 0.417. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
