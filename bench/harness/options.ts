/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';

export const SECTIONS = ['addon', 'ops', 'sft', 'ppo', 'scaling', 'memory'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Options {
  readonly quick: boolean;
  readonly sections: ReadonlySet<Section>;
  readonly shapes: readonly string[];
  readonly ppoShapes: readonly string[];
  readonly dtypes: readonly string[];
  readonly threads: number;
  readonly rounds: number;
  readonly peers: boolean;
  readonly compile: boolean;
  readonly python: string;
  readonly out: string | null;
}

export const HELP = `npm run bench -- [options]

  Our engine beside PyTorch + transformers + PEFT on this machine: the same weights, data and losses, in turn.

  --quick            a few minutes: the 30m shape in fp32, eager peers; writes no file unless --out is given
  --only A,B         of ${SECTIONS.join(', ')}
  --shapes A,B       for SFT: tiny, 30m, 160m, 1b-layer        [30m,160m,1b-layer]
  --ppo-shapes A,B   for PPO                                   [30m]
  --dtypes A,B       f32, bf16                                 [f32,bf16]
  --threads N        for both sides                            [every core]
  --rounds N         turns of each contender                   [4; PPO 2; quick 3]
  --no-peers         our side alone
  --no-compile       without torch.compile
  --python FILE      the Python that has the peers             [$PYTHON or python3]
  --out FILE         where the numbers go                      [bench/results/<machine>.json]

  The peers need: python3 -m pip install -r bench/peers/requirements.txt
  Run the full measurement on a machine that does nothing else; it takes about forty minutes on two cores.
`;

/** Throws TypeError for an unknown option or value. */
export function parseOptions(argv: readonly string[], cores: number): Options | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: SECTIONS.join(',') },
      shapes: { type: 'string' },
      'ppo-shapes': { type: 'string', default: '30m' },
      dtypes: { type: 'string' },
      threads: { type: 'string', default: String(cores) },
      rounds: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      'no-compile': { type: 'boolean', default: false },
      python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
      out: { type: 'string' },
    },
  });
  if (values.help) return 'help';
  const { quick } = values;
  return {
    quick,
    sections: new Set(list('only', values.only, SECTIONS)),
    shapes: list('shapes', values.shapes ?? (quick ? '30m' : '30m,160m,1b-layer'), SHAPES),
    ppoShapes: list('ppo-shapes', values['ppo-shapes'], SHAPES),
    dtypes: list('dtypes', values.dtypes ?? (quick ? 'f32' : 'f32,bf16'), ['f32', 'bf16']),
    threads: whole('threads', values.threads),
    rounds: whole('rounds', values.rounds ?? (quick ? '3' : '4')),
    peers: !values['no-peers'],
    compile: !values['no-compile'] && !quick,
    python: values.python,
    out: values.out ?? null,
  };
}

const SHAPES = ['tiny', '30m', '160m', '1b-layer'] as const;

function list<T extends string>(name: string, text: string, allowed: readonly T[]): T[] {
  const words = text.split(',');
  const known = words.filter((word): word is T => (allowed as readonly string[]).includes(word));
  if (known.length === words.length) return known;
  throw new TypeError(`--${name}: expected some of ${allowed.join(', ')}, got ${text}`);
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new TypeError(`--${name}: expected a whole number from 1, got ${text}`);
}
