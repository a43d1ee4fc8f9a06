import { describe, expect, it } from 'vitest';
import { readVerdict } from '../../../src/judge/verdict.js';
import { processorSeconds } from '../processorTime.js';
import { endRequest, NAMES, thoughtRequest } from './requests.js';

const all = (value: unknown) => Object.fromEntries(NAMES.map((name) => [name, value]));
const read = (text: string) => readVerdict(text, thoughtRequest());

describe('reading a reply', () => {
  it('keeps both ends of the scale and leaves an absent score missing, never 0', () => {
    const { scores } = read('{"scores": {"calculator": 0, "python": 10}, "process_ok": false}').verdict;
    expect(scores).toEqual({ ...all(null), calculator: 0, python: 10 });
  });

  it.each(['NaN', 'Infinity', '-Infinity', 'null'])('%s is a missing score', (value) => {
    const { verdict } = read(`{"scores": {"calculator": ${value}, "python": 7}, "process_ok": true}`);
    expect(verdict).toEqual({ scores: { ...all(null), python: 7 }, processOk: true });
  });

  it.each(['-0.01', '10.01', 'true', '"high"', '[8]', '"-8"', '"8/10"', '85'])(
    '%s in the place of a score: no part of the reply is kept',
    (value) => {
      const text = `{"scores": {"python": 7, "calculator": ${value}}, "process_ok": true}`;
      expect(() => read(text)).toThrow(/numbers of 0 to 10 or null, for calculator too/);
    },
  );

  it('is no verdict on a scale of 0 to 1, nor with process_ok as anything else', () => {
    expect(() => read('{"scores": {"python": 0.9, "think": 1, "logic": 0}}')).toThrow(/not of 0 to 1/);
    expect(read('{"scores": {"python": 1, "think": 0.5, "logic": 6}}').verdict.scores.think).toBe(0.5);
    for (const value of ['1', '"yes"', '"true"']) {
      expect(() => read(`{"scores": {"python": 7}, "process_ok": ${value}}`)).toThrow(/process_ok to be true, false/);
    }
  });

  it('reads what models write for JSON, when it can mean one thing only', () => {
    const scores = { ...all(null), calculator: 3, python: 7.5 };
    for (const text of [
      "{'scores': {'calculator': 3, 'python': 7.5, 'logic': None,}, 'process_ok': True,}",
      '{"scores": {"calculator": 3, "python": 7.5,}, "process_ok": True}',
      '{scores: {calculator: 3, python: 7.5}, process_ok: true}',
      '{"why": "I\'d say {7}", "scores": {"calculator": "3", "python": "7.5"}, "process_ok": true}',
    ]) {
      expect([text, read(text).verdict]).toEqual([text, { scores, processOk: true }]);
    }
    const unsure = [
      '{"calculator": 3, "calculator": 9,}',
      '{"scores": {"calculator": 3, // or 4\n "python": 7,}}',
      '{"scores": {"calculator": 3, "python": 7.5',
      "{'scores': &a {'calculator': 3}, 'b': *a}",
    ];
    for (const text of unsure) expect(() => read(text)).toThrow(expect.objectContaining({ code: 'judge_unparsable' }));
    expect(read('Of {calculator} and {python}: {"scores": {"python": 2}}').verdict.scores.python).toBe(2);
  });

  it('takes thoughts away before it looks, however long and however marked', () => {
    const draft = '{"scores": {"think": 10}}';
    const verdict = '{"scores": {"think": 2}, "process_ok": true}';
    for (const text of [
      `<think>${draft}</think>${verdict}`,
      `${draft} no, lower </think> ${verdict}`,
      `<thinking>${'on and on '.repeat(10_400)}${draft}</thinking>\n${verdict}`,
      `[THINK]${draft}[/THINK]${verdict}`,
      `<think>a</think>${draft}<think>b</think>${verdict}`,
    ]) {
      expect(read(text).verdict.scores.think).toBe(2);
    }
    expect(() => read(`<think>${draft} and so`)).toThrow(/holds thoughts and no verdict: raise judge\.maxTokens/);
  });

  it('a word NaN inside a text is left alone', () => {
    expect(read('{"why": "NaN, \\"NaN\\"", "scores": {"python": 7}}').verdict.scores.python).toBe(7);
  });

  it('ignores keys that name no action, and counts them', () => {
    const reading = read('{"scores": {"python": 7, "Python": 9, "tool": 1}, "process_ok": true}');
    expect(reading.unknownKeys).toBe(2);
    expect(reading.verdict.scores).toEqual({ ...all(null), python: 7 });
  });

  it('finds the one object in prose, braces and quotes around it or not', () => {
    const json = JSON.stringify({ note: 'a } in "text" {', scores: all(3), process_ok: true });
    for (const text of [`Sure! ${json} Bye {`, `{oops ${json}`, `\`\`\`json\n${json}\n\`\`\``, `${json}\n${json}`]) {
      expect(read(text).verdict).toEqual({ scores: all(3), processOk: true });
    }
  });

  it('takes scores without the inner object', () => {
    expect(read(JSON.stringify({ ...all(4), process_ok: false })).verdict).toEqual({
      scores: all(4),
      processOk: false,
    });
  });

  it('does not choose between two verdicts', () => {
    const text = '{"scores": {"think": 10}} or rather {"scores": {"think": 2}}';
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'judge_unparsable' }));
    expect(() => read(text)).toThrow(/2 different verdicts/);
  });

  it.each(['', 'null', '[]', '7', '{}', '{"scores": {}}', '{"scores": 5}', '{"process_ok": "yes"}'])(
    '%j is no verdict',
    (text) => {
      expect(() => read(text)).toThrow(expect.objectContaining({ code: 'judge_unparsable' }));
    },
  );

  it('keeps process_ok where all scores are missing, and the reverse', () => {
    expect(read('{"process_ok": false}').verdict).toEqual({ scores: all(null), processOk: false });
    expect(read('{"scores": {"think": 1}, "process_ok": null}').verdict.processOk).toBeNull();
    expect(read('{"scores": {"think": 1}}').verdict.processOk).toBeNull();
  });

  it('at the end takes process_ok alone', () => {
    expect(readVerdict('{"process_ok": false}', endRequest()).verdict).toEqual({ scores: {}, processOk: false });
    expect(readVerdict('{"process_ok": null}', endRequest()).verdict.processOk).toBeNull();
    expect(() => readVerdict('{"process_ok": "no"}', endRequest())).toThrow(/process_ok to be true, false or null/);
    expect(() => readVerdict('{"ok": true}', endRequest())).toThrow(/expected one JSON object with process_ok/);
  });

  it('reads hostile text in no time', async () => {
    const texts = ['{'.repeat(1e6), '{"a":'.repeat(1e5), '"'.repeat(1e6), `${'\\'.repeat(1e6)}"`];
    const seconds = await processorSeconds(() => {
      for (const text of texts) expect(() => read(text)).toThrow(expect.objectContaining({ code: 'judge_unparsable' }));
    });
    // An algorithm quadratic in the million characters would take minutes.
    expect(seconds).toBeLessThan(10);
  });
});
