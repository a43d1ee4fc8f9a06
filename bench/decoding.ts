/**
 * Measures a Generator alone: prompt and decoding, tokens/s, at 1 and at 8 sequences.
 *
 *   npx vite-node bench/decoding.ts [--model models/spark-tiny.gguf] [--prompt 128] [--written 32] [--rounds 3] [--threads 0]
 *
 * Each row twice: `process`, by openLlamaCpp, where llama.cpp runs in a process of its own with a pool of one thread a
 * context; `here`, the same code in this process, whose calls rotate over libuv's pool of four. They alternate, so that
 * their ratio holds beside other work; the rates do only on an idle machine. The prompts have no common start. llama.cpp's
 * own `llama-batched-bench -m MODEL -npp 128 -ntg 32 -npl 1,8 -t N` gives the peer's rates (columns S_PP and S_TG);
 * `node scripts/build-llama.mjs llama-batched-bench` builds it.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { WeighingSequence } from '../src/inference/generator.js';
import { checkModelFile } from '../src/inference/ggufCheck.js';
import { openLlamaCpp } from '../src/inference/llamaCpp.js';
import { LoadedModel } from '../src/inference/llamaModel.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../models/spark-tiny.gguf', import.meta.url)) },
    prompt: { type: 'string', default: '128' },
    written: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '0' },
  },
});
const prompt = Number(flags.prompt);
const written = Number(flags.written);
const threads = Number(flags.threads);
const contextSize = prompt + written + 1;

interface Rates {
  readonly prompt: number;
  readonly decoding: number;
}

type Open = () => Promise<WeighingSequence>;

/** A different prompt each time: nothing of it is evaluated already. */
let prompts = 0;
function nextPrompt(): number[] {
  prompts += 1;
  return Array.from({ length: prompt }, (_, at) => 100 + ((prompts * 7919 + at * 104_729) % 1000));
}

/** Tokens/s of prompts and of decoding, `count` sequences together. */
async function rates(open: Open, count: number): Promise<Rates> {
  const sequences = await Promise.all(Array.from({ length: count }, open));
  const began = performance.now();
  const sampling = { temperature: 0, seed: 1, stop: [] };
  // Weighing two tokens evaluates the prompt and writes nothing.
  for (const sequence of sequences) sequence.append(nextPrompt());
  await Promise.all(sequences.map((sequence) => sequence.weigh([[1], [2]])));
  const read = performance.now();
  // A model may end its turn early: it is asked again until all is written.
  const counts = await Promise.all(
    sequences.map(async (sequence) => {
      let drawn = 0;
      while (drawn < written) {
        const { tokens: some, finish } = await sequence.generate({ ...sampling, maxTokens: written - drawn });
        drawn += some.length;
        if (finish !== 'end') continue;
        sequence.append([nextPrompt()[0]!]);
        drawn += 1;
      }
      return drawn;
    }),
  );
  const ended = performance.now();
  for (const sequence of sequences) sequence.dispose();
  const total = counts.reduce((sum, one) => sum + one, 0);
  return { prompt: (count * prompt) / ((read - began) / 1000), decoding: total / ((ended - read) / 1000) };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const { bytes } = checkModelFile(flags.model);
console.log(
  `${flags.model}, ${prompt} tokens of prompt, ${written} written, median of ${flags.rounds} rounds, tokens/s`,
);
console.log('sequences  prompt: process, here, ratio    decoding: process, here, ratio');
for (const count of [1, 8]) {
  const options = { modelPath: flags.model, sequences: count, contextSize, threads };
  const remote = await openLlamaCpp(options);
  const { signal } = new AbortController();
  const alike = { inFlight: count, deterministic: false, gpu: false, kvCacheType: 'F16', bytes } as const;
  const here = await LoadedModel.load({ ...options, ...alike }, signal);
  const all = { process: [] as Rates[], here: [] as Rates[] };
  for (let round = 0; round <= Number(flags.rounds); round++) {
    const one = { process: await rates(() => remote.open(), count), here: await rates(() => here.open(signal), count) };
    if (round === 0) continue; // the first reads the weights
    all.process.push(one.process);
    all.here.push(one.here);
  }
  const row = (['prompt', 'decoding'] as const).map((what) => {
    const [there, own] = [median(all.process.map((one) => one[what])), median(all.here.map((one) => one[what]))];
    const ratio = median(all.process.map((one, at) => one[what] / all.here[at]![what]));
    return `${there.toFixed(0)}, ${own.toFixed(0)}, ${ratio.toFixed(2)}`.padEnd(24);
  });
  console.log(`${String(count).padEnd(11)}${row.join('        ')}`);
  await Promise.all([remote.dispose(), here.dispose()]);
}
