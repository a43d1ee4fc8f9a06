/** `spark-rl runs`: listing, comparing and removing runs, also those of another version. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { writeLedger } from '../../../src/judge/batchLedger.js';
import { silentLog } from '../../../src/log.js';
import { compareRuns, listRuns, removeRun } from '../../../src/run/catalogue.js';
import { RunFolder } from '../../../src/run/folder.js';
import { lockRun } from '../../../src/run/lock.js';
import { Run } from '../../../src/run/run.js';
import { SweepFolder } from '../../../src/run/sweepFolder.js';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';

const base = temporaryFolder();
const at = (name: string) => path.join(base, name);

async function make(name: string, tau: number, accuracy: number): Promise<void> {
  const run = await Run.open({ name: at(name), rollout: { tau } });
  const finished = { dependsOn: {}, files: {}, copies: {}, complete: true };
  await run.storeConfig();
  await run.records.finish('evaluate sft', { ...finished, result: { accuracy, perCategory: [{ category: 'math' }] } });
  await run.records.begin('train spark', {});
  run.close();
}

describe('runs', () => {
  it('lists what each holds and weighs, and says what cannot be read', async () => {
    await make('a', 6, 0.5);
    await make('b', 7, 0.75);
    mkdirSync(at('no-run'));
    mkdirSync(at('old'));
    writeFileSync(path.join(at('old'), 'config.json'), JSON.stringify({ name: 'old', run: {} }));
    const [a, b, old] = listRuns(base);
    expect(listRuns(base)).toHaveLength(3);
    expect(a).toMatchObject({ name: 'a', finished: ['evaluate sft'], unfinished: ['train spark'], problem: null });
    expect(a!.bytes).toBeGreaterThan(1000);
    expect(b!.written).toMatch(/^20\d\d-/);
    expect(old!.problem).toMatch(/\[unsupported_file\] .* older spark-rl \(layout 1, expected 2\): give another --run/);
    expect(listRuns(at('nowhere'))).toEqual([]);
  });

  it('lays settings that differ and results side by side', () => {
    const { settings, results } = compareRuns([at('a'), at('b')]);
    expect(settings).toEqual([{ key: 'rollout.tau', values: [6, 7] }]);
    expect(results).toEqual([{ key: 'evaluate sft.accuracy', values: [0.5, 0.75] }]);
    expect(() => compareRuns([at('a'), at('nowhere')])).toThrow(/no run at/);
  });

  it('removes a run, but not one that is in use, nor what is none', () => {
    const lock = lockRun(at('b'), silentLog);
    expect(() => removeRun(at('b'), silentLog)).toThrow(expect.objectContaining({ code: 'run_locked' }));
    lock.release();
    expect(removeRun(at('b'), silentLog)).toMatchObject({ name: 'b' });
    expect(existsSync(at('b'))).toBe(false);
    expect(() => removeRun(at('no-run'), silentLog)).toThrow(/nothing was removed/);
    expect(existsSync(at('no-run'))).toBe(true);
  });

  it('removes nothing that a run did not write, nor a folder whose config.json is of something else', async () => {
    await make('mixed', 6, 0.5);
    writeFileSync(path.join(at('mixed'), 'thesis.txt'), 'mine');
    removeRun(at('mixed'), silentLog);
    expect(readdirSync(at('mixed'))).toEqual(['thesis.txt']);
    (await Run.open({ name: at('mixed') }, { fresh: true })).close();
    expect(readFileSync(path.join(at('mixed'), 'thesis.txt'), 'utf8')).toBe('mine');

    mkdirSync(at('model'));
    for (const config of ['{"architectures":["LlamaForCausalLM"]}', '{bad']) {
      writeFileSync(path.join(at('model'), 'config.json'), config);
      expect(() => removeRun(at('model'), silentLog)).toThrow(/is no run/);
      for (const fresh of [false, true]) {
        await expect(Run.open({ name: at('model') }, { fresh })).rejects.toThrow(/is no run/);
      }
      expect(readFileSync(path.join(at('model'), 'config.json'), 'utf8')).toBe(config);
      expect(readdirSync(at('model'))).toEqual(['config.json']);
    }
  });

  it('a run of the version before is refused before anything is written, with what to do', async () => {
    const before = readFileSync(path.join(at('old'), 'config.json'), 'utf8');
    await expect(Run.open({ name: at('old') })).rejects.toMatchObject({ code: 'unsupported_file' });
    expect(readFileSync(path.join(at('old'), 'config.json'), 'utf8')).toBe(before);
  });

  it('does not forget a judge’s batches that are under way, unless told to', async () => {
    await make('waiting', 6, 0.5);
    const file = RunFolder.existing(at('waiting')).batchesFile('dear');
    const requests = [{ key: 'k', kind: 'step' as const, bytes: 9 }];
    const sent = {
      mark: 'm',
      since: '2026-01-01T00:00:00Z',
      fileId: 'file-1',
      batchId: 'batch_1',
      actions: ['think'],
      requests,
    };
    const of = {
      judge: 'j',
      baseUrl: 'https://example.org/v1',
      model: 'm',
      dialect: null,
      ended: [],
      tries: {},
      failures: {},
    };
    mkdirSync(path.dirname(file), { recursive: true });
    await writeLedger(file, { ...of, open: [sent] });
    const refused = expect.objectContaining({
      code: 'judge_batch_open',
      message: expect.stringMatching(/nothing was removed, as the judge dear has 1 request of .*--abandon-batches/),
    });
    expect(() => removeRun(at('waiting'), silentLog)).toThrow(refused);
    await expect(Run.open({ name: at('waiting') }, { fresh: true })).rejects.toEqual(refused);
    expect(existsSync(file)).toBe(true);

    // Never uploaded, so that there is nothing to lose.
    await writeLedger(file, { ...of, open: [{ ...sent, fileId: null, batchId: null }] });
    (await Run.open({ name: at('waiting') }, { fresh: true })).close();
    await make('waiting', 6, 0.5);
    mkdirSync(path.dirname(file), { recursive: true });
    await writeLedger(file, { ...of, open: [sent] });
    // A sweep with such a run stays as a whole.
    const sweep = SweepFolder.at(at('sweep'));
    await sweep.writeConfig(resolveConfig({}));
    const waiting = await Run.open({ name: at('sweep') }, { folder: sweep.runFolder(1) });
    await waiting.storeConfig();
    const theirs = waiting.folder.batchesFile('dear');
    waiting.close();
    mkdirSync(path.dirname(theirs), { recursive: true });
    await writeLedger(theirs, { ...of, open: [sent] });
    expect(() => removeRun(at('sweep'), silentLog)).toThrow(refused);
    expect(existsSync(theirs)).toBe(true);
    removeRun(at('sweep'), silentLog, { abandonBatches: true });
    expect(existsSync(at('sweep'))).toBe(false);

    const command = ['runs', 'rm', at('waiting'), '--yes'];
    expect((await runHere(command)).code).not.toBe(0);
    expect((await runHere([...command, '--abandon-batches'])).code).toBe(0);
    expect(existsSync(at('waiting'))).toBe(false);
  });

  it('is a command that asks before it removes', async () => {
    const refused = await runHere(['runs', 'rm', at('a'), '--json']);
    expect([refused.code, existsSync(at('a'))]).toEqual([2, true]);
    const compared = await runHere(['runs', 'compare', at('a'), at('a')]);
    expect(compared.stdout).toMatch(
      /settings that differ: none\s+results .*\s+evaluate sft\.accuracy +0\.5000 +0\.5000/,
    );
    const removed = await runHere(['runs', 'rm', at('a'), '--yes']);
    expect([removed.code, existsSync(at('a'))]).toEqual([0, false]);
  });
});
