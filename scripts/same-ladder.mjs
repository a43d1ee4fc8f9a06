#!/usr/bin/env node
/**
 * Compares the numbers of two ladders to the last digit; for checking a change that should not change any.
 *
 *   node scripts/same-ladder.mjs runs/before/ladder.json runs/after/ladder.json
 *
 * The last bits of a rollout depend on which others share its batch, and a bit can decide a token. So both runs need
 * `--set inference.sequences=1`, the same seed and the same machine.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

const [before, after] = process.argv.slice(2);
if (before === undefined || after === undefined) {
  process.stderr.write('expected two files: node scripts/same-ladder.mjs BEFORE/ladder.json AFTER/ladder.json\n');
  process.exit(2);
}
const [a, b] = [before, after].map((file) => JSON.parse(readFileSync(file, 'utf8')).stages);
const names = new Set([...a, ...b].map(({ name }) => name));
let different = 0;
for (const name of names) {
  const [x, y] = [a, b].map((stages) => stages.find((stage) => stage.name === name)?.evaluation);
  const same = isDeepStrictEqual(x, y);
  if (!same) different += 1;
  const numbers = (e) => (e === undefined ? 'missing' : `${e.correct}/${e.questions}, ${e.entropyBits} bits`);
  process.stdout.write(`${name.padEnd(12)} ${same ? 'same' : 'DIFFERENT'}: ${numbers(x)} · ${numbers(y)}\n`);
}
process.exitCode = different === 0 ? 0 : 1;
