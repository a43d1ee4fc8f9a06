/** The programs and files that benchmarks need: native programs, models, exported data, a Python with the peers. */
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = path.join(root, 'build-native');
const data = path.join(build, 'bench'); // git ignores build-*

export const program = (name: 'ops' | 'model' | 'train') => path.join(build, `bench_${name}`);
export const peers = path.join(root, 'bench', 'peers');
export const pipLine = 'python3 -m pip install -r bench/peers/requirements.txt';

export function buildNative(): void {
  const quiet: ExecFileSyncOptions = { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] };
  execFileSync('cmake', ['-S', 'native', '-B', build, '-DCMAKE_BUILD_TYPE=Release'], quiet);
  const targets = ['bench_ops', 'bench_model', 'bench_train'];
  execFileSync('cmake', ['--build', build, '-j', '2', '--target', ...targets], quiet);
  mkdirSync(data, { recursive: true });
}

/** The GGUF of a named shape, with bf16 weights for dtype bf16, as the peers have. Made again when its program changes. */
export function modelFile(shape: string, dtype: string): string {
  const file = path.join(data, `${shape}-${dtype}.gguf`);
  const current = existsSync(file) && statSync(file).mtimeMs > statSync(program('model')).mtimeMs;
  if (!current) execFileSync(program('model'), [shape, file, '--type', dtype], { stdio: 'pipe' });
  return file;
}

/** Folder into which our program writes the data and the adapters that the peers start from. */
export const workFolder = (title: string) => path.join(data, title.replaceAll(' ', '-'));

/** Why this Python cannot run the peers; undefined when it can. */
export function pythonProblem(python: string): string | undefined {
  try {
    execFileSync(python, ['-c', 'import torch, transformers, peft, gguf, safetensors'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? '').trim();
    return said === '' ? `${python} does not run` : said.split('\n').at(-1);
  }
}
