/**
 * How a corpus of very many passages behaves: the time and memory of its build, its size, how fast it opens and answers, and what
 * the tool's child weighs, with the built package (`npm run build` first).
 *
 *   npx vite-node bench/corpus.ts -- [--passages 1000000] [--queries 200] [--keep FILE] [--json]
 *
 * The text is generated from a seed: 200,000 words whose frequencies fall as those of English do (Zipf's law), about 75
 * words a passage, titles of two words. Queries are of five kinds; what each asks for is beside its times. `open` is the
 * start of a child to its first answer, less the same with a corpus of one article: Node and SQLite themselves.
 * Files are read once before, so that the times are those of a warm page cache.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/random.js';
import { verifySeal } from '../src/tools/corpusFile/seal.js';
import { createBuiltinRegistry } from '../src/tools/registry.js';
import { commit, describeMachine } from './harness/machine.js';

const argv = process.argv.slice(2).filter((one) => one !== '--');
const { values } = parseArgs({
  args: argv,
  options: {
    passages: { type: 'string', default: '1000000' },
    queries: { type: 'string', default: '200' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [passages, queries] = [Number(values.passages), Number(values.queries)];
if (![passages, queries].every((count) => Number.isInteger(count) && count > 0))
  throw new Error('expected counts above 0');

const WORDS = 200_000;
const PER_PASSAGE = 75;
const random = seededRandom(1);
const letters = 'etaoinshrdlucmfwypvbgkjqxz';

/** Word of a rank: pronounceable enough that Porter's stems do not join many. */
function word(rank: number): string {
  let rest = rank + 700;
  let text = '';
  for (; rest > 0; rest = Math.floor(rest / 23)) text += letters[rest % 23];
  return `${text}k`;
}

/** A rank by Zipf's law, from a uniform number. */
const zipf = (): number => Math.min(WORDS - 1, Math.floor(WORDS ** random()) - 1);
const text = (count: number): string => Array.from({ length: count }, () => word(zipf())).join(' ');
const title = (index: number): string => `${word(index % WORDS)} ${word((index * 7919) % WORDS)}`;

const folder = mkdtempSync(path.join(tmpdir(), 'spark-bench-'));

async function writeSource(file: string, count: number): Promise<void> {
  const stream = createWriteStream(file);
  for (let index = 0; index < count; index += 1) {
    const line = `${JSON.stringify({ title: title(index), text: `${text(PER_PASSAGE)}.` })}\n`;
    if (!stream.write(line)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
}

/** The command line in a process of its own, with its peak of resident memory (Linux). */
async function build(source: string, out: string): Promise<{ seconds: number; peakMb: number }> {
  const started = performance.now();
  const args = ['dist/cli/main.js', 'corpus', 'build', source, '--out', out, '--passage-chars', '2000', '--quiet'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  let peakMb = 0;
  const timer = setInterval(() => {
    peakMb = Math.max(peakMb, residentMb(child.pid!, 'VmHWM'));
  }, 200);
  const [code] = await once(child, 'exit');
  clearInterval(timer);
  if (code !== 0) throw new Error(`corpus build ended with ${code}`);
  return { seconds: (performance.now() - started) / 1000, peakMb };
}

function residentMb(pid: number, name: 'VmHWM' | 'VmRSS'): number {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return 0;
  const kb = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  return Math.round((Number(kb ?? 0) * 1024) / 1e6);
}

/** The child of this process that serves the corpus, by its arguments. */
function corpusChild(): number {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('hostChild.js\0corpus') && parentOf(pid) === process.pid
        );
      } catch {
        return false;
      }
    });
  return found[0] ?? 0;
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

const KINDS: Readonly<Record<string, () => readonly ['search' | 'encyclopedia', string]>> = {
  'search, 4 words of any frequency': () => ['search', text(4)],
  'search, 12 words of any frequency': () => ['search', text(12)],
  'search, 2 of the 50 most frequent words': () => [
    'search',
    `${word(Math.floor(random() * 50))} ${word(Math.floor(random() * 50))}`,
  ],
  'search, 1 of the 50 most frequent words': () => ['search', word(Math.floor(random() * 50))],
  'encyclopedia, a title': () => ['encyclopedia', title(Math.floor(random() * passages))],
};

const limits = { timeoutMs: 60_000, maxObservationChars: 400 };

async function openMs(corpus: string): Promise<number> {
  const registry = createBuiltinRegistry({ tools: ['search', 'encyclopedia'], corpus });
  const started = performance.now();
  await registry.run('encyclopedia', title(0), limits);
  const took = performance.now() - started;
  await registry.dispose();
  return took;
}

async function answers(corpus: string) {
  const registry = createBuiltinRegistry({ tools: ['search', 'encyclopedia'], corpus });
  await registry.warm();
  const rows = [];
  for (const [kind, make] of Object.entries(KINDS)) {
    const times: number[] = [];
    let answered = 0;
    for (let n = 0; n < queries; n += 1) {
      const [tool, input] = make();
      const started = performance.now();
      const { ok } = await registry.run(tool, input, limits);
      times.push(performance.now() - started);
      if (ok) answered += 1;
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => Math.round(times[Math.floor(times.length * share)]! * 10) / 10;
    rows.push({ kind, medianMs: at(0.5), p95Ms: at(0.95), answered: answered / queries });
  }
  const childMb = residentMb(corpusChild(), 'VmRSS');
  await registry.dispose();
  return { rows, childMb };
}

try {
  const load = loadavg()[0]!;
  const source = path.join(folder, 'source.jsonl');
  const out = path.resolve(values.keep ?? path.join(folder, 'big.corpus'));
  const small = path.join(folder, 'small.corpus');
  const one = path.join(folder, 'one.jsonl');
  writeFileSync(one, `${JSON.stringify({ title: title(0), text: 'one.' })}\n`);
  await build(one, small);
  await writeSource(source, passages);
  const built = await build(source, out);
  const seal = await verifySeal(out);
  const base = Math.min(await openMs(small), await openMs(small));
  const opened = Math.min(await openMs(out), await openMs(out)) - base;
  const { rows, childMb } = await answers(out);
  const result = {
    ...{
      commit: commit(),
      command: `bench/corpus.ts ${argv.map((arg) => path.basename(arg)).join(' ')}`,
      machine: describeMachine(),
      load,
    },
    ...{
      passages: seal.passages,
      textMb: Math.round(statSync(source).size / 1e6),
      corpusMb: Math.round(statSync(out).size / 1e6),
    },
    ...{
      buildSeconds: Math.round(built.seconds),
      buildPeakMb: built.peakMb,
      openMs: Math.round(opened),
      childMb,
      answers: rows,
    },
  };
  if (values.json) console.log(JSON.stringify(result, null, 2));
  else {
    const { answers: table, machine: _machine, ...rest } = result;
    console.log(rest);
    console.table(table);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
