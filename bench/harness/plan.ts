/** Decides which comparisons to make, and the commands of the contenders. */
import path from 'node:path';
import { modelFile, peers, program, workFolder } from './build.js';
import type { Comparison, Entrant } from './comparison.js';
import type { Options } from './options.js';

/** Packed tokens and sequence length of an SFT step; fewer tokens for the shape whose step takes long. */
const SFT_SIZE: Readonly<Record<string, readonly [tokens: number, length: number]>> = {
  tiny: [2048, 256],
  '30m': [2048, 256],
  '160m': [2048, 256],
  '1b-layer': [1024, 256],
};

/**
 * Trajectories of a real model: the same instructions, two thirds of all tokens, before every question. Ours computes them
 * once; `each its own` is ours where the first token of each differs.
 */
const INSTRUCTED = { shapes: ['30m', '160m'], size: ['--tokens', '4096', '--length', '1024', '--common', '640'] };

const WARMUP = ['--warmup', '2'];

export function sftComparisons(options: Options, withPeers: boolean): Comparison[] {
  return options.shapes.flatMap((shape) => options.dtypes.flatMap((dtype) => sftOf(shape, dtype, options, withPeers)));
}

function sftOf(shape: string, dtype: string, options: Options, withPeers: boolean): Comparison[] {
  const [tokens, length] = SFT_SIZE[shape]!;
  const compared = (title: string, size: readonly string[], more: (base: Base) => Entrant[] = () => []): Comparison => {
    const base = { mode: 'sft' as const, shape, dtype, title };
    const theirs = withPeers ? peerEntrants(base, options, SFT_VARIANTS) : [];
    const entrants = [ours(base, options, size), ...more(base), ...theirs];
    return { ...base, entrants, rounds: options.rounds, perTurn: shape === '30m' ? 2 : 1 };
  };
  const plain = compared(`sft ${shape} ${dtype}`, ['--tokens', String(tokens), '--length', String(length)]);
  if (options.quick || !INSTRUCTED.shapes.includes(shape)) return [plain];
  const { size } = INSTRUCTED;
  return [
    plain,
    compared(`sft ${shape} ${dtype} with instructions`, size, (base) => [each(base, options, [...size, '--apart'])]),
  ];
}

export function ppoComparisons(options: Options, withPeers: boolean): Comparison[] {
  return options.ppoShapes.flatMap((shape) =>
    options.dtypes.map((dtype) => {
      // Grouping only changes padding, so one dtype is enough to show it.
      const names = options.quick ? ['stepwise'] : ['stepwise', ...(dtype === 'f32' ? ['grouped'] : []), 'nested'];
      const layouts = names.map((name) => ({ name, flags: ['--layout', name] }));
      const base = { mode: 'ppo' as const, shape, dtype, title: `ppo ${shape} ${dtype}` };
      const size = ['--trajectories', options.quick ? '4' : '8'];
      const theirs = withPeers ? peerEntrants(base, options, layouts) : [];
      const entrants = [ours(base, options, size), ...theirs];
      const rounds = options.quick ? 1 : Math.min(2, options.rounds);
      return { ...base, entrants, rounds, perTurn: 1 };
    }),
  );
}

type Base = Pick<Comparison, 'title' | 'mode' | 'shape' | 'dtype'>;

function ours(base: Base, options: Options, size: readonly string[]): Entrant {
  return { name: 'ours', command: [...own(base, options, size), '--export', workFolder(base.title), '--turns'] };
}

/** Ours on sequences that have nothing in common; not compared by its losses, as its tokens are others. */
function each(base: Base, options: Options, size: readonly string[]): Entrant {
  return { name: 'each its own', command: [...own(base, options, size), '--turns'], otherWork: true };
}

function own({ mode, shape, dtype }: Base, options: Options, size: readonly string[]): string[] {
  const common = ['--threads', String(options.threads), '--compute', dtype, ...warmup(mode)];
  return [program('train'), modelFile(shape, dtype), mode, ...size, ...common];
}

interface Variant {
  readonly name: string;
  readonly flags: readonly string[];
}

/** The peer with the loss as transformers computes it, and tuned by hand to compute only the rows that carry a loss. */
const SFT_VARIANTS: readonly Variant[] = [
  { name: '', flags: [] },
  { name: 'loss rows', flags: ['--head', 'rows'] },
];

/** Each variant eager, and also compiled if that is wanted. */
function peerEntrants({ title, mode, shape, dtype }: Base, options: Options, variants: readonly Variant[]): Entrant[] {
  const script = [options.python, path.join(peers, 'run.py'), modelFile(shape, dtype), workFolder(title)];
  const common = ['--dtype', dtype, '--threads', String(options.threads), ...warmup(mode), '--turns'];
  return variants.flatMap((variant) => {
    const name = (how: string) => (variant.name === '' ? how : `${how}, ${variant.name}`);
    const eager = { name: name('eager'), command: [...script, ...common, ...variant.flags] };
    if (!options.compile || variant.name === 'grouped') return [eager];
    return [eager, { name: name('compiled'), command: [...eager.command, '--compile'] }];
  });
}

/** One PPO iteration is enough to warm up, as it has dozens of forward passes. */
const warmup = (mode: string) => (mode === 'ppo' ? ['--warmup', '1'] : WARMUP);
