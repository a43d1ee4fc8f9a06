/** Every method while busy, disposed, aborted, and with every wrong argument: a typed error, and the engine still works. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, type Batch, type Critic, type Model, openModel } from '../../src/engine/index.js';
import { failure, longBatch, MODEL, makeBatch, makeChoices, temporaryFolder } from './support.js';

const folder = temporaryFolder();
let model: Model;
let adapter: Adapter;
let critic: Critic;
let shared: Critic;
const batch = makeBatch([5, 3]);
const slopes = new Float32Array(8).fill(0.5);

beforeAll(async () => {
  model = await openModel(MODEL, { threads: 2 });
  adapter = await model.createAdapter({ rank: 2 });
  critic = await model.createCritic({ rank: 2, hidden: 8 });
  shared = await model.createCritic({ trunk: adapter, hidden: 8 });
});
afterAll(() => model.dispose());

/** Each promise of the boundary, by name, on given objects. */
function everyCall(
  m: Model,
  a: Adapter,
  c: Critic,
  over: Critic,
  signal?: AbortSignal,
): Record<string, () => Promise<unknown>> {
  const options = signal === undefined ? {} : { signal };
  return {
    createAdapter: () => m.createAdapter(options),
    createCritic: () => m.createCritic(options),
    'createCritic over a trunk': () => m.createCritic({ trunk: a, ...options }),
    loadAdapter: () => m.loadAdapter(`${folder}/absent.gguf`, options),
    logprobs: () => m.logprobs(batch, null, options),
    'logprobs with an adapter': () => m.logprobs(batch, a, options),
    'model.save': () => m.save(`${folder}/model.gguf`, { adapter: a, ...options }),
    choiceLogprobs: () => m.choiceLogprobs({ ...batch, ...makeChoices() }, a, options),
    logprobsAndValues: () => m.logprobsAndValues(batch, a, c, options),
    'logprobsAndValues over a trunk': () => m.logprobsAndValues(batch, a, over, options),
    accumulate: () => a.accumulate(batch, slopes, options),
    accumulateSft: () => a.accumulateSft(batch, { normalizer: 1, ...options }),
    accumulatePolicy: () => a.accumulatePolicy(batch, { normalizer: 1, ...options }),
    'accumulatePolicy with values': () =>
      a.accumulatePolicy(batch, { normalizer: 1, value: { critic: over, normalizer: 1, coefficient: 0 }, ...options }),
    'accumulatePolicy beside a critic': () =>
      a.accumulatePolicy(batch, { normalizer: 1, value: { critic: c, normalizer: 1, coefficient: 0 }, ...options }),
    save: () => a.save(`${folder}/busy.gguf`, 'gguf', options),
    values: () => c.values(batch, options),
    accumulateValue: () => c.accumulateValue(batch, { normalizer: 1, ...options }),
    'adapter.optimizerStep': () => a.optimizerStep({ learningRate: 0, ...options }),
    'critic.optimizerStep': () => c.optimizerStep({ learningRate: 0, ...options }),
    'adapter.zeroGrad': () => a.zeroGrad(options),
    'critic.zeroGrad': () => c.zeroGrad(options),
    saveState: () => a.saveState(`${folder}/state`, options),
    loadState: () => c.loadState(`${folder}/state`, options),
    tensors: () => a.tensors('value', options),
    'adapter.plan': () => a.plan({ tokens: 4 }, options),
    'critic.plan': () => c.plan({ tokens: 4 }, options),
  };
}

describe('one call in flight', () => {
  it('refuses every other call with model_busy, naming the one that runs', async () => {
    const running = adapter.accumulateSft(longBatch(), { normalizer: 1 });
    // Refusals arrive as microtasks: the event loop does not turn, so the running call cannot end meanwhile.
    for (const [name, run] of Object.entries(everyCall(model, adapter, critic, shared))) {
      const error = await failure(run);
      expect([name, error.code]).toEqual([name, 'model_busy']);
      expect(error.message).toContain('accumulateSft');
    }
    expect((await running).tokens).toBe(16 * 249);
    await adapter.zeroGrad();
  });

  it('lets two models run at once', async () => {
    const other = await openModel(MODEL, { threads: 1 });
    const [a, b] = await Promise.all([model.logprobs(batch, null), other.logprobs(batch, null)]);
    expect(a).toEqual(b);
    other.dispose();
  });
});

describe('after dispose', () => {
  it('refuses every call with disposed', async () => {
    const m = await openModel(MODEL);
    const a = await m.createAdapter();
    const c = await m.createCritic();
    const over = await m.createCritic({ trunk: a });
    m.dispose();
    m.dispose();
    for (const [name, run] of Object.entries(everyCall(m, a, c, over))) {
      expect([name, (await failure(run)).code]).toEqual([name, 'disposed']);
    }
    a.dispose();
    expect(m.info.layers).toBe(2);
  });

  it('refuses a disposed adapter and leaves its model usable', async () => {
    const a = await model.createAdapter();
    a.dispose();
    expect((await failure(() => model.logprobs(batch, a))).code).toBe('disposed');
    expect((await failure(() => a.accumulateSft(batch, { normalizer: 1 }))).code).toBe('disposed');
    expect((await failure(() => a.saveState(`${folder}/s`))).code).toBe('disposed');
    expect(await model.logprobs(batch, null)).toHaveLength(8);
  });

  it('a critic outlives the handle of its trunk; a disposed one is no critic for a pass', async () => {
    const a = await model.createAdapter({ rank: 2, seed: 8 });
    const over = await model.createCritic({ trunk: a });
    const values = await over.values(batch);
    expect(await model.logprobsAndValues(batch, adapter, over)).toMatchObject({ values });
    a.dispose();
    expect(await model.logprobsAndValues(batch, adapter, over)).toMatchObject({ values });
    expect((await failure(() => model.logprobsAndValues(batch, a, over))).code).toBe('disposed');
    expect((await failure(() => model.createCritic({ trunk: a }))).code).toBe('disposed');
    const other = await model.createCritic({ trunk: adapter });
    const running = adapter.accumulatePolicy(longBatch(), {
      normalizer: 1,
      value: { critic: other, normalizer: 1, coefficient: 1 },
    });
    other.dispose();
    expect((await running).value).toEqual({ count: 16, lossSum: 16 });
    await adapter.zeroGrad();
    const value = { critic: other, normalizer: 1, coefficient: 1 };
    expect((await failure(() => adapter.accumulatePolicy(batch, { normalizer: 1, value }))).code).toBe('disposed');
    expect((await failure(() => model.logprobsAndValues(batch, adapter, other))).code).toBe('disposed');
  });

  it('lets the call in flight finish when disposed during it', async () => {
    const m = await openModel(MODEL);
    const a = await m.createAdapter();
    const reference = await m.logprobs(longBatch(), a);
    const running = m.logprobs(longBatch(), a);
    a.dispose();
    m.dispose();
    expect(await running).toEqual(reference);
    expect((await failure(() => m.logprobs(batch, null))).code).toBe('disposed');
  });

  it('gives no adapter from a model that was disposed while it was made', async () => {
    const m = await openModel(MODEL);
    const making = m.createAdapter();
    m.dispose();
    expect((await failure(() => making)).code).toBe('disposed');
  });
});

describe('abort', () => {
  it('before the call: interrupted, and nothing ran', async () => {
    const signal = AbortSignal.abort(new Error('stop'));
    for (const [name, run] of Object.entries(everyCall(model, adapter, critic, shared, signal))) {
      const error = await failure(run);
      expect([name, error.code]).toEqual([name, 'interrupted']);
      expect(error.cause).toBe(signal.reason);
    }
    expect(existsSync(`${folder}/busy.gguf`)).toBe(false);
    expect((await failure(() => openModel(MODEL, { signal }))).code).toBe('interrupted');
  });

  it('during the call: interrupted, and the gradients are as before', async () => {
    const a = await model.createAdapter({ rank: 2, seed: 5 });
    await a.accumulateSft(batch, { normalizer: 1 });
    const over = await model.createCritic({ trunk: a });
    await over.accumulateValue(batch, { normalizer: 1 });
    const before = await a.tensors('grad');
    const headBefore = await over.tensors('grad');
    const own = await model.createCritic({ rank: 2, hidden: 8 });
    await own.accumulateValue(batch, { normalizer: 1 });
    const ownBefore = await own.tensors('grad');
    const value = { critic: over, normalizer: 1, coefficient: 1 };
    const beside = { ...value, critic: own };
    const longSlopes = new Float32Array(longBatch().tokens.length).fill(0.1);
    for (const run of [
      (signal: AbortSignal) => a.accumulate(longBatch(), longSlopes, { signal }),
      (signal: AbortSignal) => a.accumulatePolicy(longBatch(), { normalizer: 1, value: beside, signal }),
      (signal: AbortSignal) => a.accumulateSft(longBatch(), { normalizer: 1, signal }),
      (signal: AbortSignal) => a.accumulatePolicy(longBatch(), { normalizer: 1, signal }),
      (signal: AbortSignal) => a.accumulatePolicy(longBatch(), { normalizer: 1, value, signal }),
      (signal: AbortSignal) => model.logprobsAndValues(longBatch(), a, over, { signal }),
      (signal: AbortSignal) => model.logprobsAndValues(longBatch(), a, own, { signal }),
      (signal: AbortSignal) => model.logprobs(longBatch(), a, { signal }),
      (signal: AbortSignal) => model.choiceLogprobs({ ...longBatch(), ...makeChoices() }, a, { signal }),
      (signal: AbortSignal) => a.accumulate({ ...longBatch(), ...makeChoices() }, longSlopes, { signal }),
      (signal: AbortSignal) => critic.values(longBatch(), { signal }),
      (signal: AbortSignal) => critic.accumulateValue(longBatch(), { normalizer: 1, signal }),
    ]) {
      const controller = new AbortController();
      const running = run(controller.signal);
      controller.abort();
      expect((await failure(() => running)).code).toBe('interrupted');
    }
    expect(await a.tensors('grad')).toEqual(before);
    expect(await over.tensors('grad')).toEqual(headBefore);
    expect(await own.tensors('grad')).toEqual(ownBefore);
    own.dispose();
    a.dispose();
    over.dispose();
  });

  it('during a short call: it ends, or it never began', async () => {
    const a = await model.createAdapter({ rank: 2, seed: 6 });
    await a.accumulateSft(batch, { normalizer: 1 });
    let steps = 0;
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const running = a.optimizerStep({ learningRate: 1e-3, signal: controller.signal });
      controller.abort();
      const before = steps;
      await running.then(
        ({ step }) => {
          steps = step;
        },
        (error: unknown) => expect(error).toMatchObject({ code: 'interrupted' }),
      );
      expect(steps - before).toBeLessThanOrEqual(1);
    }
    expect((await a.optimizerStep({ learningRate: 1e-3 })).step).toBe(steps + 1);
    a.dispose();
  });

  it('after the call: no effect', async () => {
    const controller = new AbortController();
    await model.logprobs(batch, null, { signal: controller.signal });
    controller.abort();
    expect(await model.logprobs(batch, null)).toHaveLength(8);
  });
});

describe('wrong arguments', () => {
  const bad = (change: Record<string, unknown>) => ({ ...batch, ...change }) as unknown as Batch;

  it.each([
    ['tokens as numbers', { tokens: [1, 2] }, /batch\.tokens: expected Int32Array, got an array/],
    ['tokens of another type', { tokens: new Float32Array(8) }, /batch\.tokens: expected Int32Array, got Float32Array/],
    ['no cuSeqlens', { cuSeqlens: undefined }, /batch\.cuSeqlens: expected Int32Array, got undefined/],
    ['lossMask of another type', { lossMask: new Int8Array(8) }, /batch\.lossMask: expected Uint8Array, got Int8Array/],
    ['lossMask too short', { lossMask: new Uint8Array(7) }, /batch\.lossMask: expected 8 values.*got 7/],
    ['a token past the vocabulary', { tokens: new Int32Array(8).fill(289) }, /batch\.tokens\[0\].*289/],
    ['a negative token', { tokens: new Int32Array(8).fill(-1) }, /batch\.tokens\[0\].*-1/],
    ['cuSeqlens past the end', { cuSeqlens: Int32Array.of(0, 9) }, /batch\.cuSeqlens\[1\]/],
    ['cuSeqlens short of the end', { cuSeqlens: Int32Array.of(0, 7) }, /batch\.cuSeqlens\[1\]/],
    ['cuSeqlens falling', { cuSeqlens: Int32Array.of(0, 5, 5, 8) }, /batch\.cuSeqlens\[2\]/],
    ['a loss on a first token', { lossMask: new Uint8Array(8).fill(1) }, /batch\.lossMask\[0\]/],
  ])('logprobs: %s', async (_, change, message) => {
    const error = await failure(() => model.logprobs(bad(change), null));
    expect(error.code).toBe('invalid_argument');
    expect(error.message).toMatch(message);
  });

  it.each([
    ['advantages of another type', { advantages: new Float64Array(8) }, /batch\.advantages: expected Float32Array/],
    ['advantages too short', { advantages: new Float32Array(3) }, /batch\.advantages: expected 8/],
    ['no oldLogprobs', { oldLogprobs: undefined }, /batch\.oldLogprobs: expected 8/],
    ['refLogprobs not finite', { refLogprobs: new Float32Array(8).fill(Number.NaN) }, /batch\.refLogprobs\[1\]/],
  ])('accumulatePolicy: %s', async (_, change, message) => {
    const error = await failure(() => adapter.accumulatePolicy(bad(change), { normalizer: 1 }));
    expect(error.code).toBe('invalid_argument');
    expect(error.message).toMatch(message);
  });

  it.each([
    ['valuePositions past the end', { valuePositions: Int32Array.of(4, 8) }, /batch\.valuePositions\[1\]/],
    ['returns too short', { returns: new Float32Array(1) }, /batch\.returns: expected 2/],
  ])('accumulateValue: %s', async (_, change, message) => {
    const error = await failure(() => critic.accumulateValue(bad(change), { normalizer: 1 }));
    expect(error.code).toBe('invalid_argument');
    expect(error.message).toMatch(message);
  });

  it.each([
    ['positions as numbers', { choicePositions: [2, 4] }, /batch\.choicePositions: expected Int32Array, got an array/],
    ['positions past the end', { choicePositions: Int32Array.of(2, 8) }, /batch\.choicePositions\[1\]/],
    ['one position twice', { choicePositions: Int32Array.of(2, 2) }, /batch\.choicePositions\[1\]: expected more/],
    ['no offsets', { choiceOffsets: undefined }, /batch\.choiceOffsets: expected 3 values/],
    ['one alternative', { choiceOffsets: Int32Array.of(0, 4, 5) }, /batch\.choiceOffsets\[2\]: expected at least 2/],
    ['tokens of another type', { choiceTokens: new Float32Array(5) }, /batch\.choiceTokens: expected Int32Array/],
    ['a token past the vocabulary', { choiceTokens: Int32Array.of(1, 2, 3, 4, 289) }, /batch\.choiceTokens\[4\].*289/],
    ['a token twice', { choiceTokens: Int32Array.of(1, 2, 1, 4, 5) }, /batch\.choiceTokens\[2\]: expected another/],
    ['targets too short', { choiceTargets: new Float32Array(4) }, /batch\.choiceTargets: expected 5 values/],
    ['a negative target', { choiceTargets: new Float32Array(5).fill(-1) }, /batch\.choiceTargets\[0\].*got -1/],
  ])('choices: %s', async (_, change, message) => {
    const error = await failure(() => adapter.accumulate(bad({ ...makeChoices(), ...change }), slopes));
    expect([error.code, error.message]).toEqual(['invalid_argument', expect.stringMatching(message)]);
    if ('choiceTargets' in change) return; // not read there
    const reading = await failure(() => model.choiceLogprobs(bad({ ...makeChoices(), ...change }), adapter));
    expect([reading.code, reading.message]).toEqual(['invalid_argument', expect.stringMatching(message)]);
  });

  const numbers = (change: Record<number, number>) => Object.assign(new Float32Array(8), change);
  it.each([
    ['numbers', [0, 1], /dlp: expected Float32Array, got an array/],
    ['of another type', new Float64Array(8), /dlp: expected Float32Array, got Float64Array/],
    ['absent', undefined, /dlp: expected Float32Array, got undefined/],
    ['too short', new Float32Array(7), /dlp: expected 8 values \(one for each token\), got 7/],
    ['too long', new Float32Array(9), /dlp: expected 8 values .*got 9/],
    ['NaN', numbers({ 2: Number.NaN }), /dlp\[2\]: expected a finite number where lossMask is 1, got nan/],
    ['infinite', numbers({ 6: Number.NEGATIVE_INFINITY }), /dlp\[6\]: expected a finite number .*got -inf/],
  ])('accumulate: slopes that are %s', async (_, dlp, message) => {
    const error = await failure(() => adapter.accumulate(batch, dlp as Float32Array));
    expect([error.code, error.message]).toEqual(['invalid_argument', expect.stringMatching(message)]);
  });

  it('accumulate: slopes that overflow name the gradient, and none joins', async () => {
    const a = await model.createAdapter({ rank: 2, seed: 5 });
    await a.accumulate(batch, slopes);
    const before = await a.tensors('grad');
    const error = await failure(() => a.accumulate(batch, new Float32Array(8).fill(3e38)));
    expect([error.code, error.message]).toEqual(['not_finite', expect.stringMatching(/gradient of blk\./)]);
    expect(await a.tensors('grad')).toEqual(before);
    // Where no loss reads them they may be anything: the first token of a sequence has none.
    expect((await a.accumulate(batch, numbers({ 0: Number.NaN }))).tokens).toBe(6);
    a.dispose();
  });

  it('options and paths, each named with what was expected', async () => {
    const any = (value: unknown) => value as never;
    const elsewhere = await model.createCritic({ trunk: await model.createAdapter(), hidden: 8 });
    const withValue = (value: unknown) => adapter.accumulatePolicy(batch, { normalizer: 1, value: any(value) });
    const cases: [() => unknown, RegExp][] = [
      [() => openModel(any(7)), /path: expected a string, got 7/],
      [() => openModel(''), /path: expected a path/],
      [() => openModel(`${MODEL}\0x`), /NUL/],
      [() => openModel(MODEL, any({ backend: 'tpu' })), /backend: expected "auto" or "cpu" or "cuda", got "tpu"/],
      [() => openModel(MODEL, { threads: -1 }), /threads: expected a whole number from 0/],
      [() => openModel(MODEL, any({ signal: 'now' })), /signal: expected an AbortSignal/],
      [() => model.createAdapter({ rank: 0 }), /rank: expected a whole number from 1/],
      [() => model.createAdapter({ rank: 1.5 }), /rank: .*got 1\.5/],
      [() => model.createAdapter({ alpha: Number.NaN }), /alpha: expected a finite number/],
      [() => model.createAdapter({ seed: -1 }), /seed/],
      [() => model.createAdapter({ targets: [] }), /targets: expected 1 to 7/],
      [() => model.createAdapter({ targets: any(['q', 'embed']) }), /embed/],
      [() => model.createAdapter({ targets: ['q', 'q'] }), /q/],
      [() => model.createAdapter(any(null)), /options: expected an object, got null/],
      [() => model.createCritic({ hidden: -4 }), /hidden/],
      [() => model.createCritic({ trunk: any(critic) }), /options\.trunk: expected an Adapter, got a Critic/],
      [() => model.createCritic({ trunk: any(null) }), /options\.trunk: expected an Adapter, got null/],
      [() => model.logprobsAndValues(batch, adapter, any(undefined)), /critic: expected a Critic, got undefined/],
      [() => model.logprobsAndValues(batch, any(critic), critic), /adapter: expected an Adapter, got a Critic/],
      [
        () => model.logprobsAndValues(bad({ valuePositions: Int32Array.of(8) }), adapter, critic),
        /batch\.valuePositions\[0\]/,
      ],
      [() => withValue(7), /options\.value: expected an object, got 7/],
      [() => withValue({ normalizer: 1, coefficient: 0 }), /options\.value\.critic: expected a Critic, got undefined/],
      [() => withValue({ critic: adapter, normalizer: 1, coefficient: 0 }), /expected a Critic, got an Adapter/],
      [() => withValue({ critic: shared, coefficient: 0 }), /value\.normalizer: expected a positive number/],
      [
        () => withValue({ critic: shared, normalizer: 1, coefficient: -1 }),
        /value\.coefficient: expected a number of at least 0, got -1/,
      ],
      [
        () => withValue({ critic: elsewhere, normalizer: 1, coefficient: 0 }),
        /value\.critic: .*got one over another adapter's trunk/,
      ],
      [() => model.logprobs(any(null), null), /batch: expected an object, got null/],
      [() => adapter.accumulateSft(batch, any(undefined)), /options: expected an object, got undefined/],
      [() => adapter.accumulateSft(batch, { normalizer: 0 }), /normalizer: expected a positive number, got 0/],
      [
        () => adapter.accumulatePolicy(batch, any({ normalizer: 1, ratio: 'word' })),
        /ratio: expected "token" or "step"/,
      ],
      [() => adapter.optimizerStep(any({})), /learningRate: expected a number, got undefined/],
      [() => adapter.optimizerStep({ learningRate: -1 }), /learningRate: expected a number of at least 0, got -1/],
      [() => adapter.save(`${folder}/x`, any('onnx')), /format: expected "gguf" or "peft", got "onnx"/],
      [() => model.save(any(7)), /path: expected a string, got 7/],
      [() => model.save(MODEL), /exists already/],
      [() => model.save(`${folder}/x`, any(null)), /options: expected an object, got null/],
      [
        () => model.save(`${folder}/x`, any({ type: 'Q4_K' })),
        /type: expected "keep" or "F32" or "F16" or "BF16" or "Q8_0", got "Q4_K"/,
      ],
      [() => adapter.tensors(any('moments')), /which: expected "value" or "grad"/],
    ];
    for (const [run, message] of cases) {
      const error = await failure(run);
      expect([error.code, error.message]).toEqual(['invalid_argument', expect.stringMatching(message)]);
    }
  });

  it('handles of the wrong kind', async () => {
    const other = await openModel(MODEL);
    const foreign = await other.createAdapter();
    const cases: [unknown, RegExp][] = [
      [critic, /adapter: expected an Adapter, got a Critic/],
      [model, /adapter: expected an Adapter, got a Model/],
      [{}, /adapter: expected an Adapter, got an object/],
      [undefined, /adapter: expected an Adapter of this model, or null for the base model, got undefined/],
      [foreign, /another model's/],
    ];
    for (const [value, message] of cases) {
      const error = await failure(() => model.logprobs(batch, value as Adapter));
      expect([error.code, error.message]).toEqual(['invalid_argument', expect.stringMatching(message)]);
      if (value === undefined) continue; // to save, no adapter at all
      const saving = await failure(() => model.save(`${folder}/x`, { adapter: value as Adapter }));
      expect([saving.code, saving.message]).toEqual(['invalid_argument', expect.stringMatching(message)]);
    }
    expect((await failure(() => model.createCritic({ trunk: foreign }))).code).toBe('adapter_mismatch');
    const value = { critic: await other.createCritic({ trunk: foreign }), normalizer: 1, coefficient: 0 };
    const error = await failure(() => adapter.accumulatePolicy(batch, { normalizer: 1, value }));
    expect([error.code, error.message]).toEqual(['invalid_argument', expect.stringMatching(/another model's/)]);
    const reading = await failure(() => model.logprobsAndValues(batch, adapter, value.critic));
    expect([reading.code, reading.message]).toEqual(['invalid_argument', expect.stringMatching(/another model's/)]);
    other.dispose();
  });

  it('a getter that throws is passed on and frees the model', async () => {
    const thrower = Object.defineProperty({ ...batch }, 'lossMask', {
      get() {
        throw new Error('from the getter');
      },
    });
    const error = await failure(() => model.logprobs(thrower as Batch, null));
    expect(error.message).toContain('from the getter');
    expect(await model.logprobs(batch, null)).toHaveLength(8);
  });

  it('a getter that disposes the model meets disposed', async () => {
    const m = await openModel(MODEL);
    const sly = Object.defineProperty({ ...batch }, 'lossMask', {
      get() {
        m.dispose();
        return batch.lossMask;
      },
    });
    expect((await failure(() => m.logprobs(sly as Batch, null))).code).toBe('disposed');
  });
});

describe('arrays that change under the call', () => {
  it('overwritten or transferred away meanwhile: the call keeps what it was given', async () => {
    const reference = await model.logprobs(longBatch(), null);
    const overwritten = longBatch();
    const first = model.logprobs(overwritten, null);
    overwritten.tokens.fill(2 ** 30);
    overwritten.cuSeqlens.fill(-1);
    expect(await first).toEqual(reference);

    const a = await model.createAdapter({ rank: 2 });
    const dlp = new Float32Array(overwritten.tokens.length).fill(0.1);
    const learning = a.accumulate(longBatch(), dlp);
    dlp.fill(Number.NaN);
    expect((await learning).logprobs).toEqual(reference);
    a.dispose();

    const moved = longBatch();
    const second = model.logprobs(moved, null);
    for (const array of [moved.tokens, moved.cuSeqlens, moved.lossMask]) {
      structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
    }
    expect(await second).toEqual(reference);
  });

  it('detached or shrunk before the call: a typed error', async () => {
    const detached = makeBatch([5, 3]);
    structuredClone(detached.tokens.buffer, { transfer: [detached.tokens.buffer as ArrayBuffer] });
    expect((await failure(() => model.logprobs(detached, null))).code).toBe('invalid_argument');

    type Resizable = ArrayBuffer & { resize(bytes: number): void };
    const make = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => Resizable;
    const buffer = new make(32, { maxByteLength: 64 });
    const tokens = new Int32Array(buffer);
    expect(await model.logprobs({ ...batch, tokens }, null)).toHaveLength(8);
    buffer.resize(8);
    expect((await failure(() => model.logprobs({ ...batch, tokens }, null))).code).toBe('invalid_argument');
  });

  it('shared memory is read like any other', async () => {
    const tokens = new Int32Array(new SharedArrayBuffer(32));
    tokens.set(batch.tokens);
    expect(await model.logprobs({ ...batch, tokens }, null)).toEqual(await model.logprobs(batch, null));
  });
});
