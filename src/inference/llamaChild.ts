/**
 * Entry of the process in which llama.cpp runs. llama.cpp's assertions end this process, not the host's; libuv's pool
 * here is as large as the contexts are many that decode at the same time (UV_THREADPOOL_SIZE), so that its calls stay on
 * one thread.
 */
import { SparkError, toSparkError } from '../errors.js';
import type { WeighingSequence } from './generator.js';
import type { Call, FromChild, Results, ToChild } from './llamaMessages.js';
import { disposedError, LoadedModel } from './llamaModel.js';
import { LlamaVocabulary } from './llamaVocabulary.js';

const NONE: Pick<FromChild, 'prefixes' | 'decoding'> = {
  prefixes: { reused: 0, evaluated: 0, again: 0 },
  decoding: { busyMs: 0, spanMs: 0 },
};

const models = new Map<number, LoadedModel>();
/** Of each of `models`, and those that are loaded without weights. */
const vocabularies = new Map<number, LlamaVocabulary>();
const sequences = new Map<number, WeighingSequence>();
const aborts = new Map<number, AbortController>();
/** Calls under way and the model of each. */
const running = new Map<Promise<void>, number>();

// The host is gone. Not process.exit, which would wait for the call that the pool is in.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (message: ToChild) => {
  if (message.op === 'abort') aborts.get(message.id)?.abort();
  else if (message.op === 'close') close(message.sequence);
  else {
    const call = answer(message);
    // `unload` waits for the others.
    if (message.op === 'unload') return;
    running.set(call, message.model);
    void call.finally(() => running.delete(call));
  }
});

async function answer(call: { readonly id: number } & Call): Promise<void> {
  const abort = new AbortController();
  aborts.set(call.id, abort);
  const written: number[] = [];
  let counted = models.get(call.model);
  let outcome: Pick<FromChild, 'result' | 'failure'>;
  try {
    outcome = { result: await perform(call, abort.signal, written) };
  } catch (error) {
    const { code, message, cause } = toSparkError(error);
    outcome = { failure: { code, message, cause: cause === undefined ? null : String(cause) } };
  }
  aborts.delete(call.id);
  counted ??= models.get(call.model);
  const { prefixes, decoding } = counted ?? NONE;
  process.send!({ id: call.id, ...outcome, written, prefixes, decoding } satisfies FromChild);
}

async function perform(call: Call, signal: AbortSignal, written: number[]): Promise<Results[keyof Results]> {
  switch (call.op) {
    case 'load':
      models.set(call.model, await LoadedModel.load(call.options, signal));
      vocabularies.set(call.model, modelOf(call).vocabulary);
      return vocabularyOf(call).facts;
    case 'loadVocabulary':
      vocabularies.set(call.model, await LlamaVocabulary.load(call.modelPath));
      return vocabularyOf(call).facts;
    case 'tokenize':
      return vocabularyOf(call).tokenize(call.text, call.special);
    case 'detokenize':
      return vocabularyOf(call).detokenize(call.tokens);
    case 'open':
      sequences.set(call.sequence, await modelOf(call).open(signal));
      return null;
    case 'logprobs':
      return modelOf(call).logprobs(call, signal);
    case 'unload':
      await unload(call.model);
      return null;
    default:
      return inSequence(call, signal, written);
  }
}

async function inSequence(
  call: Extract<Call, { readonly from: number }>,
  signal: AbortSignal,
  written: number[],
): Promise<Results[keyof Results]> {
  const sequence = sequences.get(call.sequence);
  if (sequence === undefined) throw new SparkError('disposed', 'this sequence was disposed; open another');
  if (call.from < sequence.tokens.length) sequence.rewind(call.from);
  if (call.tail.length > 0) sequence.append(call.tail);
  const length = call.from + call.tail.length;
  try {
    switch (call.op) {
      case 'generate': {
        const { text, finish } = await sequence.generate({ ...call.options, signal });
        return { text, finish };
      }
      case 'choose':
        return await sequence.choose(call.options, { ...call.sampling, signal });
      default:
        return await sequence.weigh(call.options, signal);
    }
  } finally {
    for (const token of sequence.tokens.slice(length)) written.push(token);
  }
}

function modelOf({ model }: Call): LoadedModel {
  const found = models.get(model);
  if (found === undefined) throw disposedError();
  return found;
}

function vocabularyOf({ model }: Call): LlamaVocabulary {
  const found = vocabularies.get(model);
  if (found === undefined) throw disposedError();
  return found;
}

function close(name: number): void {
  sequences.get(name)?.dispose();
  sequences.delete(name);
}

async function unload(name: number): Promise<void> {
  const model = models.get(name) ?? vocabularies.get(name);
  models.delete(name);
  vocabularies.delete(name);
  await model?.dispose();
  await Promise.all([...running].flatMap(([call, its]) => (its === name ? [call] : [])));
}
