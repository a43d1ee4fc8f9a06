/** How busy inference was during a generation, as a generator that can tell counts it: a row of metrics, a line. */
import type { Generator } from '../inference/generator.js';
import type { MetricRow } from '../run/metricsFile.js';
import { percent } from '../units.js';

type Counting = Pick<Generator, 'decoding' | 'prefixes'>;

export function inferenceRow({ decoding, prefixes }: Counting): MetricRow {
  if (decoding === undefined || decoding.spanMs === 0) return {};
  return {
    inference_busy_share: decoding.busyMs / decoding.spanMs,
    ...(prefixes === undefined ? {} : { inference_tokens_again: prefixes.again }),
  };
}

/** Null where nothing is known. */
export function inferenceText({ decoding, prefixes }: Counting): string | null {
  if (decoding === undefined || decoding.spanMs === 0) return null;
  const busy = percent(decoding.busyMs / decoding.spanMs);
  const again = prefixes?.again ?? 0;
  const lost = again === 0 ? '' : `; read ${again} tokens again, fewer with a higher inference.sequences`;
  return `inference: at work ${busy} of the time from its first token to its last${lost}`;
}
