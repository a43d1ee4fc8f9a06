/**
 * Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, arXiv 2402.03300) with the engine's `accumulate`:
 * the engine gives log-probs, the loss and its slopes are computed here, and the engine gets the slopes. For Q prompts
 * with G completions each:
 *
 *   A_i  = (r_i − mean r) / std r                       over the G rewards of a prompt; there is no critic
 *   ρ_j  = exp(lp_j − old_j)                            for token j; old is of the policy that wrote the completion
 *   k3_j = e^(ref_j − lp_j) − (ref_j − lp_j) − 1        equation 4, an unbiased estimate of KL(π ‖ π_ref)
 *   L    = (1 / QG) Σ_i (1 / |o_i|) Σ_{j in o_i} [ −min(ρ_j A_i, clip(ρ_j, 1 − ε, 1 + ε) A_i) + β k3_j ]    equation 3
 *
 *   dL / dlp_j = 1 / (QG |o_i|) · [ (−ρ_j A_i if it is the minimum above, else 0) + β (1 − e^(ref_j − lp_j)) ]
 *
 * The policy is an adapter and the reference the base model under it, so one copy of the weights serves both.
 *
 *   npm run example examples/grpo.ts
 */
import { fileURLToPath } from 'node:url';
import { type Adapter, type Batch, type Model, openLlamaCpp, openModel } from 'spark-rl';

export interface Completion {
  /** Token ids, at least one */
  readonly tokens: readonly number[];
  readonly reward: number;
  /** (|o|) natural-log probability of each token under the policy that wrote it */
  readonly oldLogprobs: Float32Array;
}

export interface Group {
  /** Token ids */
  readonly prompt: readonly number[];
  readonly completions: readonly Completion[];
}

export interface GrpoOptions {
  /** ε, default 0.2 */
  readonly clip?: number;
  /** β, default 0.04 */
  readonly klCoefficient?: number;
}

export interface GrpoReport {
  /** L before the update, nats */
  readonly loss: number;
  /** Mean k3 over the tokens, nats */
  readonly kl: number;
  /** Share of the tokens for which the clipped term is the smaller one */
  readonly clipped: number;
}

/** Adds dL to the adapter's gradients; the caller then calls `adapter.optimizerStep`. */
export async function grpoStep(
  model: Model,
  adapter: Adapter,
  groups: readonly Group[],
  { clip = 0.2, klCoefficient = 0.04 }: GrpoOptions = {},
): Promise<GrpoReport> {
  const batch = pack(groups);
  const ref = await model.logprobs(batch, null); // (N)
  const lp = await model.logprobs(batch, adapter); // (N)
  const dlp = new Float32Array(lp.length); // (N)

  const report = { loss: 0, kl: 0, clipped: 0 };
  const tokens = batch.lossMask.reduce((sum, one) => sum + one, 0);
  let sequence = 0;
  for (const { prompt, completions } of groups) {
    const advantages = groupAdvantages(completions);
    completions.forEach((completion, i) => {
      const A = advantages[i]!;
      const weight = 1 / (groups.length * completions.length * completion.tokens.length);
      const first = batch.cuSeqlens[sequence++]! + prompt.length;
      completion.oldLogprobs.forEach((old, t) => {
        const j = first + t;
        const ratio = Math.exp(lp[j]! - old);
        const delta = ref[j]! - lp[j]!;
        const k3 = Math.expm1(delta) - delta;
        const clippedRatio = Math.min(Math.max(ratio, 1 - clip), 1 + clip);
        const isClipped = clippedRatio * A < ratio * A;
        report.loss += weight * (-Math.min(ratio * A, clippedRatio * A) + klCoefficient * k3);
        report.kl += k3 / tokens;
        report.clipped += (isClipped ? 1 : 0) / tokens;
        dlp[j] = weight * ((isClipped ? 0 : -ratio * A) - klCoefficient * Math.expm1(delta));
      });
    });
  }
  await adapter.accumulate(batch, dlp);
  return report;
}

/** (G) A_i; all 0 when every completion has the same reward. */
function groupAdvantages(completions: readonly Completion[]): number[] {
  const mean = completions.reduce((sum, { reward }) => sum + reward, 0) / completions.length;
  const variance = completions.reduce((sum, { reward }) => sum + (reward - mean) ** 2, 0) / completions.length;
  return completions.map(({ reward }) => (variance === 0 ? 0 : (reward - mean) / Math.sqrt(variance)));
}

/** Packs every completion after its prompt, side by side, with the loss on the completions. */
function pack(
  groups: readonly { prompt: readonly number[]; completions: readonly Pick<Completion, 'tokens'>[] }[],
): Batch {
  const sequences = groups.flatMap(({ prompt, completions }) => completions.map(({ tokens }) => ({ prompt, tokens })));
  const cuSeqlens = [0];
  for (const { prompt, tokens } of sequences) cuSeqlens.push(cuSeqlens.at(-1)! + prompt.length + tokens.length);
  return {
    tokens: Int32Array.from(sequences.flatMap(({ prompt, tokens }) => [...prompt, ...tokens])),
    cuSeqlens: Int32Array.from(cuSeqlens),
    lossMask: Uint8Array.from(
      sequences.flatMap(({ prompt, tokens }) => [...prompt.map(() => 0), ...tokens.map(() => 1)]),
    ),
  };
}

async function main() {
  const modelPath = fileURLToPath(new URL('../models/spark-tiny.gguf', import.meta.url));
  const tokenizer = await openLlamaCpp({ modelPath });
  const ids = (text: string) => tokenizer.tokenize(text, false);
  // Made-up completions, with reward 1 for right ones. A real run samples them and takes old log-probs from that
  // policy.
  const written = [
    { prompt: 'What is 12 + 7? ', right: ['19.', 'It is 19.'], wrong: ['91.', 'It is 18.'] },
    { prompt: 'What is the chemical symbol of gold? ', right: ['Au.'], wrong: ['Go.', 'Gd, as in gold.', 'Ag.'] },
  ].map(({ prompt, right, wrong }) => ({
    prompt: ids(prompt),
    completions: [...right, ...wrong].map((text, i) => ({ tokens: ids(text), reward: i < right.length ? 1 : 0 })),
  }));
  await tokenizer.dispose();

  const model = await openModel(modelPath);
  const adapter = await model.createAdapter({ rank: 8, alpha: 16, seed: 1 });
  const batch = pack(written);
  const old = await model.logprobs(batch, adapter); // (N)
  let sequence = 0;
  const groups: Group[] = written.map(({ prompt, completions }) => ({
    prompt,
    completions: completions.map((completion) => {
      const end = batch.cuSeqlens[++sequence]!;
      return { ...completion, oldLogprobs: old.slice(end - completion.tokens.length, end) };
    }),
  }));
  // The paper's μ, the number of updates on the completions of one policy. In the end many tokens are clipped, as
  // expected.
  for (let step = 1; step <= 5; step++) {
    const { loss, kl, clipped } = await grpoStep(model, adapter, groups);
    await adapter.optimizerStep({ learningRate: 5e-5 });
    console.log(
      `step ${step}  loss ${loss.toFixed(4)}  KL ${kl.toFixed(4)}  clipped ${(100 * clipped).toFixed(0)} % of the tokens`,
    );
  }
  model.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
