/**
 * Measures what a call through the addon costs, from JavaScript to the engine and back.
 *
 *   npx vite-node bench/addon.ts [--model FILE.gguf] [--tokens 512] [--threads 0] [--seconds 2] [--json]
 *
 * `empty batch` measures the boundary alone: arguments, thread pool, promise. The others work on one packed batch of
 * `--tokens` tokens in sequences of at most 256. `--json` prints one document, with machine and commit.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Benchmark from 'benchmark';
import { type Batch, type Model, type ModelInfo, openModel } from '../src/engine/index.js';

interface Result {
  readonly name: string;
  readonly meanMs: number;
  /** Relative margin of error, per cent */
  readonly rme: number;
  readonly samples: number;
  /** Only for calls that work through the batch */
  readonly tokensPerSecond?: number;
}

interface Case {
  readonly name: string;
  readonly tokens: number;
  readonly run: () => Promise<unknown>;
}

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../test/fixtures/parity.gguf', import.meta.url)) },
    tokens: { type: 'string', default: '512' },
    threads: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});

function makeBatch(info: ModelInfo, tokens: number): Batch {
  const longest = Math.min(256, info.contextLength);
  const starts = Array.from({ length: Math.ceil(tokens / longest) }, (_, i) => i * longest);
  const lossMask = new Uint8Array(tokens).fill(1);
  for (const start of starts) lossMask[start] = 0;
  return {
    tokens: Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % info.vocabulary),
    cuSeqlens: Int32Array.from([...starts, tokens]),
    lossMask,
    oldLogprobs: new Float32Array(tokens).fill(-5),
    refLogprobs: new Float32Array(tokens).fill(-5),
    advantages: new Float32Array(tokens).fill(0.1),
    valuePositions: Int32Array.from([...starts.slice(1), tokens], (end) => end - 1),
    returns: new Float32Array(starts.length),
  };
}

async function makeCases(model: Model, tokens: number): Promise<Case[]> {
  const adapter = await model.createAdapter();
  const critic = await model.createCritic();
  const empty: Batch = { tokens: new Int32Array(0), cuSeqlens: Int32Array.of(0), lossMask: new Uint8Array(0) };
  const small = makeBatch(model.info, 8);
  const full = makeBatch(model.info, tokens);
  const { signal } = new AbortController();
  const normalizer = tokens;
  return [
    { name: 'empty batch', tokens: 0, run: () => model.logprobs(empty, null) },
    { name: 'empty batch, abortable', tokens: 0, run: () => model.logprobs(empty, null, { signal }) },
    { name: 'logprobs, 8 tokens', tokens: 8, run: () => model.logprobs(small, null) },
    { name: 'logprobs, base', tokens, run: () => model.logprobs(full, null) },
    { name: 'logprobs, adapter', tokens, run: () => model.logprobs(full, adapter) },
    { name: 'values', tokens, run: () => critic.values(full) },
    { name: 'accumulateSft', tokens, run: () => adapter.accumulateSft(full, { normalizer }) },
    { name: 'accumulatePolicy', tokens, run: () => adapter.accumulatePolicy(full, { normalizer }) },
    { name: 'accumulateValue', tokens, run: () => critic.accumulateValue(full, { normalizer }) },
    // With rate 0 the arithmetic is the same, and every step computes on the same weights.
    { name: 'optimizerStep', tokens: 0, run: () => adapter.optimizerStep({ learningRate: 0 }) },
  ];
}

function measure(cases: readonly Case[], seconds: number): Promise<Result[]> {
  return new Promise((resolve, reject) => {
    const suite = new Benchmark.Suite();
    const results: Result[] = [];
    let failed: unknown;
    for (const { name, tokens, run } of cases) {
      suite.add(name, {
        defer: true,
        maxTime: seconds,
        fn: (deferred: Benchmark.Deferred) => {
          run().then(
            () => deferred.resolve(),
            (error: unknown) => {
              failed = error;
              suite.abort();
              deferred.resolve();
            },
          );
        },
        onComplete(this: Benchmark) {
          if (failed !== undefined) return;
          const { stats } = this;
          const rate = tokens > 0 ? { tokensPerSecond: tokens / stats.mean } : {};
          results.push({ name, meanMs: stats.mean * 1e3, rme: stats.rme, samples: stats.sample.length, ...rate });
        },
      });
    }
    suite.on('complete', () => (failed === undefined ? resolve(results) : reject(failed)));
    suite.run({ async: true });
  });
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

const model = await openModel(flags.model, { threads: Number(flags.threads) });
const results = await measure(await makeCases(model, Number(flags.tokens)), Number(flags.seconds));
if (flags.json) {
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
  const { path, ...shape } = model.info;
  const command = `bench/addon.ts --tokens ${flags.tokens} --threads ${flags.threads} --seconds ${flags.seconds}`;
  const document = { commit: commit(), machine, command, model: { file: path.split('/').pop(), ...shape }, results };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
} else {
  for (const { name, meanMs, rme, tokensPerSecond } of results) {
    const rate = tokensPerSecond === undefined ? '' : `${Math.round(tokensPerSecond).toLocaleString('en')} tokens/s`;
    console.log(`${name.padEnd(24)} ${meanMs.toFixed(4).padStart(10)} ms  ±${rme.toFixed(1).padStart(5)} %  ${rate}`);
  }
}
model.dispose();
