/**
 * Entry of the process in which llama.cpp runs. It serves one model at a time: the next may be loaded when the last is
 * unloaded. llama.cpp's assertions end this process, not the host's; libuv's pool here is as large as llama.cpp's
 * contexts are many (UV_THREADPOOL_SIZE), so that its calls stay on one thread.
 */
import { SparkError, toSparkError } from '../errors.js';
import type { WeighingSequence } from './generator.js';
import type { Call, FromChild, Results, ToChild } from './llamaMessages.js';
import { disposedError, LoadedModel } from './llamaModel.js';
import type { PrefixCounts } from './sequencePool.js';

let model: LoadedModel | null = null;
let prefixes: PrefixCounts = { reused: 0, evaluated: 0 };
const sequences = new Map<number, WeighingSequence>();
const aborts = new Map<number, AbortController>();
/** Calls under way, but for `unload`, which waits for them. */
const running = new Set<Promise<void>>();

// The host is gone. Not process.exit, which would wait for the call that the pool is in.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (message: ToChild) => {
  if (message.op === 'abort') aborts.get(message.id)?.abort();
  else if (message.op === 'close') close(message.sequence);
  else if (message.op === 'unload') void answer(message);
  else {
    const call = answer(message);
    running.add(call);
    void call.finally(() => running.delete(call));
  }
});

async function answer(call: { readonly id: number } & Call): Promise<void> {
  const abort = new AbortController();
  aborts.set(call.id, abort);
  const written: number[] = [];
  let outcome: Pick<FromChild, 'result' | 'failure'>;
  try {
    outcome = { result: await perform(call, abort.signal, written) };
  } catch (error) {
    const { code, message, cause } = toSparkError(error);
    outcome = { failure: { code, message, cause: cause === undefined ? null : String(cause) } };
  }
  aborts.delete(call.id);
  if (model !== null) prefixes = model.prefixes;
  process.send!({ id: call.id, ...outcome, written, prefixes } satisfies FromChild);
}

async function perform(call: Call, signal: AbortSignal, written: number[]): Promise<Results[keyof Results]> {
  switch (call.op) {
    case 'load':
      model = await LoadedModel.load(call.options, signal);
      return null;
    case 'open':
      sequences.set(call.sequence, await loaded().open(signal));
      return null;
    case 'logprobs':
      return loaded().logprobs(call, signal);
    case 'unload':
      await unload();
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

function loaded(): LoadedModel {
  if (model === null) throw disposedError();
  return model;
}

function close(name: number): void {
  sequences.get(name)?.dispose();
  sequences.delete(name);
}

async function unload(): Promise<void> {
  // A sequence that is opened meanwhile is opened on nothing.
  const old = model;
  model = null;
  await old?.dispose();
  await Promise.all(running);
  sequences.clear();
}
