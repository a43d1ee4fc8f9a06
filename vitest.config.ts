import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * Files of tests that look at or change what belongs to the whole process: its environment, its timers, the secrets and
 * child processes it knows of, a module that is replaced. Each has a process of its own; all others share a few.
 */
const OWN_PROCESS = [
  'test/src/api/exports.test.ts',
  'test/src/cli/secrets.test.ts',
  'test/src/config/resolve.test.ts',
  'test/src/inference/process.test.ts',
  'test/src/inference/server.test.ts',
  'test/src/judge/apiJudge.test.ts',
  'test/src/judge/sharedVerdicts.test.ts',
  'test/src/questions/miniIds.test.ts',
  'test/src/secrets/*.test.ts',
  'test/src/stages/trackTraining.test.ts',
  'test/src/tools/corpusFile/host.test.ts',
  'test/src/tools/mcp/*.test.ts',
  'test/src/tools/packagedPython.test.ts',
  'test/src/run/mcp.test.ts',
  'test/src/run/web.test.ts',
  'test/src/tools/schemaInput.test.ts',
  'test/src/tools/web/*.test.ts',
  'test/src/tracking/mlflow.test.ts',
];

const source = (name: string) => fileURLToPath(new URL(`src/${name}`, import.meta.url));

export default defineConfig({
  // examples/ import the package by its name, as a user does: here that is the source.
  resolve: {
    alias: [
      { find: /^spark-rl$/, replacement: source('index.ts') },
      { find: /^spark-rl\/(.+)$/, replacement: source('api/$1.ts') },
    ],
  },
  test: {
    // One native addon, one llama.cpp, two cores: files run in processes of their own, few at a time. One more than there are
    // cores, because a test that waits for a process or a deadline leaves its core to another.
    pool: 'forks',
    maxWorkers: 3,
    // Tests compare fp32 numbers and whole runs to the bit: on a machine with a GPU, too, `auto` is the CPU.
    // What a test remembers of a model it opened stays out of the user's home.
    env: {
      SPARK_RL_CUDA: 'none',
      XDG_CACHE_HOME: fileURLToPath(new URL('node_modules/.cache', import.meta.url)),
    },
    // Not a judgement of speed: these catch a hang. A test takes what the machine gives it, beside whatever else runs, and
    // none has a limit of its own. native/cmake/tests.cmake says the same to ctest.
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: OWN_PROCESS,
          isolate: false,
          setupFiles: ['test/sharedProcess.ts'],
        },
      },
      { extends: true, test: { name: 'own process', include: OWN_PROCESS } },
    ],
  },
});
