import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

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
    include: ['test/**/*.test.ts'],
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
  },
});
