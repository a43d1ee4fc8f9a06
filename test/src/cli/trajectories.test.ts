/**
 * `trajectories show | stats | export | import` over a run that a scripted generator made, in this process; and the authors'
 * rollouts by the command line, learned from by SFT and PPO without a judge and a key.
 */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOne, type Look, show, stats } from '../../../src/cli/trajectories/look.js';
import { resolveConfig } from '../../../src/config/index.js';
import { type Log, silentLog } from '../../../src/log.js';
import { exportQuestions } from '../../../src/questions/export.js';
import { makeMini } from '../../../src/questions/mini.js';
import type { ChatRow } from '../../../src/rollout/hfChat.js';
import { Run, withRun } from '../../../src/run/run.js';
import { generateStage } from '../../../src/stages/generate.js';
import { importStage } from '../../../src/stages/importRollouts.js';
import { restoreStage } from '../../../src/stages/restoreTrajectories.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import { FORMAT_NAMES } from '../../../src/stages/trajectoryFormats.js';
import { TrajectoryParquetWriter } from '../../../src/trajectory/parquet/write.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import type { TrajectoryView } from '../../../src/trajectory/view.js';
import { WholeFile } from '../../../src/wholeFile.js';
import { full } from '../full.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';
import { tableJudge } from '../rollout/parts.js';
import { exampleTrajectory, TWO_STEPS } from '../trajectory/example.js';
import { rolloutRows, writeTable } from '../trajectory/sparkTable.js';
import { readLines, temporaryFolder } from './runCli.js';
import { runHere } from './runHere.js';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);
const SET = { selection: 'min-score', tau: 6 } as const;
const file = at('made/trajectories/min-score-tau6.jsonl');
const mini = makeMini({ seed: 2025, perCategory: 1, split: 'train' });
const context = { log: silentLog, signal: new AbortController().signal };

beforeAll(async () => {
  const script = continuations([
    ['<input>', 'C it is.</input><answer>The answer is (C).</answer>'],
    ['\n', '<thought>Think.</thought>'],
  ]);
  const judge = tableJudge(() => ({ scores: { calculator: 9, think: 8 }, processOk: true }));
  const parts = { judge, generator: async () => new ScriptedGenerator(script, { sequences: 4 }) };
  const config = { name: at('made'), tools: { enabled: ['calculator'] }, questions: { trainLimit: 14 } };
  await withRun(config, { parts }, (run) => perform(run, generateStage(SET)));
});

function look(more: Partial<Look>): Look {
  const none = { sets: undefined, stages: undefined, questions: undefined };
  return { run: at('made'), files: [], filter: {}, json: true, ...none, ...more };
}

const views = async (...args: Parameters<typeof shown>) => (await shown(...args)).trajectories;

async function shown(more: Partial<Look> = {}, nth?: number, limit = 0) {
  const { stream } = await show(look(more), { nth, limit, rho: 0.25 }, context);
  let text = '';
  for await (const piece of stream!) text += piece;
  return JSON.parse(text) as { trajectories: TrajectoryView[]; more: boolean };
}

describe('show', () => {
  it('finds the questions of a run, by content, and those that match', async () => {
    const all = await views();
    expect(all).toHaveLength(14);
    for (const { questionId, question, steps } of all) {
      const asked = mini.find(({ question_id }) => question_id === questionId)!;
      expect(question).toEqual({ question: asked.question, options: asked.options, answer: asked.answer });
      expect(steps[0]).toMatchObject({ chosen: 8, best: 9, reward: { reward: 0.25 } });
    }
    expect(await shown({}, undefined, 3)).toEqual({ trajectories: all.slice(0, 3), more: true });
    expect(await shown({}, undefined, 14)).toEqual({ trajectories: all, more: false });
    expect(await views({}, 5)).toEqual([all[4]]);
    const law = await views({ filter: { categories: ['law'] }, sets: ['min-score-tau6'] });
    expect(law.map(({ category }) => category)).toEqual(['law']);
    const wrong = all.filter(({ correct }) => !correct);
    expect(await views({ filter: { wrong: true } })).toEqual(wrong);
    await expect(views({ filter: { ids: ['none'] } })).rejects.toMatchObject({ code: 'no_data' });
    await expect(views({}, 15)).rejects.toThrow(/expected 15 .*, got 14/);
    await expect(views({ sets: ['max-score'] })).rejects.toThrow(/got max-score; it has min-score-tau6/);
    await expect(views({ stages: ['sft'] })).rejects.toMatchObject({ code: 'no_data' });
    await expect(views({}, 0.5)).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(views({ run: undefined })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('shows no question that has the id and another text', async () => {
    const config = readFileSync(at('made/config.json'), 'utf8');
    const changed = mini.map((one) => ({ ...one, question: `Not: ${one.question}` }));
    await exportQuestions(changed, at('changed.jsonl'));
    const { sha256: _seal, ...other } = JSON.parse(config) as Record<string, object>;
    const questions = { ...other.questions, train: at('changed.jsonl') };
    writeFileSync(at('made/config.json'), JSON.stringify({ ...other, questions }));
    // The scripted generator's tokens are of no model, so they say nothing either.
    expect((await views({}, 1))[0]!.question).toBeNull();
    writeFileSync(at('made/config.json'), config);
    const given = await views({ run: undefined, files: [file], questions: at('changed.jsonl') }, 1);
    expect(given[0]!.question!.question).toMatch(/^Not: /);
  });
});

it('stats are of every set that is asked for, side by side', async () => {
  const { json, text } = await stats(look({ files: [file] }), context);
  const [ofRun, ofFile] = (json as { sets: { name: string; actions: object }[] }).sets;
  expect(ofRun).toMatchObject({ name: 'min-score-tau6', trajectories: 14, chosenScore: 8, stepsPerTrajectory: 1 });
  expect(ofFile).toEqual({ ...ofRun, name: 'min-score-tau6.jsonl' });
  expect(text).toMatch(/^ +min-score-tau6 +min-score-tau6.jsonl\n/);
  expect(text).toMatch(/^think +14 +100.0 % +14 +100.0 %$/m);
  expect(text).toMatch(/^law +1 /m);
  await expect(stats(look({ filter: { tools: ['search'] } }), context)).rejects.toMatchObject({ code: 'no_data' });
});

describe('export and import', () => {
  const written = (format: (typeof FORMAT_NAMES)[number], more: Partial<Look> = {}, overwrite = false) =>
    exportOne(look(more), { format, out: at(`out.${format}`), overwrite }, context);
  beforeAll(async () => {
    for (const format of FORMAT_NAMES) await written(format);
  });
  const config = (name: string) => ({ name: at(name), questions: { trainLimit: 14 } });
  const lines = (name: string) => readLines<Trajectory>(at(`${name}/trajectories/min-score-tau6.jsonl`));

  it('replaces nothing without being told, and leaves nothing where it fails', async () => {
    await expect(written('parquet')).rejects.toThrow(/exists/);
    await written('parquet', {}, true);
    const bare = { run: undefined, files: [file] };
    const lost = { format: 'hf-chat', out: at('lost.jsonl'), overwrite: false } as const;
    await expect(exportOne(look(bare), lost, context)).rejects.toThrow(/expected its question.*--questions/);
    const none = look({ filter: { ids: ['none'] } });
    await expect(exportOne(none, lost, context)).rejects.toMatchObject({ code: 'no_data' });
    await expect(exportOne(look({ files: [file] }), lost, context)).rejects.toThrow(/one set/);
    expect(readdirSync(folder).filter((name) => /lost|partial/.test(name))).toEqual([]);
  });

  it('brings every byte of a line back by Parquet, and adds to no set of another origin', async () => {
    const stage = await restoreStage([at('out.parquet')]);
    const first = await withRun(config('restored'), {}, (run) => perform(run, stage));
    expect(first).toMatchObject({ set: 'min-score-tau6', trajectories: 14, steps: 14 });
    expect(readFileSync(at('restored/trajectories/min-score-tau6.jsonl'))).toEqual(readFileSync(file));
    const more = await restoreStage([at('more.parquet'), at('out.parquet')].slice(1));
    await expect(withRun({ name: at('made') }, {}, (run) => perform(run, more))).rejects.toMatchObject({
      code: 'run_exists',
    });
    const twice = exportOne(look({}), { format: 'parquet', out: at('again.parquet'), overwrite: false }, context);
    await twice;
    const both = await restoreStage([at('out.parquet'), at('again.parquet')]);
    await expect(withRun(config('both'), {}, (run) => perform(run, both))).rejects.toThrow(/which another file has/);
  });

  it('restores the set that a file says, goes on after a failure, and mixes no sets', async () => {
    const write = (name: string, set: string, ids: readonly string[]) => {
      const whole = new WholeFile(at(name), { overwrite: false });
      const writer = new TrajectoryParquetWriter(whole, set);
      for (const id of ids) writer.add(exampleTrajectory(TWO_STEPS, [{}, {}], { id }));
      writer.finish();
      whole.commit();
      return whole.file;
    };
    const one = write('one.parquet', 'validation-min-score-tau6-by-sft', ['1:min-score-tau6-by-sft:0']);
    const two = write('two.parquet', 'validation-min-score-tau6-by-sft', ['2:min-score-tau6-by-sft:0']);
    const plain = write('plain.parquet', 'min-score-tau6', ['3:min-score-tau6:0']);
    const good = await restoreStage([one, two]);
    expect(good.name).toBe('generate validation-min-score-tau6-by-sft');
    const done = await withRun(config('of-sft'), {}, (run) => perform(run, good));
    expect(done).toMatchObject({ set: 'validation-min-score-tau6-by-sft', trajectories: 2, steps: 4 });
    const mixed = await restoreStage([one, plain]);
    for (const _try of [1, 2]) {
      await expect(withRun(config('two-sets'), {}, (run) => perform(run, mixed))).rejects.toThrow(
        /expected trajectories of validation-min-score-tau6-by-sft alone, got 3:min-score-tau6:0 of min-score-tau6;/,
      );
    }
  });

  it('counts what a format has no place for', async () => {
    const [first] = lines('made');
    const bare = exampleTrajectory([['prompt', -1, 2]], [], { id: 'bare', questionId: first!.questionId });
    writeFileSync(at('bare.jsonl'), [first, bare].map((one) => `${JSON.stringify(one)}\n`).join(''));
    const given = look({ run: undefined, files: [at('bare.jsonl')], questions: 'mini' });
    const out = { format: 'spark', out: at('bare.parquet'), overwrite: false } as const;
    const { json, text } = await exportOne(given, out, context);
    expect(json).toMatchObject({ set: 'bare', trajectories: 1, leftOut: 1 });
    expect(text).toContain('bare: 1 trajectories written; 1 have no place in this format\n');
  });

  it('writes chats that take turns, with a call for each action and its function’s schema', () => {
    const rows = readLines<ChatRow>(at('out.hf-chat'));
    expect(rows).toHaveLength(14);
    for (const { messages, tools, question, answer, correct } of rows) {
      expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
      expect(messages[0]!.content).toContain(`Question:\n${question}\nOptions:\nA. `);
      expect(messages[1]).toEqual({
        ...{ role: 'assistant', content: 'Think.' },
        tool_calls: [{ type: 'function', function: { name: 'think', arguments: { input: 'C it is.' } } }],
      });
      expect(messages[2]).toEqual({ role: 'tool', name: 'think', content: '' });
      expect(tools).toHaveLength(2);
      expect(tools[0]).toMatchObject({
        type: 'function',
        function: { name: 'calculator', parameters: { required: ['input'] } },
      });
      expect(correct).toBe(answer === 'C');
    }
  });

  it('brings texts, answers and verdicts of chats back, and the authors’ two scores; their questions stand in the tokens', async () => {
    const before = lines('made');
    // Every night the authors' form, too: it opens the vocabulary two more times.
    for (const format of full ? (['hf-chat', 'spark'] as const) : (['hf-chat'] as const)) {
      const name = `from-${format}`;
      const stage = importStage({ files: [at(`out.${format}`)], format, ...SET });
      const done = await withRun(config(name), {}, (run) => perform(run, stage));
      expect(done).toMatchObject({
        trajectories: 14,
        steps: 14,
        leftOut: {},
        forSft: before.filter((one) => one.correct).length,
      });
      const after = lines(name);
      for (const [index, { id, answer, correct, steps }] of after.entries()) {
        const old = before[index]!;
        expect({ id, answer, correct }).toEqual({ id: old.id, answer: old.answer, correct: old.correct });
        const { thought, action, input, observation, processOk } = old.steps[0]!;
        expect(steps[0]).toMatchObject({ thought, action, input, observation, processOk, scores: null });
        expect(steps[0]!.pair).toEqual(format === 'spark' ? { chosen: 8, best: 9 } : undefined);
      }
      const [read] = await views({ run: at(name) }, 1);
      const asked = mini.find(({ question_id }) => question_id === read!.questionId)!;
      expect(read!.question).toMatchObject({ question: asked.question, options: asked.options });
    }
    expect(lines('from-hf-chat')[0]!.category).toBe(before[0]!.category);
  });

  it('leaves out chats that are no rollouts, each with its reason, and refuses a file that is none', async () => {
    const [row] = readLines<ChatRow>(at('out.hf-chat'));
    const [user, call, tool, said] = row!.messages as [object, { tool_calls: object[] }, object, object];
    const chats: object[] = [
      { ...row, answer: 'K' },
      { ...row, messages: [call, tool, said] },
      { ...row, messages: [user, call, said] },
      { ...row, messages: [user, { ...call, tool_calls: [...call.tool_calls, ...call.tool_calls] }, tool, said] },
      { ...row, process_ok: [] },
      { ...row, messages: [user, call, { role: 'tool', content: 'half: \ud83d' }, said] },
      {
        ...row,
        messages: [user, { role: 'assistant', tool_calls: [{ function: { name: 'a b', arguments: {} } }] }, tool],
      },
      // Of others: arguments as JSON, no verdicts, no id; the same line twice counts once.
      ...[1, 2].map(() => ({
        ...{ question: 'What?', options: ['x', 'y'], answer: 'B' },
        messages: [
          { role: 'system', content: 'Be good.' },
          { role: 'user', content: 'What?' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ function: { name: 'f', arguments: '{"x":1,"y":null}' } }],
          },
          { role: 'tool', content: '1' },
          { role: 'assistant', content: 'So the answer is (B).' },
        ],
      })),
    ];
    writeFileSync(at('mixed.jsonl'), chats.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const stage = importStage({ files: [at('mixed.jsonl')], format: 'hf-chat', ...SET });
    expect(await withRun(config('mixed'), {}, (run) => perform(run, stage))).toMatchObject({
      ...{ rows: 9, repeatedRows: 1, trajectories: 1, right: 1, forSft: 0 },
      leftOut: { invalid_question: 1, invalid_messages: 4, invalid_text: 1, invalid_action: 1 },
    });
    expect(lines('mixed')[0]).toMatchObject({
      ...{ answer: 'B', category: 'unknown', generator: 'imported:hf-chat' },
      steps: [{ action: 'f', input: '{"x":1}', observation: '1', processOk: null, choice: 'policy' }],
    });
    appendFileSync(at('mixed.jsonl'), '{"text": "no chat"}\n');
    const wrong = importStage({ files: [at('mixed.jsonl')], format: 'hf-chat', ...SET });
    await expect(withRun(config('wrong'), {}, (run) => perform(run, wrong))).rejects.toThrow(/row 10: messages: /);
  });
});

it('the authors’ rollouts are imported once, marked, and train SFT and PPO', async () => {
  // Every fourth answers wrongly, every third has an incoherent step; the last one lacks a step.
  const rollouts = Array.from({ length: 24 }, (_, at) => rolloutRows(`q${at}`, 1 + (at % 3), at % 4 === 3 ? 'A' : 'B'));
  const file = writeTable(path.join(folder, 'full.parquet'), [
    ...rollouts.flat(),
    ...rolloutRows('q24', 3, 'B').slice(1),
  ]);
  const name = path.join(folder, 'paper');
  const imported = await runHere(['trajectories', 'import', file, '--run', name, '--json']);
  expect(imported.stderr).not.toContain('error');
  expect(imported.json()).toMatchObject({
    ...{ set: 'min-score-tau6', rows: 50, trajectories: 24, steps: 48, right: 18, wrong: 6, unanswered: 0 },
    ...{ forSft: 12, stepsWithoutReward: 0, leftOut: { missing_step: 1 } },
  });
  const stored = readLines<Trajectory>(path.join(name, 'trajectories', 'min-score-tau6.jsonl'));
  expect(stored).toHaveLength(24);
  expect(stored.every(({ tokenised }) => tokenised === 'later')).toBe(true);
  expect(new Set(stored.map(({ questionId }) => questionId)).size).toBe(24);
  const skips = readLines(path.join(name, 'trajectories', 'min-score-tau6.skips.jsonl'));
  expect(skips).toMatchObject([{ code: 'missing_step' }]);

  const warnings: string[] = [];
  const log: Log = { info() {}, warn: (line) => warnings.push(line), progress() {} };
  // The configuration of the run names the judge of real questions, of whom no key is known here.
  const config = resolveConfig({
    ...{ name, judge: { kind: 'api' }, sft: { selection: 'min-score', epochs: 1, batchTrajectories: 6 } },
    ...{
      ppo: { iterations: 1, epochs: 1, batchTrajectories: 8, init: 'base' },
      lora: { rank: 2, alpha: 4 },
      parity: { tokens: 16 },
    },
  });
  const run = await Run.open(config, { log });
  try {
    const sft = await perform(run, trainStage({ name: 'sft', method: 'sft', ...SET, rho: 0.5, init: 'base' }));
    expect(sft.metrics).toMatchObject({ samples: 12, steps: 2 });
    const ppo = { name: 'spark', method: 'ppo', ...SET, rho: 0.5, init: 'sft' } as const;
    expect((await perform(run, trainStage(ppo))).metrics).toMatchObject({ samples: 24, steps: 3 });
    expect(warnings.join('\n')).toMatch(/24 of 24 trajectories were written by imported:spark, as texts/);
    // Mean of ρ (best − chosen): 9 − 6 or 9 − 7 by turns, and of the verdicts.
    const rewards = readLines<{ event?: string }>(run.folder.metrics.file).find(({ event }) => event === 'rewards');
    expect(rewards).toMatchObject({ steps: 48, stepsWithoutVerdict: 0, rewardDiversity: (32 * 1.5 + 16) / 48 });
    const judged = { ...ppo, name: 'judged', settings: { actionLoss: 'judged' } };
    await expect(perform(run, trainStage(judged))).rejects.toThrow(/ppo.actionLoss: judged .* of step 0 of q0:/);
    const bonus = { ...ppo, name: 'bonus', settings: { entropyBonus: 0.1, baseline: 'judged' } };
    await expect(perform(run, trainStage(bonus))).rejects.toThrow(
      /ppo.baseline: judged and ppo.entropyBonus: 0.1 learns/,
    );
    // A set has one origin.
    await expect(perform(run, generateStage(SET))).rejects.toMatchObject({ code: 'run_exists' });
    writeTable(file, rollouts.flat());
    await expect(perform(run, importStage({ files: [file], ...SET }))).rejects.toMatchObject({ code: 'run_exists' });
  } finally {
    run.close();
  }
});
