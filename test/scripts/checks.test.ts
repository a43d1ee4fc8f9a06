/** The checks of import and include directions find what they are there to find. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'spark-checks-'));
  symlinkSync(path.resolve('node_modules'), path.join(root, 'node_modules'));
  for (const file of [
    'scripts/check-includes.mjs',
    'scripts/check-format.mjs',
    '.dependency-cruiser.cjs',
    '.clang-format',
    'tsconfig.json',
    'package.json',
  ]) {
    cpSync(file, path.join(root, file));
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Record<string, string>) {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
}

function node(...args: string[]) {
  const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return { status: done.status, text: done.stdout + done.stderr };
}

describe('check-includes', () => {
  const sound = {
    'native/core/error.h': '',
    'native/core/gguf.h': '#include "core/error.h"\n',
    'native/ops/backend.h': '#include "core/gguf.h"\n',
    'native/cpu/rope.cpp': '#include <dnnl.hpp>\n#include "ops/backend.h"\n#include "local.h"\n',
    'native/cpu/local.h': '#include <vector>\n',
    'native/model/llama.h': '#include "ops/backend.h"\n',
    'native/train/engine.h': '#include "model/llama.h"\n',
    'native/factory.h': '#include "train/engine.h"\n',
    'bindings/addon.cpp': '#include <napi.h>\n#include "factory.h"\n#include "core/error.h"\n',
    'src/engine/index.ts': "require('../../build/Release/spark_rl.node');",
  };

  it('is content with what goes downwards', () => {
    write(sound);
    expect(node('scripts/check-includes.mjs')).toMatchObject({ status: 0 });
  });

  it('names each line that does not', () => {
    const model = ['"cpu/local.h"', '<cuda_runtime.h>', '<core/error.h>', '"nowhere.h"'];
    write({
      ...sound,
      'native/core/gguf.h': '#include "ops/backend.h"\n',
      'native/model/llama.h': model.map((name) => `#include ${name}\n`).join(''),
      'native/train/engine.h': '\n  #  include "factory.h"\n',
      'native/cpu/rope.cpp': '#include <napi.h>\n',
      'bindings/addon.cpp': '#include "core/gguf.h"\n#include "model/llama.h"\n',
      'src/judge/x.ts': "require('../build/Release/spark_rl.node');",
    });
    const { status, text } = node('scripts/check-includes.mjs');
    expect(status).toBe(1);
    for (const message of [
      'native/core/gguf.h:1: core may include core, not ops',
      'native/model/llama.h:1: model may include model, ops, core, not cpu',
      'native/model/llama.h:2: <cuda_runtime.h> belongs into cuda or bench only',
      'native/model/llama.h:3: <core/error.h> is ours: write it in quotes',
      'native/model/llama.h:4: "nowhere.h" is not there',
      'native/train/engine.h:2: train may include train, model, ops, core, not factory',
      'native/cpu/rope.cpp:1: <napi.h> belongs into bindings only',
      'bindings/addon.cpp:1: bindings may include bindings, train, factory, core/error, not core ("core/gguf.h")',
      'bindings/addon.cpp:2: ',
      'src/judge/x.ts:1: only src/engine may load the addon',
      '10 breaches',
    ]) {
      expect(text).toContain(message);
    }
  });
});

describe('check-format', () => {
  it('finds, repairs, and is then content', () => {
    write({ 'native/a.cpp': 'int  a ;\n' });
    expect(node('scripts/check-format.mjs')).toMatchObject({
      status: 1,
      text: expect.stringContaining('native/a.cpp:1'),
    });
    expect(node('scripts/check-format.mjs', '--fix').status).toBe(0);
    expect(node('scripts/check-format.mjs').status).toBe(0);
  });
});

describe('dependency-cruiser', () => {
  const cruise = () =>
    node('node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', 'src');
  const sound = {
    'src/errors.ts': 'export const a = 1;\n',
    'src/judge/judge.ts': "import { a } from '../errors.js';\nexport const b = a;\nexport interface J {}\n",
    'src/inference/openai.ts': "import OpenAI from 'openai';\nexport const c = OpenAI;\n",
    'src/rollout/rollout.ts': "import { b } from '../judge/judge.js';\nexport const d = b;\n",
    'src/cli/main.ts': "import { d } from '../rollout/rollout.js';\nconsole.log(d);\n",
  };

  it('is content with what goes downwards', () => {
    write(sound);
    expect(cruise()).toMatchObject({ status: 0, text: expect.stringContaining('no dependency violations') });
  });

  it('names each import that does not', () => {
    write({
      ...sound,
      'src/errors.ts': "import '../src/judge/judge.js';\nexport const a = 1;\n",
      'src/judge/up.ts': "import type { d } from '../rollout/rollout.js';\nexport type D = typeof d;\n",
      'src/judge/client.ts':
        "import OpenAI from 'openai';\nimport { getLlama } from 'node-llama-cpp';\nconsole.log(OpenAI, getLlama);\n",
      'src/judge/dev.ts': "import { it } from 'vitest';\nimport { no } from './nowhere.js';\nconsole.log(it, no);\n",
      'src/rollout/cli.ts': "import '../cli/main.js';\n",
    });
    const { status, text } = cruise();
    expect(status).not.toBe(0);
    for (const rule of [
      'the-ground-imports-no-folder: src/errors.ts',
      'import-nothing-above-them: src/judge/up.ts',
      'import-nothing-above-them: src/rollout/cli.ts',
      'imports-openai: src/judge/client.ts',
      'imports-node-llama-cpp: src/judge/client.ts',
      'src-needs-no-dev-dependency: src/judge/dev.ts',
      'everything-is-found: src/judge/dev.ts',
      'no-circles: ',
    ]) {
      expect(text).toContain(rule);
    }
  });
});
