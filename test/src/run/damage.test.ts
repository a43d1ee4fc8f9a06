/** Cuts every file of a finished run: the error has a code and names the file and what to remove, and removing it helps. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, readConfigFile, resolveConfig } from '../../../src/config/index.js';
import { toSparkError } from '../../../src/errors.js';
import { runLadder } from '../../../src/experiments/ladder.js';
import { silentLog } from '../../../src/log.js';
import { readReport } from '../../../src/report/read.js';
import { Run, withRun } from '../../../src/run/run.js';
import { TrajectoryStore } from '../../../src/trajectory/store.js';
import { full } from '../full.js';

const root = mkdtempSync(path.join(tmpdir(), 'spark-damage-'));
const sound = path.join(root, 'sound');
const damaged = path.join(root, 'damaged');
const context = { log: silentLog, signal: new AbortController().signal };
let config: Config;

/** Reads everything that a later command reads of a finished run, and does the work that is left. */
async function takeUp(folder: string): Promise<void> {
  const run = Run.read(folder, context);
  await readReport(run);
  await withRun(run.config, context, runLadder);
}

/** Only reads, for files of lines: making missing lines again would take long. */
async function read(folder: string): Promise<void> {
  const run = Run.read(folder, context);
  await readReport(run);
  (await TrajectoryStore.open(run.folder.trajectoriesFile('max-score'))).close();
}

beforeAll(async () => {
  config = resolveConfig(await readConfigFile('quickstart'), {
    name: sound,
    questions: { trainLimit: 7, testLimit: 7 },
    rollout: { maxSteps: 2, maxThoughtTokens: 24, maxInputTokens: 24, maxAnswerTokens: 16 },
    tools: { enabled: ['calculator'] },
    eval: { maxChainTokens: 24 },
    sft: { epochs: 1 },
    ppo: { epochs: 1, iterations: 1 },
  });
  await withRun(config, context, runLadder);
});
afterAll(() => rmSync(root, { recursive: true }));

/** The files to cut; of files of the same kind one is enough, so only those of the stage sft. */
function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter(
    (name) => statSync(path.join(folder, name)).isFile() && !/ppo|spark|base-tools/.test(name),
  );
  return files.filter((name) => statSync(path.join(folder, name)).size > 0);
}

/** The lengths to cut to; not the last newline of a document, without which it is still whole. */
const cutsOf = (bytes: Buffer) => (full ? [0, 1, bytes.length >> 1, bytes.length - 2] : [0, bytes.length >> 1]);

describe('a cut file of a finished run', () => {
  it('is a coded error or does no harm', async () => {
    const refused = new Set<string>();
    const files = filesOf(sound);
    for (const name of files) {
      const whole = readFileSync(path.join(sound, name));
      for (const length of cutsOf(whole)) {
        cpSync(sound, damaged, { recursive: true });
        writeFileSync(path.join(damaged, name), whole.subarray(0, length));
        const error = await (name.endsWith('.jsonl') ? read : takeUp)(damaged).then(() => null, toSparkError);
        if (error !== null) {
          expect(error, `${name} cut to ${length}`).toMatchObject({ code: 'invalid_file' });
          expect(error.message).toContain(path.join(damaged, name));
          expect(error.message).toContain('remove');
          refused.add(name);
        }
        rmSync(damaged, { recursive: true });
      }
    }
    // Other files are only written (ladder.json, report.html), not read unless something trains (parity.json), or
    // consist of lines: with the end cut off, the last line is incomplete or a line is missing, and both are allowed.
    expect([...refused].sort()).toEqual([
      'adapters/sft-1-peft/adapter_config.json',
      'adapters/sft-1-peft/adapter_model.safetensors',
      'adapters/sft-1.gguf',
      'config.json',
      'stages.json',
    ]);
    expect(files).toEqual(expect.arrayContaining(['parity.json', 'metrics.jsonl', 'ladder.json', 'report.html']));
  });

  it.runIf(full)('can be removed as the error says, and the run goes on', async () => {
    for (const name of ['stages.json', 'adapters/sft-1.gguf', 'parity.json']) {
      cpSync(sound, damaged, { recursive: true });
      rmSync(path.join(damaged, name));
      await takeUp(damaged);
      await takeUp(damaged);
      rmSync(damaged, { recursive: true });
    }
    cpSync(sound, damaged, { recursive: true });
    rmSync(path.join(damaged, 'config.json'));
    await withRun({ ...config, name: damaged }, context, runLadder);
    await takeUp(damaged);
  });

  it('in the middle of lines, names the line', async () => {
    for (const name of ['trajectories/max-score.jsonl', 'eval/sft.jsonl', 'metrics.jsonl']) {
      rmSync(damaged, { recursive: true, force: true });
      cpSync(sound, damaged, { recursive: true });
      const [first, second, ...rest] = readFileSync(path.join(sound, name), 'utf8').split('\n');
      writeFileSync(path.join(damaged, name), [first, second!.slice(0, 20), ...rest].join('\n'));
      await expect(read(damaged)).rejects.toMatchObject({
        code: 'invalid_file',
        message: expect.stringMatching(/line 2.*remove/),
      });
    }
  });
});

describe('config.json', () => {
  it('may be edited by who takes the hash out', async () => {
    rmSync(damaged, { recursive: true, force: true });
    cpSync(sound, damaged, { recursive: true });
    const file = path.join(damaged, 'config.json');
    const { sha256, ...content } = JSON.parse(readFileSync(file, 'utf8')) as Config & { sha256: string };
    const edited = { ...content, rollout: { ...content.rollout, tau: 7 } };
    writeFileSync(file, JSON.stringify({ ...edited, sha256 }));
    expect(() => Run.read(damaged).config).toThrow(/edited by hand\? take the "sha256" out/);
    writeFileSync(file, JSON.stringify(edited));
    expect(Run.read(damaged).config.rollout.tau).toBe(7);
  });
});
