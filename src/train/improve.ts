/**
 * The policy that is taught where the judge scored all actions (docs/algorithm.md, All scored actions):
 *   π*(a | s) ∝ p_ref(a | s) · exp(r(s, a) / λ)
 * maximises Σ_a π r − λ KL(π ‖ p_ref). λ, the temperature, is what makes the mean of KL(π* ‖ p_ref) over the states the target
 * (the dual of MPO, arXiv 1806.06920, with the constraint met on the data at hand).
 */

/** One state: p_ref and the rewards of its K actions. */
export interface RatedState {
  /** (K) log p_ref(a | s), in nats; the probabilities add up to 1 */
  readonly logprobs: Float64Array;
  /** (K) r(s, a); null: not known */
  readonly rewards: readonly (number | null)[];
}

export interface Improved {
  /** (K) π*, which adds up to 1 */
  readonly policy: Float64Array;
  /** KL(π* ‖ p_ref) over the K actions, in nats */
  readonly kl: number;
}

/**
 * π* at temperature λ. An action without a reward keeps the probability that it has: a missing score neither pays nor
 * costs. The others share the rest, so among themselves they are ∝ p_ref · exp(r / λ).
 */
export function improvedPolicy({ logprobs, rewards }: RatedState, temperature: number): Improved {
  const rated = rewards.flatMap((reward, action) => (reward === null ? [] : [{ action, reward }]));
  const tilted = rated.map(({ action, reward }) => logprobs[action]! + reward / temperature);
  const scale = logSumExp(rated.map(({ action }) => logprobs[action]!)) - logSumExp(tilted);
  const policy = logprobs.map(Math.exp);
  let kl = 0;
  rated.forEach(({ action }, index) => {
    const logPolicy = tilted[index]! + scale;
    policy[action] = Math.exp(logPolicy);
    // Where exp has underflowed the term is 0, also beside a reference of −∞.
    if (policy[action] > 0) kl += policy[action] * (logPolicy - logprobs[action]!);
  });
  return { policy, kl: Math.max(0, kl) };
}

/** The temperatures searched. At the lowest π* takes the best action alone, at the highest it is p_ref. */
const LOWEST = 1e-3;
const HIGHEST = 1e3;
/** Halvings of log λ: its last bit. */
const HALVINGS = 60;

/**
 * λ for which the mean KL(π* ‖ p_ref) over the states is `target`, in nats: a bisection, as that mean falls with λ. Where
 * even the best actions alone are nearer than the target, LOWEST; for no states HIGHEST.
 */
export function solveTemperature(states: readonly RatedState[], target: number): number {
  const meanKl = (temperature: number) =>
    states.reduce((sum, state) => sum + improvedPolicy(state, temperature).kl, 0) / states.length;
  if (states.length === 0) return HIGHEST;
  if (meanKl(LOWEST) <= target) return LOWEST;
  let [low, high] = [Math.log(LOWEST), Math.log(HIGHEST)];
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2;
    if (meanKl(Math.exp(middle)) > target) low = middle;
    else high = middle;
  }
  return Math.exp(high);
}

/** KL(p ‖ q) in nats from log-probs (K). */
export function klOf(p: Float64Array, q: Float64Array): number {
  let kl = 0;
  p.forEach((lp, action) => {
    if (lp > Number.NEGATIVE_INFINITY) kl += Math.exp(lp) * (lp - q[action]!);
  });
  return Math.max(0, kl);
}

/** −Σ p log p in nats from log-probs (K). */
export function entropyOf(p: Float64Array): number {
  return p.reduce((sum, lp) => (lp > Number.NEGATIVE_INFINITY ? sum - Math.exp(lp) * lp : sum), 0);
}

function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
