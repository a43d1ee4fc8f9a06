/**
 * SymPy and mpmath, which Python's children import: two wheels in the package's folder `wheels/`, named with their hashes in
 * `wheels.json` there. Set-up puts them there (`scripts/wheels.mjs`), and packages ship them; nothing is fetched here.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SparkError } from '../errors.js';
import type { Wheel } from './child/sympyPayload.js';

/** The package's folder of wheels. */
export const WHEELS_FOLDER = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'wheels');

/** A wheel as `wheels.json` pins it; `sha256` in hexadecimal. */
export interface Pin {
  readonly name: string;
  readonly file: string;
  readonly sha256: string;
}

/** The pins of the folder. */
export async function wheelPins(folder = WHEELS_FOLDER): Promise<readonly Pin[]> {
  return JSON.parse(await readFile(path.join(folder, 'wheels.json'), 'utf8')) as Pin[];
}

/** The wheels; throws `tool_unavailable`, with the command to type, where one is missing or not what its pin says. */
export async function readWheels(folder = WHEELS_FOLDER): Promise<readonly Wheel[]> {
  return Promise.all((await wheelPins(folder)).map((pin) => readWheel(folder, pin)));
}

async function readWheel(folder: string, { name, file, sha256 }: Pin): Promise<Wheel> {
  const at = path.join(folder, file);
  const bytes = await readFile(at).catch((cause: unknown) => {
    throw unavailable(`expected ${name} in ${at}, found no such file that can be read`, cause);
  });
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) throw unavailable(`expected ${at} with sha256 ${sha256}, got ${found}: it is damaged`);
  return { file, bytes };
}

function unavailable(what: string, cause?: unknown): SparkError {
  return new SparkError(
    'tool_unavailable',
    // The command first: what shows this may cut its end.
    `npx spark-rl setup (in a clone: node scripts/setup.mjs --for start) fetches what algebra and Python's sympy need: ${what}`,
    { cause },
  );
}
