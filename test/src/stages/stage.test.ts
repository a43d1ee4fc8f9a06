/** When `perform` takes a stage as done, does it again, continues it, or refuses: by its facts and its files. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeMini } from '../../../src/questions/mini.js';
import type { Question } from '../../../src/questions/question.js';
import { changes, inWords } from '../../../src/run/freshness.js';
import { Run } from '../../../src/run/run.js';
import { isOneQuestion, questionFacts } from '../../../src/stages/rolloutFacts.js';
import { perform, type Stage } from '../../../src/stages/stage.js';
import { temporaryFolder } from '../cli/runCli.js';

let run: Run;
let calls: string[];
const file = () => path.join(run.folder.root, 'made.txt');

beforeEach(async () => {
  run = await Run.open({ name: path.join(temporaryFolder(), 'run') });
  calls = [];
});
afterEach(() => run.close());

/** A stage that writes a given text into its file. */
function stage(content: string, more: Partial<Stage<string>> = {}, complete = true): Stage<string> {
  return {
    name: 'make',
    dependsOn: async () => ({ content }),
    async prepare(_run, changed) {
      calls.push(`prepare ${changed === null ? 'unknown' : inWords(changed)}`);
    },
    async execute() {
      calls.push('execute');
      writeFileSync(file(), content);
      return { result: content, files: [file()], complete };
    },
    ...more,
  };
}

describe('perform', () => {
  it('does a stage once, and gives its result again', async () => {
    expect(await perform(run, stage('a'))).toBe('a');
    expect(await perform(run, stage('a'))).toBe('a');
    expect(calls).toEqual(['prepare unknown', 'execute']);
  });

  it('does it again when what it depends on has changed, and says what has', async () => {
    await perform(run, stage('a'));
    expect(await perform(run, stage('b'))).toBe('b');
    expect(calls.slice(2)).toEqual(['prepare content "a", now "b"', 'execute']);
    expect(readFileSync(file(), 'utf8')).toBe('b');
  });

  it('does it again when its file is gone or not what was made, or when something was left out', async () => {
    await perform(run, stage('a'));
    rmSync(file());
    await perform(run, stage('a'));
    writeFileSync(file(), 'spoilt');
    await perform(run, stage('a', {}, false));
    await perform(run, stage('a'));
    await perform(run, stage('a'));
    expect(calls.filter((call) => call === 'execute')).toHaveLength(4);
    // No changed facts, so the unfinished work was continued.
    expect(calls.slice(2).filter((call) => call.startsWith('prepare'))).toEqual(Array(3).fill('prepare '));
  });

  it('refuses a file that is not what was saved where the stage knows a remedy; a copy may be taken away', async () => {
    const copy = path.join(run.folder.root, 'copy.txt');
    const saved = (): Stage<string> => ({
      ...stage('a', { remedyFor: () => 'remove it' }),
      async execute() {
        calls.push('execute');
        for (const name of [file(), copy]) writeFileSync(name, 'a');
        return { result: 'a', files: [file()], copies: [copy], complete: true };
      },
    });
    await perform(run, saved());
    rmSync(copy);
    await perform(run, saved());
    expect(calls.filter((call) => call === 'execute')).toHaveLength(1);
    for (const name of [copy, file()]) {
      writeFileSync(name, 'spoilt');
      await expect(perform(run, saved())).rejects.toMatchObject({
        code: 'invalid_file',
        message: expect.stringMatching(/is not what was saved: expected sha256 .*; remove it/),
      });
      rmSync(name);
    }
    await perform(run, saved());
    expect(calls.filter((call) => call === 'execute')).toHaveLength(2);
  });

  it('remembers what an interrupted try was made under', async () => {
    await perform(run, stage('a'));
    const broken = stage('b', { execute: () => Promise.reject(new Error('power cut')) });
    await expect(perform(run, broken)).rejects.toThrow('power cut');
    // The file is now that of b, so the stored result of a does not count.
    expect(await perform(run, stage('a'))).toBe('a');
    expect(await perform(run, stage('c'))).toBe('c');
    expect(calls.at(-2)).toBe('prepare content "b", now "c"');
  });

  it('keeps what a refused change was made of', async () => {
    await perform(run, stage('a'));
    const refused = stage('b', { prepare: () => Promise.reject(new Error('other rules')) });
    await expect(perform(run, refused)).rejects.toThrow('other rules');
    expect(await perform(run, stage('a'))).toBe('a');
    expect(existsSync(file())).toBe(true);
  });

  it('refuses a run that was closed or opened for reading, and nothing else writes into a closed one', async () => {
    await perform(run, stage('a'));
    const reader = Run.read(run.folder.root);
    await expect(perform(reader, stage('b'))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/opened for writing, got one opened for reading; .*Run\.open/),
    });
    run.close();
    run.close();
    const closed = { code: 'disposed', message: expect.stringContaining(run.folder.root) };
    await expect(perform(run, stage('b'))).rejects.toMatchObject(closed);
    expect(calls.filter((call) => call === 'execute')).toHaveLength(1);
    await expect(run.records.begin('make', {})).rejects.toMatchObject(closed);
    await expect(run.records.finish('make', run.records.get('make').finished!)).rejects.toMatchObject(closed);
    expect(() => run.folder.metrics.append({ event: 'x' })).toThrow(expect.objectContaining(closed));
    await expect(run.folder.metrics.rewind('make', 0)).rejects.toMatchObject(closed);
    expect(() => run.parts.tools()).toThrow(expect.objectContaining({ code: 'disposed' }));
    await expect(run.parts.judge()).rejects.toMatchObject({ code: 'disposed' });
    await expect(run.parts.generator(null, 'answer')).rejects.toMatchObject({ code: 'disposed' });
    await expect(run.parts.engine()).rejects.toMatchObject({ code: 'disposed' });
    // What was written can still be read.
    expect(run.records.get('make').finished?.result).toBe('a');
  });
});

describe('questions as facts', () => {
  const [a, b] = makeMini({ seed: 1, perCategory: 1, split: 'train' }) as [Question, Question];

  it('tell more or fewer of them from other ones under the same id', () => {
    const facts = (questions: readonly Question[]) => ({ questions: questionFacts(questions) });
    expect(changes(facts([a]), facts([a]))).toEqual([]);
    for (const changed of [changes(facts([a]), facts([a, b])), changes(facts([a, b]), facts([a]))]) {
      expect(changed).toHaveLength(1);
      expect(changed.every(isOneQuestion)).toBe(true);
    }
    const other = changes(facts([a]), facts([{ ...a, question: 'Another?' }]));
    expect(other).toHaveLength(1);
    expect(other.some(isOneQuestion)).toBe(false);
  });
});
