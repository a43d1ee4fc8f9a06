/** What killed processes leave of files they were writing goes; what others write stays. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { draftOf, dropDeadDrafts } from '../../src/drafts.js';
import { fateOfTag, ownIdentity, ownTag } from '../../src/processIdentity.js';
import { Run } from '../../src/run/run.js';
import { writeWhole } from '../../src/sealed.js';
import { keepPicture } from '../../src/tools/pictureFile.js';
import { WholeFile } from '../../src/wholeFile.js';

const base = mkdtempSync(path.join(tmpdir(), 'spark-drafts-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const folderOf = (name: string) => {
  const folder = path.join(base, name);
  mkdirSync(folder, { recursive: true });
  return folder;
};

const deadPid = spawnSync(process.execPath, ['-e', '']).pid;
const [pid, started, machine, boot] = ownTag().split('-');
const tag = (change: { pid?: number; started?: string; machine?: string; boot?: string }) => {
  const all = { pid, started, machine, boot, ...change };
  return `${all.pid}-${all.started}-${all.machine}-${all.boot}`;
};
const draft = (file: string, of: string) => `${file}.${of}.0a1b2c3d.tmp`;
const DEAD = tag({ pid: deadPid });

describe('a process in a file’s name', () => {
  it('is told from one that has its pid by now, and from those of other machines', () => {
    expect(fateOfTag(ownTag())).toBe('alive');
    expect(fateOfTag(DEAD)).toBe('dead');
    expect(fateOfTag(tag({ pid: deadPid, machine: '0badcafe' }))).toBe('unknown');
    expect(fateOfTag(tag({ started: '0' }))).toBe('alive');
    if (started !== '0') expect(fateOfTag(tag({ started: '0badcafe' }))).toBe('dead');
    const restarted = ownIdentity().machine === null ? 'unknown' : 'dead';
    expect(fateOfTag(tag({ boot: '0badcafe' }))).toBe(restarted);
    expect(path.basename(draftOf('/x/a.json'))).toMatch(/^a\.json\.\d+(-[0-9a-f]+){3}\.[0-9a-f]{8}\.tmp$/);
  });
});

describe('drafts', () => {
  const kept = [
    'a.tmp',
    'b.json.12.tmp',
    'c.1234.0a1b2c3d.tmp',
    draft('d', tag({})),
    draft('e', tag({ pid: deadPid, machine: '0badcafe' })),
  ];

  it.each<[string, (folder: string) => unknown]>([
    ['a file that is written whole', (folder) => writeWhole(path.join(folder, 'new'), 'x')],
    [
      'a file written piece by piece',
      (folder) => new WholeFile(path.join(folder, 'new'), { overwrite: false }).abandon(),
    ],
    ['a snapshot', (folder) => keepPicture(path.join(folder, 'new.snapshot'), new Uint8Array(3))],
  ])('of dead processes are removed by the next that writes %s', async (what, write) => {
    const folder = folderOf(what);
    for (const name of [
      ...kept,
      draft('gone', DEAD),
      draft('python-1.snapshot', DEAD),
      `${draft('merged.gguf', DEAD)}.tmp-12-0`,
    ])
      writeFileSync(path.join(folder, name), '');
    await write(folder);
    expect(readdirSync(folder).filter((name) => !name.startsWith('new'))).toEqual([...kept].sort());
  });

  it('a process that is killed while it writes leaves one, which goes', async () => {
    const folder = folderOf('killed');
    const file = path.join(folder, 'big');
    const module = JSON.stringify(path.resolve('dist/wholeFile.js'));
    const script = `const { WholeFile } = await import(${module});
      const file = new WholeFile(${JSON.stringify(file)}, { overwrite: false });
      file.write('half');
      console.log('written');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const [left, ...more] = readdirSync(folder);
    expect([left, more]).toEqual([expect.stringMatching(/^big\..*\.tmp$/), []]);
    // Not while it writes.
    const look = `const { dropDeadDrafts } = await import(${JSON.stringify(path.resolve('dist/drafts.js'))}); dropDeadDrafts(${JSON.stringify(folder)});`;
    spawnSync(process.execPath, ['--input-type=module', '-e', look]);
    expect(readdirSync(folder)).toEqual([left]);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    dropDeadDrafts(folder);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a run go when it is opened, those of the engine too', async () => {
    const root = path.join(base, 'run');
    const first = await Run.open({ name: root });
    await first.storeConfig();
    first.close();
    const engine = ['adapters/spark-8.gguf', 'adapters/spark-8-peft', 'checkpoints/spark/actor', 'states/x/critic'];
    const left = engine.map((name) => path.join(root, `${name}.tmp-${deadPid}-0`));
    for (const at of [...left, path.join(root, `adapters/mine.tmp-${process.pid}-0`)]) {
      mkdirSync(path.dirname(at), { recursive: true });
      writeFileSync(at, '');
    }
    // Of an earlier process with this pid, as in a container that was started again.
    const earlier = path.join(root, `adapters/mine.tmp-${process.pid}-1`);
    writeFileSync(earlier, '');
    utimesSync(earlier, new Date(0), new Date(0));
    writeFileSync(path.join(root, 'adapters/spark-8.gguf'), 'kept');
    (await Run.open({ name: root })).close();
    expect(left.filter((at) => existsSync(at))).toEqual([]);
    expect(readdirSync(path.join(root, 'adapters'))).toEqual([`mine.tmp-${process.pid}-0`, 'spark-8.gguf']);
  });
});

it('a file written anew keeps its owner and mode, and a link stays one', async () => {
  const folder = folderOf('mode');
  const file = path.join(folder, 'file');
  writeFileSync(file, 'old');
  chmodSync(file, 0o640);
  const root = process.getuid?.() === 0;
  if (root) chownSync(file, 1234, 1235);
  symlinkSync(file, path.join(folder, 'link'));
  await writeWhole(path.join(folder, 'link'), 'new');
  expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['new', 0o640]);
  if (root) expect(statSync(file)).toMatchObject({ uid: 1234, gid: 1235 });
  expect(readdirSync(folder).sort()).toEqual(['file', 'link']);
});
