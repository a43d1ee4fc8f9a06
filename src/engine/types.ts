/** The native engine as TypeScript sees it. Calls run off the event loop, and every one takes a signal. */
import type { Batch, BatchShape } from './batch.js';
import type {
  AccumulateMetrics,
  LogprobsAndValues,
  OptimizerMetrics,
  PolicyMetrics,
  SftMetrics,
  ValueMetrics,
} from './metrics.js';

/** One weight under LoRA; what is added to it is alpha / rank · B A. */
export interface LoraWeight {
  /** As its GGUF calls it: `blk.0.attn_q.weight` */
  readonly name: string;
  readonly rank: number;
  readonly alpha: number;
}

export type LoraTarget = 'q' | 'k' | 'v' | 'o' | 'gate' | 'up' | 'down';

export interface OpenModelOptions extends CallOptions {
  readonly backend?: 'auto' | 'cpu' | 'cuda';
  /** Which GPU, as CUDA counts them (CUDA_VISIBLE_DEVICES reorders them); default 0. The CPU has no other than 0. */
  readonly device?: number;
  /** 0 or absent: all cores. */
  readonly threads?: number;
  /**
   * What the trunk multiplies and stores; parameters, losses and log-probs are fp32. `auto` (default): `f32` on the CPU,
   * `bf16` on CUDA, which has no `f32`. On the CPU `bf16` needs AVX-512 BF16 or AMX, else `unsupported_compute`. `fp8` is
   * `bf16` with the products of the frozen projections in e4m3, of which the GPU's memory then holds two copies, together
   * as large as in `bf16`; it needs an H100 or H200, else `backend_unavailable`, on the CPU `unsupported_compute`.
   */
  readonly compute?: 'auto' | 'f32' | 'bf16' | 'fp8';
  /**
   * What the backward pass computes again instead of keeping it: `none`; `cheap` (norms and swiglu); `block` (a block's
   * whole forward); `offload` (the same, with block inputs in pinned host memory; on the CPU it is `block`). `auto`
   * (default): the first of them that fits `memoryLimit`.
   */
  readonly recompute?: 'auto' | 'none' | 'cheap' | 'block' | 'offload';
  /** Bytes the engine may hold; 0 or absent: what the machine has free when the model is opened. */
  readonly memoryLimit?: number;
}

/**
 * After an abort a call that has not begun throws `interrupted` and does nothing. One that computes over layers or a file
 * (openModel, save of a model, logprobs, values, accumulate…) stops at the next of them. The others (a new or loaded
 * adapter or critic, optimizerStep, zeroGrad, an adapter's save, saveState, loadState, plan, tensors) are short and not
 * torn in two: once begun they end as without an abort, and their result counts.
 */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface AdapterOptions extends CallOptions {
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
   * With an adapter here, the value head reads the hidden states of that adapter's trunk, and the critic trains the
   * head alone; with `accumulatePolicy`'s `value` an epoch then costs half. rank, alpha and targets are ignored.
   * Without one, the critic has a LoRA of its own with that rank, alpha and targets. An adapter of another model is an
   * `adapter_mismatch`. The critic keeps the adapter alive.
   */
  readonly trunk?: Adapter | undefined;
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
  /** Adds L_v to the call; the batch then needs valuePositions and returns. */
  readonly value?: ValueTerm;
}

/**
 * A critic whose `trunk` is the adapter of the call learns in the actor's pass, one forward and one backward for both:
 * the head gets dL_v, the trunk dL_actor + coefficient · dL_v. A critic with a LoRA of its own gets dL_v in a second
 * pass, after the actor's.
 */
export interface ValueTerm {
  /** `invalid_argument` for a critic over another adapter's trunk, or of another model. */
  readonly critic: Critic;
  /** T of the whole optimizer batch */
  readonly normalizer: number;
  /** c_v, at least 0; with 0 the trunk gets no gradient of L_v. Checked but not used when the critic has its own LoRA. */
  readonly coefficient: number;
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
  /** The hardware in words: threads and instruction set, or the GPU with its memory, driver and libraries. */
  readonly device: string;
  readonly compute: 'f32' | 'bf16' | 'fp8';
  /** What was asked for; `plan` says what a call will use. */
  readonly recompute: 'auto' | 'none' | 'cheap' | 'block' | 'offload';
  readonly threads: number;
  /** C; then L, H, K, D, F, V: the letters used in shapes */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly parameters: number;
  /** What the sequences of a batch begin with alike is computed once, in units of so many tokens; 0: never. */
  readonly prefixUnit: number;
  /** GGUF tensor types met, with counts: { F16: 14, F32: 5 } */
  readonly tensorTypes: Readonly<Record<string, number>>;
}

/**
 * `keep`: every tensor keeps its type, but a merged tensor of a type that we cannot pack (all packed types but Q8_0) becomes
 * F16. The others: every matrix in this type (for `Q8_0`, F16 when the rows are no multiple of 32); vectors keep their
 * type, with `F32` they become F32 too.
 */
export type SaveType = 'keep' | 'F32' | 'F16' | 'BF16' | 'Q8_0';

export interface SaveModelOptions extends CallOptions {
  /** default `keep` */
  readonly type?: SaveType;
  /** Adapter to merge into the weights, W + alpha / R · B A; absent or null: none. */
  readonly adapter?: Adapter | null;
}

export interface SaveReport {
  /** Size of the file */
  readonly bytes: number;
  /** Tensors written, by type */
  readonly tensorTypes: Readonly<Record<string, number>>;
  /** Tensors that the adapter changed */
  readonly merged: number;
  /** Of `merged`, those that `keep` had to write as F16 */
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
   * (J) The natural-log probability of each of batch.choiceTokens among the alternatives of its choice, in one forward pass
   * that computes no other logit. lossMask and choiceTargets are not read. `adapter` null: the base model. Empty when the
   * batch has no choices. `invalid_argument` names the field and the index that is wrong; `not_finite`, `memory_limit`,
   * `interrupted`.
   */
  choiceLogprobs(batch: Batch, adapter: Adapter | null, options?: CallOptions): Promise<Float32Array>;
  /**
   * `logprobs` with `choiceLogprobs`, and the critic's `values`, in one call: one forward pass when the critic's `trunk` is
   * this adapter, else two, one after the other. The batch needs lossMask and valuePositions.
   */
  logprobsAndValues(
    batch: Batch,
    adapter: Adapter | null,
    critic: Critic,
    options?: CallOptions,
  ): Promise<LogprobsAndValues>;
  /**
   * Writes the model as a new GGUF, with an adapter merged into its weights, in another type, or both. Tokenizer, chat
   * template and all other metadata are copied byte for byte. The file appears whole or not at all and never replaces
   * another; writing takes a few megabytes of memory whatever the model. Throws `invalid_argument` when the path
   * exists, `disk_full`, `not_finite` when a value does not fit the type, `io_error`, `interrupted`.
   */
  save(path: string, options?: SaveModelOptions): Promise<SaveReport>;
  dispose(): void;
  /** `using model = await openModel(…)` */
  [Symbol.dispose](): void;
}

export interface Trainable {
  /**
   * Those of most weights; a loaded adapter may have other ranks and alphas, and targets that not every layer has. For a
   * critic made with `trunk`, rank, alpha, targets and weights are those of that adapter.
   */
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly LoraTarget[];
  /** What the LoRA is of, layer by layer */
  readonly weights: readonly LoraWeight[];
  /** Number of trained values; those of a critic's `trunk` do not count */
  readonly parameterCount: number;
  optimizerStep(options: OptimizerOptions): Promise<OptimizerMetrics>;
  /** Drops accumulated gradients. */
  zeroGrad(options?: CallOptions): Promise<void>;
  /** Weights, AdamW moments and step counter, for a bit-exact resume; for a critic made with `trunk`, the head's alone. */
  saveState(path: string, options?: CallOptions): Promise<void>;
  /**
   * `adapter_mismatch` when the state is of another kind of trainable, another rank or shape, or the other sort of
   * critic.
   */
  loadState(path: string, options?: CallOptions): Promise<void>;
  /**
   * Memory that an accumulate call over such a batch would hold. For a critic made with `trunk` it is the memory of
   * accumulatePolicy with that critic as `value`, which is more than the adapter's own `plan`. Allocates nothing; a
   * call that does not fit throws `memory_limit` before it allocates.
   */
  plan(shape: BatchShape, options?: CallOptions): Promise<MemoryPlan>;
  /** Named copies of the weights or of the accumulated gradients, for tests and inspection. */
  tensors(
    which: 'value' | 'grad',
    options?: CallOptions,
  ): Promise<Readonly<Record<string, { shape: number[]; data: Float32Array }>>>;
  dispose(): void;
  /** For `using` */
  [Symbol.dispose](): void;
}

export interface Adapter extends Trainable {
  /**
   * The gradient of any loss of log-probs: take `model.logprobs(batch, adapter)`, compute from them the loss and its
   * slopes `dlp` (N) = dL / dlp, in the loss's unit per nat, and pass the slopes here. They are read where lossMask is
   * 1. Every mean and weight of the loss must be in them, as there is no normalizer. The result is added to the
   * gradients, so calls over parts of an optimizer batch add up. accumulateSft does the same with −1 / normalizer for
   * every slope; the Tinker API calls it forward_backward_custom. examples/dpo.ts and examples/grpo.ts are two
   * objectives made with it. A batch with choiceTargets adds the loss of its choices.
   *
   * Logits are computed for tokens with lossMask 1 only, a chunk at a time; `plan` and `memoryLimit` hold as in every
   * accumulate call. A call that fails or is aborted leaves the gradients as they were: `invalid_argument` when `dlp`
   * has another type or length, or a value that is not finite (the message names its position), `not_finite` when
   * gradients overflow, `memory_limit`, `interrupted`.
   */
  accumulate(batch: Batch, dlp: Float32Array, options?: CallOptions): Promise<AccumulateMetrics>;
  /** L = −(1 / normalizer) Σ lp, and with choiceTargets also −Σ target · lp of the choices */
  accumulateSft(batch: Batch, options: AccumulateOptions): Promise<SftMetrics>;
  /**
   * L = L_clip + β L_kl, with `value` also L_v, and with choiceTargets also −Σ target · lp of the choices: one forward and
   * one backward pass for all that one trunk has. A call that fails or is aborted, in whichever pass, leaves the
   * gradients of adapter and critic as they were.
   */
  accumulatePolicy(batch: Batch, options: PolicyOptions): Promise<PolicyMetrics>;
  /** `gguf`: one file for llama.cpp. `peft`: a folder for Hugging Face PEFT. Refuses to overwrite. */
  save(path: string, format: 'gguf' | 'peft', options?: CallOptions): Promise<void>;
}

export interface Critic extends Trainable {
  /** (T) V at batch.valuePositions */
  values(batch: Batch, options?: CallOptions): Promise<Float32Array>;
  /** For a critic made with `trunk` it trains the head alone, without a backward pass through the trunk. */
  accumulateValue(batch: Batch, options: AccumulateOptions): Promise<ValueMetrics>;
}
