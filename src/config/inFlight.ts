/** How many questions are under way at the same time. */
import { concurrencyOf } from '../judge/settings.js';
import type { Config } from './schema.js';

/**
 * `auto`: as many as decode, as the judge answers at a time, and as many again whose tools run or that are next; who has no
 * place yet costs nothing while others need theirs.
 */
export function inFlightOf({
  generation: { inFlight, deterministic },
  inference: { sequences },
  judge,
}: Pick<Config, 'generation' | 'inference' | 'judge'>): number {
  if (inFlight !== 'auto') return inFlight;
  return deterministic ? sequences : sequences + 2 * concurrencyOf(judge);
}
