/**
 * Runs with every file of tests that shares its process with others: what it leaves behind there, the next one would find. A
 * file that has to leave something is named in vitest.config.ts, and gets a process of its own.
 */
import { afterAll, beforeAll, vi } from 'vitest';
// Sets a variable when it is first loaded, which no file is to be blamed for.
import '../src/openmp.js';
import { KnownSecrets } from '../src/secrets/known.js';

let before: NodeJS.ProcessEnv;
let folder: string;
/** Values that are hidden from now on in every message of the process. */
const noted = new Set<string>();

beforeAll(() => {
  before = { ...process.env };
  folder = process.cwd();
  const add = KnownSecrets.prototype.add;
  vi.spyOn(KnownSecrets.prototype, 'add').mockImplementation(function (this: KnownSecrets, value) {
    add.call(this, value);
    if (this.whole(value).length > 0 && !fromEnvironment(value)) noted.add(value);
  });
});

afterAll(() => {
  vi.restoreAllMocks();
  const left = [
    ...[...noted].map((value) => `the secret ${JSON.stringify(value)}`),
    ...Object.keys({ ...before, ...process.env })
      .filter((name) => before[name] !== process.env[name])
      .map((name) => `${name} in the environment`),
    ...(process.cwd() === folder ? [] : [`the working directory ${process.cwd()}`]),
  ];
  noted.clear();
  if (left.length > 0) {
    throw new Error(
      `left behind in a shared process: ${left.join(', ')}; name this file in OWN_PROCESS of vitest.config.ts`,
    );
  }
});

/** The first message of a process notes what its environment holds. */
function fromEnvironment(value: string): boolean {
  return Object.values(before).some((text) => text?.includes(value));
}
