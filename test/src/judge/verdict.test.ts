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

  it.each(['NaN', 'Infinity', '-Infinity', 'null', '"8"', '-0.01', '10.01', 'true'])('%s is no score', (value) => {
    const { verdict } = read(`{"scores": {"calculator": ${value}, "python": 7}, "process_ok": true}`);
    expect(verdict).toEqual({ scores: { ...all(null), python: 7 }, processOk: true });
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
    expect(read('{"scores": {"think": 1}, "process_ok": 1}').verdict.processOk).toBeNull();
  });

  it('at the end takes process_ok alone', () => {
    expect(readVerdict('{"process_ok": false}', endRequest()).verdict).toEqual({ scores: {}, processOk: false });
    expect(readVerdict('{"process_ok": "no"}', endRequest()).verdict.processOk).toBeNull();
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
