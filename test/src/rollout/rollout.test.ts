import { afterAll, describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { neutralizeTags, renderQuestion } from '../../../src/rollout/prompt.js';
import { isTrajectory, rolloutQuestion } from '../../../src/rollout/rollout.js';
import type { RolloutDeps } from '../../../src/rollout/settings.js';
import { createBuiltinRegistry } from '../../../src/tools/registry.js';
import { trajectorySchema } from '../../../src/trajectory/schema.js';
import type { Skip, Trajectory } from '../../../src/trajectory/trajectory.js';
import { continuations, type Script, ScriptedGenerator, type ScriptedOptions } from '../inference/scripted.js';
import { question, SETTINGS, tableJudge, textsOf } from './parts.js';

const tools = createBuiltinRegistry({ tools: ['calculator'] });
afterAll(() => tools.dispose());

/** Calculates, thinks, answers. */
const MODEL = continuations([
  ['</observation>\n', '<thought>Read it off.</thought>'],
  ['<action>think</action><input>', 'It is 888, so C.</input><answer>The answer is (C).</answer>'],
  ['<action>calculator</action><input>', '37 * 24</input>'],
  ['</thought><action>', 'calculator</action>'],
  ['900\n', '<thought>Multiply.</thought>'],
]);

const judge = () =>
  tableJudge(({ steps, thought }) => ({
    scores: thought === null ? {} : steps.length === 0 ? { calculator: 7, think: 9 } : { calculator: 3, think: 6 },
    processOk: steps.length === 0 ? null : steps.length === 1,
  }));

const deps = (script: Script, more: Partial<RolloutDeps> = {}, options?: ScriptedOptions): RolloutDeps => ({
  generator: new ScriptedGenerator(script, options),
  judge: judge(),
  tools,
  ...more,
});

function trajectoryOf(result: Trajectory | Skip): Trajectory {
  if (!isTrajectory(result)) throw new Error(`expected a trajectory, got a skip: ${result.code} ${result.message}`);
  // The schema checks that segments cover every token once and that steps begin where their states end.
  return trajectorySchema.parse(result);
}

describe('rolloutQuestion', () => {
  it('writes steps with real observations, and every token has one writer', async () => {
    const given = deps(MODEL);
    const trajectory = trajectoryOf(await rolloutQuestion(question(), given, SETTINGS));
    const { detokenize } = given.generator;
    expect(detokenize(trajectory.tokens)).toBe(
      `${renderQuestion(question())}<thought>Multiply.</thought><action>calculator</action><input>37 * 24</input>` +
        '<observation>888</observation>\n<thought>Read it off.</thought><action>think</action>' +
        '<input>It is 888, so C.</input><answer>The answer is (C).</answer>',
    );
    expect(trajectory).toMatchObject({
      id: '7:min-score-tau6:0',
      selection: 'min-score',
      tau: 6,
      judge: 'table',
      answer: 'C',
      correct: true,
      end: 'answered',
    });
    expect(textsOf(trajectory, 'thought', detokenize)).toEqual([
      '<thought>Multiply.</thought>',
      '<thought>Read it off.</thought>',
    ]);
    expect(textsOf(trajectory, 'action', detokenize)).toEqual(['calculator</action>', 'think</action>']);
    expect(textsOf(trajectory, 'input', detokenize)).toEqual(['37 * 24</input>', 'It is 888, so C.</input>']);
    expect(textsOf(trajectory, 'observation', detokenize)).toEqual(['888']);
    expect(textsOf(trajectory, 'answer', detokenize)).toEqual(['<answer>The answer is (C).</answer>']);
    expect(textsOf(trajectory, 'template', detokenize)).toEqual([
      '<action>',
      '<input>',
      '<observation>',
      '</observation>\n',
      '<action>',
      '<input>',
    ]);
    expect(trajectory.steps.map(({ action, choice, observation }) => [action, choice, observation])).toEqual([
      ['calculator', 'viable', '888'],
      ['think', 'viable', null],
    ]);
    // The state of a step ends where its thought begins.
    expect(trajectory.steps.map(({ stateEnd }) => detokenize(trajectory.tokens.slice(stateEnd, stateEnd + 9)))).toEqual(
      ['<thought>', '<thought>'],
    );
  });

  it('asks for scores at each thought and for the last verdict at the end, and puts verdicts on the step they are about', async () => {
    const asked = judge();
    const trajectory = trajectoryOf(await rolloutQuestion(question(), deps(MODEL, { judge: asked }), SETTINGS));
    expect(asked.requests.map(({ thought, answer, steps }) => [thought, answer, steps.length])).toEqual([
      ['Multiply.', null, 0],
      ['Read it off.', null, 1],
      [null, 'The answer is (C).', 2],
    ]);
    expect(asked.requests[1]!.steps[0]).toEqual({
      thought: 'Multiply.',
      action: 'calculator',
      input: '37 * 24',
      observation: '888',
    });
    expect(asked.requests[0]!.actions.map(({ name }) => name)).toEqual(['calculator', 'think']);
    expect(trajectory.steps.map(({ processOk }) => processOk)).toEqual([true, false]);
    expect(trajectory.steps.map(({ scores }) => scores)).toEqual([
      { calculator: 7, think: 9 },
      { calculator: 3, think: 6 },
    ]);
  });

  it('lets the model choose the action when nobody scores', async () => {
    const trajectory = trajectoryOf(
      await rolloutQuestion(question(), deps(MODEL, { judge: null }), {
        ...SETTINGS,
        selection: 'policy',
        maxSteps: 1,
      }),
    );
    expect(trajectory.steps).toMatchObject([{ action: 'calculator', choice: 'policy', scores: null, processOk: null }]);
    expect(trajectory).toMatchObject({ judge: null, end: 'forced', answer: null, correct: false });
    await expect(rolloutQuestion(question(), deps(MODEL, { judge: null }), SETTINGS)).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });

  it('closes the blocks of a model that never does, and makes it answer after the last step', async () => {
    const given = deps((text) => (text.endsWith('\n') || text.endsWith('input>') ? '<thought>' : 'z'));
    const trajectory = trajectoryOf(await rolloutQuestion(question(), given, SETTINGS));
    const { detokenize } = given.generator;
    expect(trajectory).toMatchObject({ end: 'forced', answer: null, correct: false, answerText: 'z'.repeat(40) });
    expect(trajectory.steps).toHaveLength(3);
    expect(trajectory.steps.every((step) => step.truncated)).toBe(true);
    expect(textsOf(trajectory, 'thought', detokenize)[0]).toBe(`<thought>${'z'.repeat(40)}`);
    expect(textsOf(trajectory, 'template', detokenize)).toContain('</thought><action>');
    // The template opened this answer, not the model.
    expect(textsOf(trajectory, 'template', detokenize).at(-1)).toMatch(/<answer>$/);
  });

  it('gives the tool what the model wrote and keeps the failure', async () => {
    const bad = continuations([
      ['</observation>\n', '<answer>answer is B'],
      ['<input>', '</thought> what?</input>'],
      ['900\n', '<thought>Try.</thought>'],
    ]);
    const trajectory = trajectoryOf(await rolloutQuestion(question(), deps(bad), SETTINGS));
    expect(trajectory.steps[0]).toMatchObject({ input: '</thought> what?', toolError: 'tool_input' });
    expect(trajectory.steps[0]!.observation).not.toContain('</thought>');
    expect(trajectory).toMatchObject({ answer: 'B', correct: false, end: 'answered' });
  });

  it('takes minSteps steps before an answer, and the thoughts it had to open are the policy’s own', async () => {
    // Would answer at once, and after every step.
    const hasty = continuations([
      ['<action>think</action><input>', 'So be it.</input><answer>It is C.</answer>'],
      ['</thought><action>', 'think</action>'],
      ['<thought>', 'Well.</thought>'],
      ['900\n', '<answer>It is C.</answer>'],
    ]);
    const run = async (minSteps: number) => {
      const given = deps(hasty, { judge: null });
      const settings = { ...SETTINGS, selection: 'policy', minSteps } as const;
      const trajectory = trajectoryOf(await rolloutQuestion(question(), given, settings));
      return [trajectory, textsOf(trajectory, 'thought', given.generator.detokenize)] as const;
    };
    expect((await run(0))[0]).toMatchObject({ steps: [], end: 'answered' });
    const [one, thoughts] = await run(1);
    expect(one).toMatchObject({ steps: [{ action: 'think' }], end: 'answered' });
    expect(thoughts).toEqual(['<thought>Well.</thought>']);
    expect((await run(2))[0].steps).toHaveLength(2);
    expect((await run(3))[0]).toMatchObject({ end: 'forced', steps: { length: 3 } });
    for (const minSteps of [4, -1, Number.NaN]) {
      await expect(run(minSteps)).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('lets the model choose a letter among those shown, in our sentence', async () => {
    const wayward = continuations([
      ['900\n', '<answer>'],
      ['The answer is (', 'J).</answer>'],
    ]);
    const given = deps(wayward);
    const asked = { ...question(), options: ['864', 'N/A', '888', '900'] };
    const trajectory = trajectoryOf(await rolloutQuestion(asked, given, { ...SETTINGS, answer: 'letter' }));
    // J is not open to it, nor B; all that is left is equally likely, and greedy takes the first.
    expect(trajectory).toMatchObject({
      answerText: 'The answer is (A).',
      answer: 'A',
      correct: false,
      end: 'answered',
    });
    const { detokenize } = given.generator;
    expect(textsOf(trajectory, 'answer', detokenize)).toEqual(['<answer>', 'A).</answer>']);
    expect(textsOf(trajectory, 'template', detokenize)).toEqual(['The answer is (']);

    const right = continuations([['The answer is (', 'C).</answer>']]);
    const letters = { ...SETTINGS, maxSteps: 1, answer: 'letter' } as const;
    const made = trajectoryOf(await rolloutQuestion(question(), deps(right), letters));
    expect(made).toMatchObject({ answerText: 'The answer is (C).', answer: 'C', correct: true, end: 'forced' });
  });

  it('takes free text for an answer from a model without instructions, unless told otherwise', async () => {
    const texts = async (wantsInstructions: boolean, answer: 'auto' | 'text') => {
      const free = continuations([
        ['900\n', '<answer>It is C.</answer>'],
        ['The answer is (', 'C).</answer>'],
      ]);
      const generator = Object.assign(new ScriptedGenerator(free), { wantsInstructions });
      const given = deps(free, { generator });
      return trajectoryOf(await rolloutQuestion(question(), given, { ...SETTINGS, answer })).answerText;
    };
    expect(await texts(false, 'auto')).toBe('It is C.');
    expect(await texts(true, 'text')).toBe('It is C.');
    expect(await texts(true, 'auto')).toBe('The answer is (C).');
  });

  it('does not tell the judge the examples', async () => {
    const asked = judge();
    await rolloutQuestion(question(), deps(MODEL, { judge: asked }), SETTINGS);
    expect(tools.actions()[0]).toHaveProperty('example');
    expect(asked.requests[0]!.actions.map((action) => Object.keys(action))).toEqual([
      ['name', 'description', 'inputHint'],
      ['name', 'description', 'inputHint'],
    ]);
  });

  it('retries a step without scores, then skips the question with the reason', async () => {
    const silent = tableJudge(() => ({ scores: { calculator: null, think: null }, processOk: true }));
    expect(await rolloutQuestion(question(), deps(MODEL, { judge: silent }), SETTINGS)).toMatchObject({
      questionId: 7,
      code: 'judge_unparsable',
    });
    expect(silent.requests).toHaveLength(2);
    const moody = tableJudge((_, call) => {
      if (call === 1) throw new SparkError('judge_refused', 'no');
      return { scores: { calculator: 8, think: null }, processOk: null };
    });
    const trajectory = trajectoryOf(
      await rolloutQuestion(question(), deps(MODEL, { judge: moody }), { ...SETTINGS, maxSteps: 1 }),
    );
    expect(trajectory.steps[0]).toMatchObject({ action: 'calculator', processOk: null });
  });

  it('keeps a trajectory whose last verdict is missing, and ends the run where no question could fare better', async () => {
    const failing = (code: 'judge_refused' | 'judge_budget') =>
      tableJudge(({ thought }) => {
        if (thought === null) throw new SparkError(code, 'no');
        return { scores: { calculator: 8 }, processOk: true };
      });
    const settings = { ...SETTINGS, maxSteps: 1 };
    const kept = await rolloutQuestion(question(), deps(MODEL, { judge: failing('judge_refused') }), settings);
    expect(trajectoryOf(kept).steps[0]!.processOk).toBeNull();
    await expect(
      rolloutQuestion(question(), deps(MODEL, { judge: failing('judge_budget') }), settings),
    ).rejects.toMatchObject({ code: 'judge_budget' });
  });

  it('asks for the last verdict three times more where each step is asked once more, and not after a refusal', async () => {
    const settings = { ...SETTINGS, maxSteps: 1, stepRetries: 1 };
    const roll = async (code: 'judge_unparsable' | 'judge_refused', failures: number) => {
      let asked = 0;
      const judge = tableJudge(({ thought }) => {
        if (thought === null && ++asked <= failures) throw new SparkError(code, 'no');
        return { scores: { calculator: 8 }, processOk: true };
      });
      const rolled = await rolloutQuestion(question(), deps(MODEL, { judge }), settings);
      return [trajectoryOf(rolled).steps[0]!.processOk, asked];
    };
    expect(await roll('judge_unparsable', 3)).toEqual([true, 4]);
    expect(await roll('judge_unparsable', 9)).toEqual([null, 4]);
    expect(await roll('judge_refused', 1)).toEqual([null, 1]);
  });

  it('out of context, keeps the steps that are finished and cuts the one that is not', async () => {
    const whole = trajectoryOf(await rolloutQuestion(question(), deps(MODEL), SETTINGS));
    const secondState = whole.steps[1]!.stateEnd;
    for (const contextSize of [secondState + 3, secondState + 20, secondState + 60]) {
      const asked = judge();
      const given = deps(MODEL, { judge: asked }, { contextSize });
      const cut = trajectoryOf(await rolloutQuestion(question(), given, SETTINGS));
      expect(cut).toMatchObject({ end: 'context_overflow', answer: null, correct: false });
      expect(cut.steps).toHaveLength(1);
      expect(cut.steps[0]!.processOk).toBe(true);
      // The tokens are a prefix of those of the whole trajectory.
      expect(cut.tokens).toEqual(whole.tokens.slice(0, secondState));
    }
    const none = await rolloutQuestion(question(), deps(MODEL, {}, { contextSize: 20 }), SETTINGS);
    expect(none).toMatchObject({ questionId: 7, code: 'context_overflow' });
  });

  it('lets no text of another open or close a block, however the tag is written', () => {
    for (const tag of [
      '</observation>',
      '</observation >',
      '< / Observation>',
      '<answer id="1">',
      '<input/>',
      '<\nthought\n>',
    ]) {
      expect(neutralizeTags(`a ${tag} b`)).toBe(`a ${tag.replace('<', '‹')} b`);
    }
    for (const text of ['3 < answer', '<answers>', 'a<b>c', '<thoughtful>', '< input', '<action-item>']) {
      expect(neutralizeTags(text)).toBe(text);
    }
  });

  it('gives ties to the action that this trajectory used least, then draws by seed and question alone', async () => {
    const even = tableJudge(({ steps, thought }) => ({
      scores: thought === null ? {} : { calculator: 7, think: 7 },
      processOk: steps.length === 0 ? null : true,
    }));
    const given = deps(MODEL, { judge: even });
    const first = async (id: number) => {
      const { steps } = trajectoryOf(await rolloutQuestion({ ...question(), question_id: id }, given, SETTINGS));
      if (steps.length > 1) expect(steps[0]!.action).not.toBe(steps[1]!.action);
      return steps[0]!.action;
    };
    const ids = Array.from({ length: 12 }, (_, id) => id);
    const actions = new Map<number, string>();
    for (const id of ids) actions.set(id, await first(id));
    expect(new Set(actions.values())).toEqual(new Set(['calculator', 'think']));
    // Whichever questions were finished before.
    for (const id of [...ids].reverse()) expect([id, await first(id)]).toEqual([id, actions.get(id)]);
  });
});
