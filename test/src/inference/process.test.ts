/** llama.cpp in a process of its own: who shares it, what ends it and what that ends, and that it computes the same. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { LoadedModel } from '../../../src/inference/llamaModel.js';
import { LlamaProcess } from '../../../src/inference/llamaProcess.js';
import { RemoteModel } from '../../../src/inference/remoteModel.js';
import { RemoteSequence } from '../../../src/inference/remoteSequence.js';
import { openTokenizer } from '../../../src/inference/remoteVocabulary.js';
import { endsTheRun } from '../../../src/rollout/ask.js';
import { isAlive } from '../../processes.js';
import { full } from '../full.js';
import { MODEL, OPTIONS } from './tinyModel.js';

const TOKENS = [5, 6, 7, 8, 9, 10];
const DRAWN = { temperature: 0.8, seed: 3, stop: [], maxTokens: 8 };
const never = new AbortController().signal;

/** Disposed of when the test ends, also when it fails: the next test would wait for its place. */
async function sequenceOf(model: RemoteModel): Promise<RemoteSequence> {
  const sequence = new RemoteSequence(model, await model.open(), OPTIONS.contextSize, () => undefined);
  onTestFinished(() => sequence.dispose());
  return sequence;
}

describe('a model in a process of its own', () => {
  let model: RemoteModel;
  beforeAll(async () => {
    vi.stubEnv('SOME_API_KEY', 'sk-not-for-a-child-4711');
    model = await RemoteModel.load(OPTIONS, 1, undefined);
    vi.unstubAllEnvs();
  });
  afterAll(() => model?.unload());

  it('computes what this process would, to the bit', async () => {
    const here = await LoadedModel.load(OPTIONS, never);
    const options = [[11, 12], [11, 13], [14]];
    const local = await here.open(never);
    const remote = await sequenceOf(model);
    for (const sequence of [local, remote]) sequence.append(TOKENS);
    expect(await remote.weigh(options)).toEqual(await local.weigh(options));
    expect(await remote.generate(DRAWN)).toEqual(await local.generate(DRAWN));
    for (const sequence of [local, remote]) {
      sequence.rewind(4);
      sequence.append([20, 21]);
      sequence.rewind(5);
    }
    const sampling = { temperature: 1, seed: 9 };
    expect(await remote.choose(options, sampling)).toBe(await local.choose(options, sampling));
    expect(await remote.generate(DRAWN)).toEqual(await local.generate(DRAWN));
    expect(remote.tokens).toEqual(local.tokens);
    expect(remote.tokens.slice(0, 5)).toEqual([...TOKENS.slice(0, 4), 20]);
    // It fails at the end of the context, and keeps what was written until there.
    const whole = { ...DRAWN, maxTokens: 100 };
    const ends = await Promise.allSettled([remote.generate(whole), local.generate(whole)]);
    for (const end of ends) expect(end).toMatchObject({ reason: { code: 'context_overflow' } });
    expect(remote.tokens).toHaveLength(OPTIONS.contextSize);
    expect(remote.tokens).toEqual(local.tokens);
    for (const sequence of [local, remote]) sequence.dispose();
    const call = { tokens: TOKENS, quick: false };
    expect(await model.call<'logprobs'>({ op: 'logprobs', ...call })).toEqual(await here.logprobs(call, never));
    expect(model.prefixes).toEqual(here.prefixes);
    await here.dispose();
  });

  it('keeps what was written before an abort, and goes on from there', async () => {
    const sequence = await sequenceOf(model);
    sequence.append(TOKENS);
    const controller = new AbortController();
    const long = sequence.generate({ ...DRAWN, maxTokens: 50, signal: controller.signal });
    expect(() => sequence.append([1])).toThrow(expect.objectContaining({ code: 'model_busy' }));
    controller.abort();
    await expect(long).rejects.toMatchObject({ code: 'interrupted' });
    expect(sequence.tokens.slice(0, TOKENS.length)).toEqual(TOKENS);
    sequence.rewind(TOKENS.length);
    const fresh = await sequenceOf(model);
    fresh.append(TOKENS);
    expect(await sequence.generate(DRAWN)).toEqual(await fresh.generate(DRAWN));
    sequence.dispose();
    fresh.dispose();
    await expect(sequence.generate(DRAWN)).rejects.toMatchObject({ code: 'disposed' });
  });

  it('refuses what cannot be said to another process, and lives on', async () => {
    const sequence = await sequenceOf(model);
    sequence.append(TOKENS);
    const odd = { ...DRAWN, stop: [(() => '') as unknown as string] };
    await expect(sequence.generate(odd)).rejects.toMatchObject({ code: 'invalid_argument' });
    expect((await sequence.generate({ ...DRAWN, maxTokens: 1 })).tokens).toHaveLength(1);
    sequence.dispose();
  });

  it('shares its process with who opens the file again, and leaves it to the next model', async () => {
    const again = await RemoteModel.load(OPTIONS, 1, undefined);
    expect(again.pid).toBe(model.pid);
    await again.unload();
    const sequence = await sequenceOf(model);
    sequence.append(TOKENS);
    expect((await sequence.generate(DRAWN)).tokens.length).toBeGreaterThan(0);
    sequence.dispose();
    const { pid } = model;
    await model.unload();
    model = await RemoteModel.load(OPTIONS, 1, undefined);
    expect(model.pid).toBe(pid);
  });

  it('leaves its process alone when another file is opened, and that one’s ends when nobody wants it', async () => {
    const other = await LlamaProcess.take(path.resolve('test/fixtures/parity.gguf'), 1);
    expect(other.pid).not.toBe(model.pid);
    // Nor does one with another pool serve it, but for what decodes nothing.
    const wide = await LlamaProcess.take(path.resolve('test/fixtures/parity.gguf'), 2);
    expect(wide).not.toBe(other);
    expect(await LlamaProcess.take(path.resolve('test/fixtures/parity.gguf'), null)).toBe(wide);
    wide.kill();
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    other.give(path.resolve('test/fixtures/parity.gguf'));
    vi.advanceTimersByTime(50_000);
    expect(await LlamaProcess.take('another.gguf', 1)).toBe(other);
    other.give('another.gguf');
    vi.advanceTimersByTime(70_000);
    vi.useRealTimers();
    await vi.waitFor(() => expect(isAlive(other.pid!)).toBe(false), { timeout: 60_000 });
    expect(isAlive(model.pid!)).toBe(true);
  });

  it.runIf(process.platform === 'linux')('has a pool of one thread for each context, and no secret', () => {
    const environment = readFileSync(`/proc/${model.pid}/environ`, 'utf8').split('\0');
    expect(environment).toContain('UV_THREADPOOL_SIZE=1');
    expect(environment).toContain('OMP_WAIT_POLICY=passive');
    expect(environment.join()).not.toMatch(/SOME_API_KEY|4711/);
  });

  it('ends with a coded error when it is killed, which no question is skipped for', async () => {
    const sequence = await sequenceOf(model);
    sequence.append(TOKENS);
    process.kill(model.pid!, 'SIGSTOP'); // it must not be done before it is killed
    const written = sequence.generate(DRAWN);
    process.kill(model.pid!, 'SIGKILL');
    const ended = { code: 'inference_ended', message: expect.stringMatching(/SIGKILL.*run the same command again/) };
    const error = await written.catch((failure: Error) => failure);
    expect(error).toMatchObject(ended);
    expect(endsTheRun(error as never)).toBe(true);
    await expect(model.open()).rejects.toMatchObject(ended);
    sequence.dispose();
    await model.unload();
  });
});

describe('the end of a process', () => {
  const root = mkdtempSync(path.join(tmpdir(), 'spark-process-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('while it loads is that of a damaged file, in the words of llama.cpp', async () => {
    const bytes = readFileSync('test/fixtures/parity.gguf');
    bytes.writeBigUInt64LE(0x1_0000_0000n, 478); // what checkModelFile refuses before
    const modelPath = path.join(root, 'damaged.gguf');
    writeFileSync(modelPath, bytes);
    await expect(RemoteModel.load({ ...OPTIONS, modelPath }, 1, undefined)).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(
        /damaged\.gguf ended the process that loaded it \(SIGABRT: .*(assert|abort|what)/i,
      ),
    });
  });

  it('is brought about when a load that was aborted does not end', async () => {
    const file = path.join(root, 'never-loaded.gguf');
    const { pid } = await LlamaProcess.take(file, 1);
    process.kill(pid!, 'SIGSTOP');
    const controller = new AbortController();
    const loading = RemoteModel.load({ ...OPTIONS, modelPath: file }, 1, controller.signal);
    setTimeout(() => controller.abort(), 10);
    await expect(loading).rejects.toMatchObject({ code: 'interrupted' });
    expect(isAlive(pid!)).toBe(false);
  });

  it('is brought about when a file is loaded for longer than any disk would take', async () => {
    const file = path.join(root, 'loaded-for-ever.gguf');
    const { pid } = await LlamaProcess.take(file, 1);
    process.kill(pid!, 'SIGSTOP');
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const failed = RemoteModel.load({ ...OPTIONS, modelPath: file }, 1).catch((error: Error) => error);
    await new Promise(setImmediate); // by then it has been asked
    vi.advanceTimersByTime(122_000); // 120 s, and 1 s for its 20 MB
    expect(await failed).toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(/loaded-for-ever\.gguf ended .* \(no answer in 121 seconds\)/),
    });
    expect(isAlive(pid!)).toBe(false);
  });

  it('is told to who tokenises, and the next who opens the vocabulary has another', async () => {
    const tokenizer = await openTokenizer(MODEL);
    const model = await RemoteModel.loadVocabulary(MODEL, 1); // in the same process, whose name it tells
    for (let i = 0; i < 2; i++) tokenizer.tokenize('Say it', false).length = 0; // the caller's own to change
    expect(tokenizer.detokenize(tokenizer.tokenize('Say it', false))).toBe('Say it');
    process.kill(model.pid!, 'SIGKILL');
    expect(() => tokenizer.tokenize('anew', false)).toThrow(
      expect.objectContaining({ code: 'inference_ended', message: expect.stringMatching(/SIGKILL/) }),
    );
    const again = await openTokenizer(MODEL);
    expect(again.tokenize('anew', false).length).toBeGreaterThan(0);
    for (const one of [tokenizer, again]) await one.dispose();
  });

  it.runIf(full)('is brought about when it does not answer who stands still for it', async () => {
    const model = await RemoteModel.loadVocabulary(MODEL, 1);
    process.kill(model.pid!, 'SIGSTOP');
    expect(() => model.callAndWait({ op: 'tokenize', text: 'a', special: false })).toThrow(/no answer in 60 seconds/);
    await vi.waitUntil(() => !isAlive(model.pid!), { timeout: 20_000 });
  });

  it('does not come for a vocabulary that somebody else still has open', async () => {
    const [one, other] = await Promise.all([openTokenizer(MODEL), openTokenizer(MODEL)]);
    await one.dispose();
    expect(() => one.tokenize('a', false)).toThrow(expect.objectContaining({ code: 'disposed' }));
    expect(other.tokenize('a word of its own', false).length).toBeGreaterThan(0);
    await other.dispose();
  });

  it('is not waited for by a program that has nothing else to do', async () => {
    const program = `
      import { LlamaProcess } from ${JSON.stringify(path.resolve('dist/inference/llamaProcess.js'))};
      await LlamaProcess.take('x.gguf', 1);
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program]);
    expect(await new Promise((resolve) => parent.once('close', resolve))).toBe(0);
  });

  it('follows that of who started it, however that ended', async () => {
    const program = `
      import { LlamaProcess } from ${JSON.stringify(path.resolve('dist/inference/llamaProcess.js'))};
      const one = await LlamaProcess.take('x.gguf', 1);
      console.log(one.pid);
      setInterval(() => {}, 1000);
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program]);
    const child = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    expect(isAlive(child)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitUntil(() => !isAlive(child), { timeout: 20_000 });
  });
});
