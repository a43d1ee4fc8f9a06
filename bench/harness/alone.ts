/** Measurements of our side alone: calls of the addon, single ops, cost by number of tokens and threads, and recompute. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { modelFile, program, root } from './build.js';
import type { Measured } from './contender.js';
import { atLeast, atMost, type Bar, table } from './standing.js';

const execFileAsync = promisify(execFile);

async function json<T>(command: readonly string[]): Promise<T> {
  const { stdout } = await execFileAsync(command[0]!, command.slice(1), { cwd: root, maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as T;
}

export interface Alone {
  readonly title: string;
  readonly text: string;
  readonly bars: readonly Bar[];
  readonly numbers: unknown;
}

interface AddonDocument {
  readonly results: readonly { name: string; meanMs: number; tokensPerSecond?: number }[];
}

export async function addonCalls(threads: number, seconds: number): Promise<Alone> {
  const script = ['node_modules/.bin/vite-node', 'bench/addon.ts', '--', '--json'];
  const numbers = await json<AddonDocument>([...script, '--threads', String(threads), '--seconds', String(seconds)]);
  const rows = numbers.results.map(({ name, meanMs, tokensPerSecond }) => [
    name,
    (meanMs * 1e3).toFixed(1),
    tokensPerSecond === undefined ? '' : Math.round(tokensPerSecond).toLocaleString('en'),
  ]);
  const empty = numbers.results.find(({ name }) => name === 'empty batch')!;
  const bars = [atMost('µs of an empty call', empty.meanMs * 1e3, 50)];
  return { title: 'calls through the addon', text: table([['', 'µs', 'tokens/s'], ...rows]), bars, numbers };
}

interface OpsDocument {
  readonly sgemm_1024_flops: number;
  readonly ops: readonly {
    name: string;
    ms: number;
    flops?: number;
    share_of_sgemm?: number;
    bytes_per_second?: number;
  }[];
}

export async function nativeOps(threads: number): Promise<Alone> {
  const numbers = await json<OpsDocument>([program('ops'), '--threads', String(threads), '--json']);
  const rows = numbers.ops.map(({ name, ms, flops, share_of_sgemm, bytes_per_second }) => [
    name,
    ms.toFixed(3),
    flops === undefined ? '' : (flops / 1e9).toFixed(0),
    share_of_sgemm === undefined ? '' : `${(100 * share_of_sgemm).toFixed(0)} %`,
    bytes_per_second === undefined ? '' : (bytes_per_second / 1e9).toFixed(1),
  ]);
  const head = ['', 'ms', 'GFLOP/s', 'of sgemm', 'GB/s'];
  const title = `ops at the 30m shape, 2048 tokens; sgemm 1024³ ${(numbers.sgemm_1024_flops / 1e9).toFixed(0)} GFLOP/s`;
  return { title, text: table([head, ...rows]), bars: [], numbers };
}

/** One SFT measurement of ours at the 30m shape. */
function sft(flags: Readonly<Record<string, string | number>>): Promise<Measured> {
  const words = Object.entries({ length: 256, repeats: 5, ...flags }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  return json<Measured>([program('train'), modelFile('30m', 'f32'), 'sft', ...words]);
}

const HEAD = ['', 'tokens/s', 'best', 'peak MB', 'planned MB'];
const line = (name: string, m: Measured) => [
  name,
  Math.round(m.tokens_per_second).toLocaleString('en'),
  Math.round(m.tokens_per_second_best).toLocaleString('en'),
  (m.peak_bytes / 1e6).toFixed(0),
  m.planned === undefined ? '' : (m.planned.total_bytes / 1e6).toFixed(0),
];

/** Our SFT step by packed length, over which tokens/s should not fall, and by number of threads. */
export async function scaling(threads: number, quick: boolean): Promise<Alone> {
  const lengths = quick ? [1024, 4096] : [1024, 2048, 4096, 8192];
  const measured = new Map<string, Measured>();
  for (const tokens of lengths)
    measured.set(`${tokens} tokens`, await sft({ tokens, threads, repeats: quick ? 2 : 5 }));
  const first = measured.get(`${lengths[0]} tokens`)!;
  const last = measured.get(`${lengths.at(-1)} tokens`)!;
  for (let n = 1; n < threads; n *= 2)
    measured.set(`2048 tokens, ${n} thread${n > 1 ? 's' : ''}`, await sft({ tokens: 2048, threads: n, repeats: 3 }));
  const flat = last.tokens_per_second_best / first.tokens_per_second_best;
  return {
    title: `our SFT step at the 30m shape, fp32, ${threads} threads unless it says otherwise`,
    text: table([HEAD, ...[...measured].map(([name, m]) => line(name, m))]),
    bars: [atLeast(`linear: tokens/s at ${lengths.at(-1)} to ${lengths[0]} tokens`, flat, 0.9)],
    numbers: Object.fromEntries(measured),
  };
}

/** Our SFT step by `recompute`: what computing activations again costs in time and saves in memory. */
export async function recompute(threads: number): Promise<Alone> {
  const measured = new Map<string, Measured>();
  for (const recompute of ['none', 'cheap', 'block']) {
    measured.set(`recompute ${recompute}`, await sft({ tokens: 4096, threads, recompute }));
  }
  return {
    title: 'our SFT step of 4096 tokens at the 30m shape, by recompute policy',
    text: table([HEAD, ...[...measured].map(([name, m]) => line(name, m))]),
    bars: [],
    numbers: Object.fromEntries(measured),
  };
}

export const relative = (file: string) => path.relative(root, file);
