/**
 * Measures rollouts by the generator alone: no judge, no tool but think.
 *
 *   npx vite-node bench/generation.ts [--model models/spark-tiny.gguf] [--each 2] [--sequences 16] [--written 8] [--instructions]
 *
 * `prompt tokens`: a rollout's prompt is `evaluated` from the first token that no sequence holds yet; the rest is
 * `reused`. Without reuse both together would be evaluated. `--instructions` writes them for a model that was trained
 * without, as the shipped one was. `--each`: questions of each of 14 categories. `--written`: most tokens of each thought,
 * input and answer. `cpu` is processor time of all threads; beside other work only it can be compared, in runs that
 * alternate.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Generator } from '../src/inference/generator.js';
import { openLlamaCpp } from '../src/inference/llamaCpp.js';
import { makeMini } from '../src/questions/mini.js';
import { isTrajectory } from '../src/rollout/rollout.js';
import { runRollouts } from '../src/rollout/run.js';
import { ToolRegistry } from '../src/tools/registry.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../models/spark-tiny.gguf', import.meta.url)) },
    each: { type: 'string', default: '2' },
    sequences: { type: 'string', default: '16' },
    written: { type: 'string', default: '8' },
    instructions: { type: 'boolean', default: false },
  },
});
const written = Number(flags.written);
const questions = makeMini({ seed: 1, perCategory: Number(flags.each), split: 'train' });

const llama = await openLlamaCpp({
  modelPath: flags.model,
  sequences: Number(flags.sequences),
  contextSize: 1024 + 12 * written,
});
const generator: Generator = {
  id: llama.id,
  contextSize: llama.contextSize,
  sequences: llama.sequences,
  chatTemplate: llama.chatTemplate,
  bosText: llama.bosText,
  eosText: llama.eosText,
  wantsInstructions: flags.instructions || llama.wantsInstructions,
  tokenize: (text, special) => llama.tokenize(text, special),
  detokenize: (tokens) => llama.detokenize(tokens),
  open: (signal) => llama.open(signal),
  dispose: () => llama.dispose(),
};
const settings = {
  selection: 'policy',
  tau: 6,
  maxSteps: 2,
  temperature: 0.7,
  maxThoughtTokens: written,
  maxInputTokens: written,
  maxAnswerTokens: written,
  stepRetries: 0,
  toolTimeoutMs: 10_000,
  maxObservationChars: 400,
  seed: 1,
  attempt: 0,
  minSteps: 0,
  example: false,
  answer: 'auto',
} as const;

/** Processor seconds of this process and, on Linux, of that in which llama.cpp runs. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  let seconds = (user + system) / 1e6;
  if (process.platform !== 'linux') return seconds;
  for (const child of readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')) {
    if (child === '') continue;
    const fields = readFileSync(`/proc/${child}/stat`, 'utf8').split(') ')[1]!.split(' ');
    seconds += (Number(fields[11]) + Number(fields[12])) / 100; // in hundredths of a second
  }
  return seconds;
}

const began = performance.now();
const before = processorSeconds();
let tokens = 0;
const deps = { generator, judge: null, tools: new ToolRegistry() };
const { trajectories } = await runRollouts(questions, deps, settings, (result) => {
  if (isTrajectory(result)) tokens += result.tokens.length;
});
const cpu = processorSeconds() - before;
const { reused, evaluated } = llama.prefixes;
await llama.dispose();
console.log(`rollouts       ${trajectories}, ${tokens} tokens with their prompts`);
console.log(`prompt tokens  ${evaluated} evaluated, ${reused} reused: ${(evaluated / trajectories).toFixed(0)} of`);
console.log(`               ${((evaluated + reused) / trajectories).toFixed(0)} a rollout`);
console.log(`wall           ${((performance.now() - began) / 1000).toFixed(1)} s`);
console.log(`cpu            ${cpu.toFixed(1)} s`);
