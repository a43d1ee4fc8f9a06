/** One question to a policy: with options or none, with real tools, judged by nobody. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { silentLog } from '../../../src/log.js';
import { Parts } from '../../../src/run/parts.js';
import { askPolicy } from '../../../src/stages/ask.js';
import type { Step } from '../../../src/trajectory/trajectory.js';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';

const script = continuations([
  ['</observation>\n', '<answer>The answer is (B).</answer>'],
  ['<action>', 'calculator</action>'],
  ['<input>', '37 * 24</input>'],
  ['\n', '<thought>Multiply.</thought>'],
]);

async function ask(question: string, options: readonly string[], signal = new AbortController().signal) {
  const config = resolveConfig({ tools: { enabled: ['calculator'] } });
  let prompt = '';
  const generator = async () =>
    new ScriptedGenerator((text) => {
      // The first tag is the script's already.
      prompt ||= text.replace(/<$/, '');
      return script(text);
    });
  const parts = new Parts({ config, judgeCacheFolder: '', user: { generator }, log: silentLog, signal });
  onTestFinished(() => parts.close());
  const seen: Step[] = [];
  const onStep = (step: Step) => seen.push(step);
  const trajectory = await askPolicy({ question, options, adapter: null }, { config, parts, signal, onStep });
  return { trajectory, seen, prompt };
}

it('shows each step as it is written, and reads a letter where there are options', async () => {
  const { trajectory, seen, prompt } = await ask('What is 37 * 24?', ['864', '888']);
  expect(prompt).toBe('Question:\nWhat is 37 * 24?\nOptions:\nA. 864\nB. 888\n');
  expect(seen).toMatchObject([{ thought: 'Multiply.', action: 'calculator', input: '37 * 24', observation: '888' }]);
  expect(trajectory).toMatchObject({ answer: 'B', answerText: 'The answer is (B).', judge: null, selection: 'policy' });
});

it('shows no options where there are none', async () => {
  const { trajectory, prompt } = await ask('What is 37 * 24?', []);
  expect(prompt).toBe('Question:\nWhat is 37 * 24?\n');
  expect(trajectory.answerText).toBe('The answer is (B).');
});

it('refuses what is no question, and stops when it is told to', async () => {
  await expect(ask(' ', [])).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(ask('What?', ['one'])).rejects.toThrow(/two to 10 options.*got 1: "one"/);
  await expect(ask('What?', Array(11).fill('x'))).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(ask('What?', [], AbortSignal.abort())).rejects.toMatchObject({ code: 'interrupted' });
});

it('is a command that needs no run, and prints one document', async () => {
  const done = await runHere(['ask', 'What is 3 + 4?', '--option', '7', '--option', '8', '--json']);
  expect(done.json()).toMatchObject({ question: 'What is 3 + 4?', options: ['7', '8'], stage: null, adapter: null });
  const { answer, option } = done.json() as { answer: string | null; option: string | null };
  expect(option).toBe(answer === null ? null : (['7', '8']['AB'.indexOf(answer)] ?? null));
  const name = path.join(temporaryFolder(), 'none');
  const none = await runHere(['ask', 'What?', '--run', name]);
  expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/^error \[no_data\]: expected a run at/)]);
  expect(existsSync(name)).toBe(false);
});
