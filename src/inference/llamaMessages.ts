/**
 * What this process and that of llamaChild.ts say to each other, through llamaThread.ts. One message a call: the tokens of
 * a generation are drawn in the child, and come back together.
 */
import type { SparkErrorCode } from '../errors.js';
import type { Generated, GenerateOptions } from './generator.js';
import type { Decoding } from './rounds.js';
import type { PrefixCounts } from './sequencePool.js';

/** LlamaCppOptions after every default that depends on the file. */
export interface LoadOptions {
  readonly modelPath: string;
  readonly adapterPath?: string;
  readonly sequences: number;
  readonly inFlight: number;
  readonly deterministic: boolean;
  readonly contextSize: number;
  readonly threads: number;
  readonly gpu: boolean | 'auto';
  readonly kvCacheType: 'F16' | 'F32';
  /** Size of the model's files. */
  readonly bytes: number;
}

export interface LogprobsCall {
  readonly tokens: readonly number[];
  readonly mask?: Uint8Array;
  readonly quick: boolean;
}

/**
 * A call of a sequence. `from`, `tail`: its tokens are the first `from` that the child knows, then `tail`; what was
 * appended and rewound since the last call needs no message of its own.
 */
interface SequenceCall {
  readonly sequence: number;
  readonly from: number;
  readonly tail: readonly number[];
}

type Options = readonly (readonly number[])[];

/** What a vocabulary says of itself. */
export interface VocabularyFacts {
  /** Text of the beginning-of-sequence token where the model wants one, else ''. */
  readonly bosText: string;
  readonly eosText: string;
}

/** `model`, `sequence`: names that the host gives, one for all of its life. */
export type Call = { readonly model: number } & (
  | { readonly op: 'load'; readonly options: LoadOptions }
  /** Without weights and contexts; sequences cannot be opened. */
  | { readonly op: 'loadVocabulary'; readonly modelPath: string }
  | { readonly op: 'tokenize'; readonly text: string; readonly special: boolean }
  | { readonly op: 'detokenize'; readonly tokens: readonly number[] }
  | { readonly op: 'open'; readonly sequence: number }
  | ({ readonly op: 'generate'; readonly options: Omit<GenerateOptions, 'signal'> } & SequenceCall)
  | ({
      readonly op: 'choose';
      readonly options: Options;
      readonly sampling: Omit<GenerateOptions, 'signal' | 'stop' | 'maxTokens'>;
    } & SequenceCall)
  | ({ readonly op: 'weigh'; readonly options: Options } & SequenceCall)
  | ({ readonly op: 'logprobs' } & LogprobsCall)
  | { readonly op: 'unload' }
);

/** What each call is answered with. */
export interface Results {
  readonly load: VocabularyFacts;
  readonly loadVocabulary: VocabularyFacts;
  readonly tokenize: number[];
  readonly detokenize: string;
  readonly open: null;
  readonly generate: Omit<Generated, 'tokens'>;
  readonly choose: number;
  readonly weigh: Float64Array;
  readonly logprobs: Float64Array;
  readonly unload: null;
}

export type ToChild =
  | ({ readonly id: number } & Call)
  /** The caller of `id` waits no longer. */
  | { readonly op: 'abort'; readonly id: number }
  | { readonly op: 'close'; readonly sequence: number };

export interface Failure {
  readonly code: SparkErrorCode;
  readonly message: string;
  /** In words: an error of the library does not cross processes. */
  readonly cause: string | null;
}

export interface FromChild {
  readonly id: number;
  readonly result?: Results[keyof Results];
  readonly failure?: Failure;
  /** What the call wrote into its sequence, also when it failed or was aborted half-way. */
  readonly written: readonly number[];
  /** Of its model, until now */
  readonly prefixes: PrefixCounts;
  readonly decoding: Decoding;
}

/** How a process ended: a signal or an exit code, and what it wrote to stderr. */
export interface Ending {
  readonly how: string;
  readonly stderr: string;
}

export type FromThread =
  /** Undefined when the process could not be started. */
  { readonly pid: number | undefined } | { readonly answer: FromChild } | { readonly ending: Ending };
