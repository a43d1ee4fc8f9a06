/** The native engine as TypeScript sees it. All calls run off the event loop and can be aborted. */

/**
 * B sequences packed without padding into N tokens. Position i of every (N) array speaks of tokens[i]: its log-prob is
 * that of tokens[i] given the tokens before it in its sequence, so the first token of a sequence has none.
 */
export interface Batch {
  /** (N) */
  readonly tokens: Int32Array;
  /** (B + 1), from 0 to N, strictly increasing */
  readonly cuSeqlens: Int32Array;
  /** (N) 1 where the policy wrote the token and it carries a loss; 0 at the first token of a sequence */
  readonly lossMask: Uint8Array;
  /** (N) natural log, read where lossMask is 1 */
  readonly oldLogprobs?: Float32Array;
  /** (N) */
  readonly refLogprobs?: Float32Array;
  /** (N) A_t of the step that token belongs to */
  readonly advantages?: Float32Array;
  /** (N) index of the step a token belongs to, unique over the batch; needed for `ratio: 'step'` */
  readonly stepIds?: Int32Array;
  /** (T) packed positions at which V(s_t) is read, ascending */
  readonly valuePositions?: Int32Array;
  /** (T) R_t */
  readonly returns?: Float32Array;
}

export type LoraTarget = 'q' | 'k' | 'v' | 'o' | 'gate' | 'up' | 'down';

export interface OpenModelOptions {
  readonly backend?: 'auto' | 'cpu' | 'cuda';
  /** Which GPU, as CUDA counts them (CUDA_VISIBLE_DEVICES reorders them); default 0. The CPU has no other than 0. */
  readonly device?: number;
  /** 0 or absent: all cores. */
  readonly threads?: number;
  /**
   * What the trunk multiplies and stores; parameters, losses and log-probs are fp32. `auto` (default): `f32` on the CPU,
   * `bf16` on CUDA, which has nothing else. On the CPU `bf16` needs AVX-512 BF16 or AMX, else `unsupported_compute`.
   */
  readonly compute?: 'auto' | 'f32' | 'bf16';
  /**
   * What the backward pass computes again instead of keeping it: `none`; `cheap` (norms and swiglu); `block` (a block's
   * whole forward); `offload` (the same, with block inputs in pinned host memory; on the CPU it is `block`). `auto`
   * (default): the first of them that fits `memoryLimit`.
   */
  readonly recompute?: 'auto' | 'none' | 'cheap' | 'block' | 'offload';
  /** Bytes the engine may hold; 0 or absent: what the machine has free when the model is opened. */
  readonly memoryLimit?: number;
  readonly signal?: AbortSignal;
}

export interface AdapterOptions {
  /** R, default 8 */
  readonly rank?: number;
  /** default 16; the adapter's scale is alpha / R */
  readonly alpha?: number;
  readonly targets?: readonly LoraTarget[];
  readonly seed?: number;
}

export interface CriticOptions extends AdapterOptions {
  /** Width of the value head's hidden layer; default C. */
  readonly hidden?: number;
  /**
   * The head reads what this adapter's trunk computes, and is all that the critic trains: half the cost of an epoch, with
   * `accumulatePolicy`'s `value`. Absent: a LoRA of the critic's own. Beside it rank, alpha and targets are an
   * `invalid_argument`; an adapter of another model is an `adapter_mismatch`. The critic keeps the adapter alive.
   */
  readonly trunk?: Adapter;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** `normalizer` divides the summed loss: N_a or T of the whole optimizer batch, which may span several calls. */
export interface AccumulateOptions extends CallOptions {
  readonly normalizer: number;
}

export interface PolicyOptions extends AccumulateOptions {
  /** ε, default 0.2 */
  readonly clip?: number;
  /** β, default 0.1 */
  readonly klCoefficient?: number;
  /** default `token` */
  readonly ratio?: 'token' | 'step';
  /** L_v in the same pass; the batch then needs valuePositions and returns. */
  readonly value?: ValueTerm;
}

/** One forward and one backward pass for both: the head learns L_v, the trunk gets dL_actor + coefficient · dL_v. */
export interface ValueTerm {
  /** Made with `trunk`: the adapter that is called; another one is an `invalid_argument`. */
  readonly critic: Critic;
  /** T of the whole optimizer batch */
  readonly normalizer: number;
  /** c_v, at least 0; 0: the trunk does not feel the values */
  readonly coefficient: number;
}

/** Sums over the call's loss tokens (not means): divide by `tokens`, or by the total over several calls. */
export interface SftMetrics {
  readonly tokens: number;
  /** −Σ lp */
  readonly lossSum: number;
}

export interface PolicyMetrics {
  readonly tokens: number;
  /** Σ −min(r A, clip(r) A) */
  readonly clipLossSum: number;
  /** Σ ½ (lp − lp_ref)², without β */
  readonly klLossSum: number;
  /** Estimates of KL(π‖ref) with Δ = lp_ref − lp: k1 = −Δ, k2 = ½Δ², k3 = e^Δ − 1 − Δ */
  readonly k1Sum: number;
  readonly k2Sum: number;
  readonly k3Sum: number;
  /** tokens whose ratio left [1 − ε, 1 + ε] on the side where the clip bites */
  readonly clippedCount: number;
  readonly ratioSum: number;
  readonly ratioMax: number;
  /** Of the value term, where the call had one */
  readonly value?: ValueMetrics;
}

export interface ValueMetrics {
  /** T of this call */
  readonly count: number;
  /** Σ (V − R)² */
  readonly lossSum: number;
}

/** Two readings of one forward pass */
export interface Scores {
  /** (N) log-prob where lossMask is 1, 0 elsewhere */
  readonly logprobs: Float32Array;
  /** (T) V at batch.valuePositions */
  readonly values: Float32Array;
}

export interface OptimizerOptions extends CallOptions {
  readonly learningRate: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
  /** Global-norm clip; default 1.0, 0 turns it off. */
  readonly maxGradNorm?: number;
}

export interface OptimizerMetrics {
  /** Global norm before clipping. */
  readonly gradNorm: number;
  /** Optimizer steps taken so far. */
  readonly step: number;
}

/** The sizes of a batch that decide how much memory a pass over it takes. */
export interface BatchShape {
  /** N */
  readonly tokens: number;
  /** B, default 1 */
  readonly sequences?: number;
  /** Tokens of the longest sequence; default `tokens` */
  readonly longest?: number;
  /** N_a, default 0 */
  readonly lossTokens?: number;
  /** T, default 0 */
  readonly values?: number;
}

/** What an accumulate call holds at its peak, in bytes. */
export interface MemoryPlan {
  /** The first that fits, or what the model was opened with */
  readonly recompute: 'none' | 'cheap' | 'block' | 'offload';
  /** Base weights: mapped from their file, resident once they were read */
  readonly weights: number;
  /** Every adapter and critic of the model: weights, two gradients, two moments */
  readonly parameters: number;
  readonly activations: number;
  /** Scratch of the products and of attention */
  readonly workspace: number;
  /** Pinned host memory beside a GPU's: block inputs, with `offload`. Not in `total` */
  readonly host: number;
  readonly total: number;
  readonly limit: number;
  readonly fits: boolean;
}

export interface ModelInfo {
  readonly path: string;
  readonly architecture: string;
  readonly backend: 'cpu' | 'cuda';
  /** What computes, for people: threads and their instructions, or the GPU with its memory, driver and libraries. */
  readonly device: string;
  readonly compute: 'f32' | 'bf16';
  /** As asked for; what a call will use is in `plan`. */
  readonly recompute: 'auto' | 'none' | 'cheap' | 'block' | 'offload';
  readonly threads: number;
  /** C, L, H, K, D, F, V of DESIGN.md's naming */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly parameters: number;
  /** GGUF tensor types met, with counts: { F16: 14, F32: 5 } */
  readonly tensorTypes: Readonly<Record<string, number>>;
}

/**
 * `keep`: every tensor in its own type; a merged one whose type cannot be packed again (Q4_0 and the K types) in F16.
 * Others: every matrix in this type (`Q8_0`: F16 where rows are no multiple of 32), vectors as they are (`F32`: too).
 */
export type SaveType = 'keep' | 'F32' | 'F16' | 'BF16' | 'Q8_0';

export interface SaveModelOptions extends CallOptions {
  /** default `keep` */
  readonly type?: SaveType;
  /** Merged into the weights, W + alpha / R · B A; absent or null: none. */
  readonly adapter?: Adapter | null;
}

export interface SaveReport {
  /** Of the file */
  readonly bytes: number;
  /** Tensors written, by type */
  readonly tensorTypes: Readonly<Record<string, number>>;
  /** Tensors that the adapter changed */
  readonly merged: number;
  /** Of them, those that `keep` had to write as F16 */
  readonly unpacked: number;
}

export interface Model {
  readonly info: ModelInfo;
  createAdapter(options?: AdapterOptions): Promise<Adapter>;
  createCritic(options?: CriticOptions): Promise<Critic>;
  /** Reads a GGUF LoRA file or a PEFT folder. */
  loadAdapter(path: string, options?: CallOptions): Promise<Adapter>;
  /** (N) log-prob where lossMask is 1, 0 elsewhere. `adapter` null: the base model. */
  logprobs(batch: Batch, adapter: Adapter | null, options?: CallOptions): Promise<Float32Array>;
  /**
   * Writes the model as a GGUF of its own, with an adapter merged into its weights or in another plain type. Tokenizer,
   * chat template and all other metadata go over byte for byte. The file appears whole or not at all and never replaces
   * another; a few megabytes of memory are enough for any model. Throws `invalid_argument` when the path exists,
   * `disk_full`, `not_finite` when a value does not fit the type, `io_error`, `interrupted`.
   */
  save(path: string, options?: SaveModelOptions): Promise<SaveReport>;
  dispose(): void;
}

export interface Trainable {
  /** rank, alpha and targets are those of the trunk that is read: of a critic made with `trunk`, that adapter's. */
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly LoraTarget[];
  /** Trained values of its own */
  readonly parameterCount: number;
  optimizerStep(options: OptimizerOptions): Promise<OptimizerMetrics>;
  /** Drops accumulated gradients. */
  zeroGrad(): Promise<void>;
  /** Weights, AdamW moments and step counter, for a bit-exact resume; of a critic made with `trunk`, the head's alone. */
  saveState(path: string): Promise<void>;
  /** Throws `adapter_mismatch` for the state of something else: of another kind, rank, shape, or sort of critic. */
  loadState(path: string): Promise<void>;
  /**
   * What an accumulate call over such a batch would hold; for a critic made with `trunk`, accumulatePolicy with its `value`,
   * which holds more than the adapter's `plan` says. Allocates nothing; a call that does not fit throws
   * `memory_limit` before it allocates.
   */
  plan(shape: BatchShape): Promise<MemoryPlan>;
  /** Named copies of weights and accumulated gradients, for tests and inspection. */
  tensors(which: 'value' | 'grad'): Promise<Readonly<Record<string, { shape: number[]; data: Float32Array }>>>;
  dispose(): void;
}

export interface Adapter extends Trainable {
  accumulateSft(batch: Batch, options: AccumulateOptions): Promise<SftMetrics>;
  /**
   * L_clip + β L_kl, and with `value` L_v in the same pass. A call that fails or is aborted leaves the gradients of both,
   * adapter and critic, as they were.
   */
  accumulatePolicy(batch: Batch, options: PolicyOptions): Promise<PolicyMetrics>;
  /** `gguf`: one file for llama.cpp. `peft`: a folder for Hugging Face PEFT. Refuses to overwrite. */
  save(path: string, format: 'gguf' | 'peft'): Promise<void>;
}

export interface Critic extends Trainable {
  /** (T) V at batch.valuePositions */
  values(batch: Batch, options?: CallOptions): Promise<Float32Array>;
  /** Of a critic made with `trunk` it trains the head alone: no backward pass through the trunk. */
  accumulateValue(batch: Batch, options: AccumulateOptions): Promise<ValueMetrics>;
  /** Log-probs and values of one forward pass. Without `trunk` there is no such pass: `invalid_argument`. */
  score(batch: Batch, options?: CallOptions): Promise<Scores>;
}
