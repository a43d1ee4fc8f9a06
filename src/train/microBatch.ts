/** Decides how many packed tokens a pass may have: as the settings say, or fewer when memory is short. */
import type { BatchShape } from '../engine/batch.js';
import type { Adapter, Critic, MemoryPlan } from '../engine/types.js';
import { blockLength } from '../trajectory/choices.js';
import { commonPrefix } from '../trajectory/pack.js';
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
  context: Told & Pick<TrainContext, 'model'>,
): Promise<number> {
  const prefix = commonPrefix(samples, context.model.info.prefixUnit);
  const longest = prefix + samples.reduce((most, sample) => Math.max(most, blockLength(sample, prefix)), 0);
  for (let tokens = mostTokens; ; tokens = Math.max(longest, Math.floor(tokens / 2))) {
    const { shape, computed } = largestPass(samples, longest, tokens, prefix);
    let plan: MemoryPlan | null = null;
    for (const trainable of trainables) {
      const next = await trainable.plan(shape);
      if (plan === null || next.total > plan.total) plan = next;
    }
    if (!plan!.fits && tokens > longest) continue;
    announce(plan!, { tokens: computed, prefix, lowered: tokens < mostTokens }, context);
    return tokens;
  }
}

/**
 * An upper bound of every pass over these samples: all of the budget, with the highest density of values and of choices of any
 * sample. `longest` and `budget` count computed tokens.
 */
function largestPass(
  samples: readonly Sample[],
  longest: number,
  budget: number,
  prefix: number,
): { readonly shape: BatchShape; readonly computed: number } {
  const length = (sample: Sample) => blockLength(sample, prefix);
  const all = prefix + samples.reduce((sum, sample) => sum + length(sample), 0);
  const computed = Math.max(longest, Math.min(budget, all));
  const own = computed - prefix;
  const sequences = Math.ceil(own / (longest - prefix));
  const most = (count: (sample: Sample) => number) =>
    Math.ceil(own * samples.reduce((found, sample) => Math.max(found, count(sample) / length(sample)), 0));
  const shape = {
    tokens: own + sequences * prefix,
    sequences,
    longest,
    lossTokens: own - sequences,
    values: most(({ returns }) => returns.length),
    prefix,
  };
  const choices = most((sample) => sample.choices?.positions.length ?? 0);
  const widest = Math.max(...(samples[0]?.choices?.trie.nodes ?? []).map(({ children }) => children.length));
  return { shape: choices === 0 ? shape : { ...shape, choices, alternatives: choices * widest }, computed };
}

interface Decided {
  /** Computed ones */
  readonly tokens: number;
  readonly prefix: number;
  readonly lowered: boolean;
}

function announce(plan: MemoryPlan, { tokens, prefix, lowered }: Decided, context: Told): void {
  const { recompute, total, host, limit } = plan;
  const { stage, metrics, log } = context;
  metrics({ stage, event: 'memory', microBatchTokens: tokens, prefix, recompute, bytes: total, limit });
  const once = prefix > 0 ? `, ${prefix} that all begin with computed once` : '';
  const text =
    `${stage}: passes of up to ${tokens} tokens${once}, recompute ${recompute}, ` +
    `${byteText(total)} of ${byteText(limit)} planned${host > 0 ? `, and ${byteText(host)} of pinned host memory` : ''}`;
  if (lowered) log.warn(`${text}; microBatchTokens was lowered to fit`);
  else log.info(text);
}
