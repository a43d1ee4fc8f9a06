/** `spark-rl setup`: builds the engine of an installed package. */
import { defineCommand, outputOptions } from '../command.js';
import { type SetupResult, setUpEngine } from '../setupScript.js';

export default defineCommand({
  options: {
    cuda: {
      choices: ['auto', 'on', 'off'] as const,
      default: 'auto' as const,
      describe: 'the CUDA backend too; auto: where nvcc and cuBLAS are',
    },
    force: { type: 'boolean', default: false, describe: 'build again although it is built' },
    quiet: outputOptions.quiet,
  },
  examples: [
    ['npx $0 setup', 'says what it needs (a C++20 compiler, cmake, oneDNN, …), and installs it or names the command'],
  ],
  async run({ cuda, force, quiet }, { signal }) {
    const result = await setUpEngine({ cuda, force, quiet, signal });
    return { json: result, text: asText(result) };
  },
});

function asText({ built, place, addon, cuda, noCuda }: SetupResult): string {
  const where = place === 'package' ? 'in the package' : 'in your cache folder, because the package is read-only';
  return [
    `training engine: ${built ? 'built' : 'was built already'}, ${where}: ${addon}`,
    `CUDA backend: ${cuda ? 'built' : `none (${noCuda})`}`,
    'next: npx spark-rl doctor, or npx spark-rl quickstart',
  ].join('\n');
}
