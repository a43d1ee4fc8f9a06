/** Decides how many packed tokens a pass may have: as the settings say, or fewer when memory is short. */
import type { BatchShape } from '../engine/batch.js';
import type { Adapter, Critic, MemoryPlan } from '../engine/types.js';
import { blockLength } from '../trajectory/choices.js';
import type { Sample } from '../trajectory/sample.js';
import { byteText } from '../units.js';
import type { TrainContext } from './trainer.js';

/** Who is told what was decided. */
type Told = Pick<TrainContext, 'stage' | 'log' | 'metrics'>;

/**
 * Plans the memory of the largest pass over these samples, and halves the token budget until it fits, or until a pass
 * has only the longest sample; if even that does not fit, the pass itself will throw with the numbers. Logs the result.
 * It is called once a stage and its result stored with checkpoints, because another split would change the order of
 * sums.
 */
export async function fitMicroBatch(
  trainables: readonly (Adapter | Critic)[],
  samples: readonly Sample[],
  mostTokens: number,
  context: Told,
): Promise<number> {
  const longest = samples.reduce((most, sample) => Math.max(most, blockLength(sample)), 0);
  for (let tokens = mostTokens; ; tokens = Math.max(longest, Math.floor(tokens / 2))) {
    const shape = largestPass(samples, longest, tokens);
    let plan: MemoryPlan | null = null;
    for (const trainable of trainables) {
      const next = await trainable.plan(shape);
      if (plan === null || next.total > plan.total) plan = next;
    }
    if (!plan!.fits && tokens > longest) continue;
    announce(plan!, shape.tokens, tokens < mostTokens, context);
    return tokens;
  }
}

/**
 * An upper bound of every pass over these samples: all of the budget, with the highest density of values and of choices of any
 * sample.
 */
function largestPass(samples: readonly Sample[], longest: number, budget: number): BatchShape {
  const all = samples.reduce((sum, sample) => sum + blockLength(sample), 0);
  const tokens = Math.max(longest, Math.min(budget, all));
  const sequences = Math.ceil(tokens / longest);
  const most = (count: (sample: Sample) => number) =>
    Math.ceil(tokens * samples.reduce((found, sample) => Math.max(found, count(sample) / blockLength(sample)), 0));
  const shape = {
    tokens,
    sequences,
    longest,
    lossTokens: tokens - sequences,
    values: most(({ returns }) => returns.length),
  };
  const choices = most((sample) => sample.choices?.positions.length ?? 0);
  const widest = Math.max(...(samples[0]?.choices?.trie.nodes ?? []).map(({ children }) => children.length));
  return choices === 0 ? shape : { ...shape, choices, alternatives: choices * widest };
}

function announce(plan: MemoryPlan, tokens: number, lowered: boolean, context: Told): void {
  const { recompute, total, host, limit } = plan;
  context.metrics({ stage: context.stage, event: 'memory', microBatchTokens: tokens, recompute, bytes: total, limit });
  const text =
    `${context.stage}: passes of up to ${tokens} tokens, recompute ${recompute}, ` +
    `${byteText(total)} of ${byteText(limit)} planned${host > 0 ? `, and ${byteText(host)} of pinned host memory` : ''}`;
  if (lowered) context.log.warn(`${text}; microBatchTokens was lowered to fit`);
  else context.log.info(text);
}
