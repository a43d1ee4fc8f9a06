/**
 * Searches for files that our engine accepts and llama.cpp refuses. Damages fixture models at random (seeded), tries
 * both, and prints every such case. Exits 1 when there is one, or when llama.cpp aborts over a file that our header
 * check passes.
 *
 *   npx vite-node scripts/gguf-mutations.ts -- --count 1000 --seed 1
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { compare, type Disagreement } from '../test/gguf/compare.js';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    stricter: { type: 'boolean', default: false },
  },
});

const files = ['parity', 'parity-qwen2', 'parity-qwen3'].map((name) => `test/fixtures/${name}.gguf`);
const folder = mkdtempSync(path.join(tmpdir(), 'spark-mutants-'));
const started = Date.now();
try {
  const result = await compare({
    files,
    count: Number(flags.count),
    seed: Number(flags.seed),
    folder,
    progress: (done) => {
      if (done % 100 === 0) process.stderr.write(`${done} of ${flags.count}\n`);
    },
  });
  const print = (title: string, list: readonly Disagreement[]): void => {
    console.log(`${title}: ${list.length}`);
    for (const { file, seed, what, llama } of list)
      console.log(`  ${path.basename(file)} seed ${seed}: ${what}\n    ${llama}`);
  };
  console.log(
    `${result.mutants} mutants in ${Math.round((Date.now() - started) / 1000)} s: llama.cpp refuses ${result.llamaRefuses}, ` +
      `${result.llamaAborts} of them by ending its process; our engine refuses ${result.engineRefuses}`,
  );
  print('our engine computes with a file that llama.cpp does not take', result.engine);
  print('llama.cpp aborts, our check of headers passes', result.header);
  console.log(`ours alone refuses: ${[...result.stricter.values()].reduce((sum, count) => sum + count, 0)}`);
  if (flags.stricter) for (const [reason, count] of result.stricter) console.log(`  ${count} × ${reason}`);
  if (result.engine.length > 0 || result.header.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
