/**
 * bench/gpu-check.sh and its table without a GPU: the floor against the figures it was derived from, what is said to hold
 * and to miss, measurements of several calls in one table, and that a failing part hides no other.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const works = (program: string) => spawnSync(program, ['--version']).status === 0;
const missing = ['python3', 'bash'].filter((program) => !works(program));
if (missing.length > 0) console.warn(`skipped bench/gpu-check: no ${missing.join(' and no ')}`);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gpu-check-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const eightB = { C: 4096, L: 32, H: 32, K: 8, D: 128, F: 14336, V: 128256, backend: 'cuda' };

/** A step of one sequence of `length` tokens, all of them with a loss. */
function step(mode: string, length: number, tokensPerSecond: number, more: object = {}) {
  return {
    mode,
    tokens: length,
    loss_tokens: length,
    attention_pairs: length ** 2 / 2,
    rank: 16,
    tokens_per_second: tokensPerSecond,
    peak_bytes: 40e9,
    planned: { total_bytes: 39e9, recompute: 'none' },
    model: eightB,
    ...more,
  };
}

const attention = { name: 'attention_forward', ms: 0.25, floor_ms: 0.174, share: 0.696, bound: 'products' };
const ops = { device: 'H200, attention by wgmma', flops: 790e12, bytes_per_second: 4.3e12, ops: [attention] };
const write = (name: string, document: unknown) =>
  writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(document));

function table(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('python3', [path.join(root, 'bench/gpu-table.py'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, COMMIT: 'abc1234' },
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}
const lineOf = (text: string, start: string) => text.split('\n').find((line) => line.trim().startsWith(start)) ?? '';

describe.skipIf(missing.length > 0)('bench/gpu-table.py', () => {
  // Tokens per second that one H200 could do at most, by length, at 790 TFLOP/s.
  it.each([
    ['sft', 2048, 24_570],
    ['sft', 4096, 23_220],
    ['sft', 8192, 20_910],
    ['critic', 2048, 26_290],
    ['critic', 4096, 24_740],
    ['critic', 8192, 22_140],
  ])('has the floor of %s at %i', (mode, length, floor) => {
    write('ops', ops);
    write(`${mode}-bf16-${length}`, step(mode, length, floor));
    const share = /([\d.]+) %/.exec(lineOf(table(folder), `${mode}-bf16-${length}`))?.[1];
    expect(Math.abs(Number(share) - 100)).toBeLessThan(0.15); // the floors above are rounded
  });

  it('says which targets hold, beside peers of the same model alone', () => {
    write('ops', ops);
    write('sft-bf16-4096', step('sft', 4096, 20_100));
    const peer = { layers: 32, width: 4096, peak_bytes: 90e9, torch: '2' };
    write('peer-sft-compiled-4096', { ...peer, tokens_per_second: 14_000 });
    write('peer-sft-liger-4096', { ...peer, tokens_per_second: 13_000 });
    const planned = { total_bytes: 6.29e9, recompute: 'offload' };
    write('lean-Q4_K_M-4096', step('sft', 4096, 9000, { peak_bytes: 6.6e9, planned }));
    const parts = {
      epoch: { tokens_per_second: 11_000, seconds_per_million_tokens: 90.9 },
      buffers: { tokens_per_second: 30_000, seconds_per_million_tokens: 33.3 },
    };
    write('ppo-bf16', step('ppo', 8192, 8000, { parts, stepwise_tokens: 28_000 }));
    write('ppo-one-trunk-bf16', step('ppo', 8192, 8000, { parts, stepwise_tokens: 28_000, one_trunk: true }));
    const text = table(folder);
    expect(lineOf(text, 'MISSED PPO epoch, one trunk')).toContain('51 s a million');
    expect(lineOf(text, 'held   SFT, 4096')).toContain('20,100');
    expect(lineOf(text, 'MISSED   1.5 x the fastest of compiled, liger (compiled)')).toContain('1.44');
    expect(lineOf(text, 'held   PPO epoch, two trunks')).toContain('90.9');
    expect(lineOf(text, 'MISSED lean')).toContain('6.60');
    expect(lineOf(text, 'lean-Q4_K_M-4096')).toMatch(/6\.29\s+offload/);
    const share = (name: string) => Number(/([\d.]+) %/.exec(lineOf(text, name))?.[1]);
    const ratio = share('ppo-bf16') / share('ppo-one-trunk-bf16'); // of the work; the output head is there once in both
    expect(ratio).toBeGreaterThan(1.9);
    expect(ratio).toBeLessThan(2);
    expect(lineOf(text, 'ppo-bf16')).toContain('11,000'); // the epoch, which the floor is about, without buffers

    for (const way of ['compiled', 'liger']) {
      write(`peer-sft-${way}-4096`, { ...peer, layers: 2, tokens_per_second: 300_000 });
    }
    expect(table(folder)).not.toContain('x the fastest');
    write('sft-bf16-4096', step('sft', 4096, 20_100, { model: { ...eightB, L: 2 } }));
    expect(table(folder)).not.toContain('SFT, 4096');
  });

  it('has both kinds of attention kernels side by side, and which of them the device took', () => {
    write('ops', ops);
    write('ops-ampere', { ...ops, ops: [{ ...attention, ms: 0.4, share: 0.435 }] });
    const text = table(folder);
    expect(text).toContain('H200, attention by wgmma');
    expect(lineOf(text, 'attention_forward  ')).toContain('70 %');
    expect(lineOf(text, 'attention_forward, mma.sync')).toContain('44 %');
  });

  it('puts the measurements of several calls together, the later ones first', () => {
    write('sft-bf16-4096', step('sft', 4096, 10_000));
    write('sft-bf16-2048', step('sft', 2048, 12_000));
    const first = path.join(folder, '..', `${path.basename(folder)}-first.json`);
    table('--out', first, folder);
    write('sft-bf16-4096', step('sft', 4096, 11_000));
    rmSync(path.join(folder, 'sft-bf16-2048.json'));
    const text = table(first, folder);
    rmSync(first);
    expect(lineOf(text, 'sft-bf16-4096')).toContain('11,000');
    expect(lineOf(text, 'sft-bf16-2048')).toContain('12,000');
    expect(text.indexOf('sft-bf16-2048')).toBeLessThan(text.indexOf('sft-bf16-4096'));
  });

  it('names the stages that the GPU and the CPU do not agree on', () => {
    const stage = (name: string, accuracy: number) => ({
      name,
      evaluation: { accuracy, low: accuracy - 0.05, high: accuracy + 0.05, entropyBits: 2 },
    });
    write('ladder-cpu', { stages: [stage('base', 0.2), stage('sft', 0.5)] });
    write('ladder-cuda', { stages: [stage('base', 0.22), stage('sft', 0.3)] });
    const text = table(folder);
    expect(text).toContain('DIFFERS: sft');
    expect(text).not.toContain('DIFFERS: base');
  });
});

describe.skipIf(missing.length > 0)('bench/gpu-kernels.py', () => {
  it('adds the launches of a kernel up', () => {
    const row = (name: string, unit: string, value: string) =>
      `"0","${name}","gpu__time_duration.sum","${unit}","${value}"`;
    const csv = path.join(folder, 'ncu.csv');
    const rows = [
      row('gemm(float*)', 'ns', '1,500,000'),
      row('norm(int)', 'us', '250'),
      row('gemm(float*)', 'ms', '1.5'),
    ];
    const head = '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"';
    writeFileSync(csv, ['==PROF== Connected', head, ...rows].join('\n'));
    const { stdout } = spawnSync('python3', [path.join(root, 'bench/gpu-kernels.py'), csv], { encoding: 'utf8' });
    const { kernels, total_ms } = JSON.parse(stdout);
    expect(total_ms).toBeCloseTo(3.25, 9);
    expect(kernels[0]).toMatchObject({ name: 'gemm', calls: 2, ms: 3 });
  });
});

describe.skipIf(missing.length > 0)('bench/gpu-gaps.py', () => {
  const trace = (steps: number, name = '_ZN5spark4cuda12_GLOBAL__N_16updateEPfS2_') => {
    // Nanoseconds: two kernels of 3 and 1 µs with 2 µs between them, then the optimizer's; the last step takes longer.
    const rows = Array.from({ length: steps }, (_, step) => {
      const at = step * 100_000;
      const end = step === steps - 1 ? 40_000 : 9_000;
      return [
        `${at + 5_000},${at + 6_000},nvjet_sm90,odd`,
        `${at},${at + 3_000},_ZN5spark4cuda12_GLOBAL__N_113keys_backwardILi128ELi1EEEvNS0_15AttentionInputsE`,
        `${at + 8_000},${at + end},${name}`,
      ].join('\n');
    });
    const file = path.join(folder, 'trace.csv');
    writeFileSync(file, `${rows.join('\n')}\n`);
    return spawnSync('python3', [path.join(root, 'bench/gpu-gaps.py'), file], { encoding: 'utf8' });
  };

  it('takes the step in the middle of those after two, by its kernels and the gaps between them', () => {
    const { kernels, ...step } = JSON.parse(trace(5).stdout);
    expect(step).toMatchObject({ steps: 3, launches: 3, gap_us_median: 2, gaps_over_10_us_ms: 0 });
    expect([step.span_ms, step.kernels_ms, step.gaps_ms]).toEqual([0.009, 0.005, 0.004]);
    expect(kernels.map(({ name, ms }: { name: string; ms: number }) => [name, ms])).toEqual([
      ['spark::cuda::keys_backward<128, 1>', 0.003],
      ['nvjet_sm90,odd', 0.001],
      ['spark::cuda::update', 0.001],
    ]);
  });

  it('refuses a trace without whole steps', () => {
    for (const run of [trace(2), trace(5, 'other')]) {
      expect(run.status).toBe(1);
      expect(run.stderr).toContain('expected a trace of at least three training steps');
    }
  });
});

describe.skipIf(missing.length > 0)('bench/gpu-check.sh', () => {
  const build = () => path.join(folder, 'build');
  // Not spawnSync: it takes seconds, and the test runner wants to hear from this process.
  async function check(parts: string[], env: Record<string, string> = {}) {
    const settings = { BACKEND: 'cpu', BUILD: build(), OUT: path.join(folder, 'out'), LENGTHS: '64', ...env };
    const child = spawn(path.join(root, 'bench/gpu-check.sh'), parts, { env: { ...process.env, ...settings } });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text;
      });
    }
    const [status] = (await once(child, 'close')) as [number];
    return { status, ...said };
  }
  /** A bench_train that prints a step, or fails when it is asked for a critic. */
  function standIn() {
    mkdirSync(build());
    const file = path.join(build(), 'bench_train');
    const document = JSON.stringify(step('sft', 64, 100, { model: { ...eightB, backend: 'cpu' } }));
    writeFileSync(
      file,
      `#!/bin/sh\ncase " $* " in *" critic "*) echo "out_of_memory: none left" >&2; exit 1;; esac\necho '${document}'\n`,
    );
    chmodSync(file, 0o755);
  }

  it('reports what failed, keeps what did not, and leaves three files', async () => {
    standIn();
    mkdirSync(path.join(build(), 'measured'));
    writeFileSync(path.join(build(), 'measured/critic-bf16-64.json'), JSON.stringify(step('critic', 64, 5))); // of before
    const { status, stdout } = await check(['train'], { RUNS: 'sft-bf16-* critic-*' });
    expect(status).toBe(1);
    expect(stdout).toMatch(/critic-bf16-64: failed; out_of_memory: none left/);
    expect(stdout).toContain('FAILED: train');
    const { measurements } = JSON.parse(readFileSync(path.join(folder, 'out/result.json'), 'utf8'));
    expect(measurements['sft-bf16-64'].command).toContain('--tokens 64 --length 64 --loss all');
    expect(measurements['critic-bf16-64']).toBeUndefined(); // an old number must not stand in
    expect(measurements['sft-Q8_0-4096']).toBeUndefined(); // not asked for
    for (const name of ['table.txt', 'logs.tar.gz']) expect(existsSync(path.join(folder, 'out', name))).toBe(true);
  });

  it('passes when all passed, and refuses a part it does not have', async () => {
    standIn();
    expect(await check(['train', 'ops', 'table'], { RUNS: 'sft-*' })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('skipped: ops'), // of a device alone
    });
    expect(await check(['train', 'trains'])).toMatchObject({ status: 2, stderr: expect.stringContaining('trains') });
  });

  it('says what DEPS lacks', async () => {
    const { status, stdout } = await check(['build'], { DEPS: folder });
    expect(status).toBe(1);
    expect(stdout).toContain('native.tar.xz');
  });

  /** What gpu-deps.sh --built makes, of stand-ins, in a folder with a dash; and a package called as one of Python's own. */
  function carried(tests: string): string {
    standIn();
    writeFileSync(path.join(build(), 'spark_tests'), `#!/bin/sh\n[ "$1" = --version ] || { ${tests}; }\n`);
    chmodSync(path.join(build(), 'spark_tests'), 0o755);
    const deps = path.join(folder, 'some-deps');
    mkdirSync(path.join(deps, 'wheels'), { recursive: true });
    const tar = (archive: string, from: string, ...names: string[]) =>
      spawnSync('tar', ['-C', from, '-caf', path.join(deps, archive), ...names]);
    tar('built.tar.gz', build(), 'bench_train', 'spark_tests');
    mkdirSync(path.join(folder, 'empty/include'), { recursive: true });
    tar('native.tar.xz', path.join(folder, 'empty'), 'include');
    const zip = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr(sys.argv[2], '')";
    for (const name of ['not_there', 'json']) {
      spawnSync('python3', ['-c', zip, path.join(deps, `wheels/${name}-1.0-py3-none-any.whl`), `${name}/__init__.py`]);
    }
    rmSync(build(), { recursive: true });
    return deps;
  }

  it('takes programs that were compiled elsewhere, and Python packages that this machine lacks', async () => {
    const deps = carried('echo "[doctest] test cases: 1"');
    const { status, stdout } = await check(['build', 'tests', 'train'], { DEPS: deps, RUNS: 'sft-*-64' });
    expect(stdout).toContain('compiled elsewhere');
    expect(status).toBe(0);
    expect(existsSync(path.join(build(), 'deps/site/not_there'))).toBe(true);
    expect(existsSync(path.join(build(), 'deps/site/json'))).toBe(false);
  });

  it('first goes on behind a part that fails, and says so at its end', async () => {
    const deps = carried('echo "ERROR: it is wrong"; exit 1');
    const { status, stdout } = await check(['first'], { DEPS: deps, FIRST_LENGTH: '64', PEER_LENGTH: '64' });
    expect(status).toBe(1);
    expect(stdout).toContain('ERROR: it is wrong');
    expect(stdout).toContain('FAILED: first');
    expect(lineOf(stdout, 'parts:')).toMatch(/build passed .*tests FAILED .*train passed/);
    expect(lineOf(stdout, 'sft-bf16-64  ')).toContain('100');
  });
});
