/**
 * Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) with the engine's `accumulate`: the engine
 * gives log-probs, the loss and its slopes are computed here, and the engine gets the slopes. For P pairs of
 * completions:
 *
 *   h(y) = Σ_{j in y} (lp_j − ref_j)                   log of π(y | x) / π_ref(y | x)
 *   m    = β (h(chosen) − h(rejected))
 *   L    = −(1 / P) Σ log σ(m)                         equation 7 of the paper
 *
 *   dL / dlp_j = ∓ (β / P) σ(−m)                       − for tokens of the chosen completion, + for those of the rejected
 *
 * The policy is an adapter and the reference the base model under it, so one copy of the weights serves both.
 *
 *   npm run example examples/dpo.ts
 */
import { fileURLToPath } from 'node:url';
import { type Adapter, type Batch, type Model, openLlamaCpp, openModel } from 'spark-rl';

/** Token ids */
export interface Pair {
  readonly prompt: readonly number[];
  readonly chosen: readonly number[];
  readonly rejected: readonly number[];
}

export interface DpoReport {
  /** L before the update, nats */
  readonly loss: number;
  /** Mean m, nats */
  readonly margin: number;
  /** Share of pairs with m > 0, for which the policy prefers the chosen completion more than the reference does */
  readonly accuracy: number;
}

/** Adds dL to the adapter's gradients; the caller then calls `adapter.optimizerStep`. */
export async function dpoStep(model: Model, adapter: Adapter, pairs: readonly Pair[], beta = 0.1): Promise<DpoReport> {
  const batch = pack(
    pairs.flatMap(({ prompt, chosen, rejected }) => [[prompt, chosen] as const, [prompt, rejected] as const]),
  );
  const ref = await model.logprobs(batch, null); // (N)
  const lp = await model.logprobs(batch, adapter); // (N)
  const dlp = new Float32Array(lp.length); // (N)

  /** h of sequence s; its prompt adds nothing, because both log-probs are 0 there */
  const logRatio = (s: number) => {
    let sum = 0;
    for (let j = batch.cuSeqlens[s]!; j < batch.cuSeqlens[s + 1]!; j++) sum += lp[j]! - ref[j]!;
    return sum;
  };
  const report = { loss: 0, margin: 0, accuracy: 0 };
  for (let p = 0; p < pairs.length; p++) {
    const [chosen, rejected] = [2 * p, 2 * p + 1];
    const m = beta * (logRatio(chosen) - logRatio(rejected));
    report.loss += minusLogSigmoid(m) / pairs.length;
    report.margin += m / pairs.length;
    report.accuracy += (m > 0 ? 1 : 0) / pairs.length;
    const slope = beta / (1 + Math.exp(m)) / pairs.length;
    dlp.fill(-slope, batch.cuSeqlens[chosen], batch.cuSeqlens[chosen + 1]); // read where lossMask is 1
    dlp.fill(slope, batch.cuSeqlens[rejected], batch.cuSeqlens[rejected + 1]);
  }
  await adapter.accumulate(batch, dlp);
  return report;
}

/** −log σ(m) = log(1 + e^−m), without overflow */
function minusLogSigmoid(m: number): number {
  return Math.max(-m, 0) + Math.log1p(Math.exp(-Math.abs(m)));
}

/** Packs the sequences side by side, with the loss on the completions. */
function pack(sequences: readonly (readonly [prompt: readonly number[], completion: readonly number[]])[]): Batch {
  const cuSeqlens = [0];
  for (const [prompt, completion] of sequences) cuSeqlens.push(cuSeqlens.at(-1)! + prompt.length + completion.length);
  return {
    tokens: Int32Array.from(sequences.flatMap(([prompt, completion]) => [...prompt, ...completion])),
    cuSeqlens: Int32Array.from(cuSeqlens),
    lossMask: Uint8Array.from(sequences.flatMap(([p, c]) => [...p.map(() => 0), ...c.map(() => 1)])),
  };
}

async function main() {
  const modelPath = fileURLToPath(new URL('../models/spark-tiny.gguf', import.meta.url));
  const tokenizer = await openLlamaCpp({ modelPath });
  const ids = (text: string) => tokenizer.tokenize(text, false);
  const pairs: Pair[] = [
    ['What is 12 + 7? ', 'The answer is 19.', 'The answer is 91.'],
    ['What is 30 - 4? ', 'The answer is 26.', 'I would rather not say.'],
    ['Which planet is nearest to the sun? ', 'Mercury.', 'Venus, I think, or perhaps Mars.'],
    ['What is the chemical symbol of gold? ', 'Au.', 'Go.'],
  ].map(([prompt, chosen, rejected]) => ({ prompt: ids(prompt!), chosen: ids(chosen!), rejected: ids(rejected!) }));
  await tokenizer.dispose();

  const model = await openModel(modelPath);
  const adapter = await model.createAdapter({ rank: 8, alpha: 16, seed: 1 });
  for (let step = 1; step <= 10; step++) {
    const { loss, margin, accuracy } = await dpoStep(model, adapter, pairs);
    await adapter.optimizerStep({ learningRate: 1e-3 });
    console.log(
      `step ${step}  loss ${loss.toFixed(4)}  margin ${margin.toFixed(3)}  accuracy ${(100 * accuracy).toFixed(0)} %`,
    );
  }
  model.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
