/**
 * A generation that one would leave alone overnight: the judge's server fails in every way that passes, and the program is
 * killed in the middle. The generator is scripted: a model's text would cost hours, and is not what may be lost. By day few
 * questions, at night (`full`) 2,000 and three kills.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mostOf } from '../../../src/judge/chatCall.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { readLines, runCli, temporaryFolder } from '../cli/runCli.js';
import { full } from '../full.js';

const QUESTIONS = full ? 2000 : 28;
/** Killed when so many trajectories are there. */
const KILLS = full ? [300, 900, 1500] : [8];
const KINDS = ['rateLimit', 'serverError', 'slow', 'notJson', 'prose', 'cutOff', 'refused', 'reset'] as const;
/** Two malformed replies in a row make a skip, which the end of the command has to make good. */
const FAULTS = { seed: 7, share: 0.4, most: 2, kinds: KINDS };
const PRICE = { input: 2, output: 10 };
const MOST_ANSWER = 512;
const CONCURRENCY = 16;

const run = path.join(temporaryFolder(), 'soak');
const set = path.join(run, 'trajectories/min-score-tau6.jsonl');
const stored = () => (existsSync(set) ? readFileSync(set, 'utf8').split('\n').length - 1 : 0);
let server: LoopbackServer;
beforeAll(async () => {
  server = await startOpenAiServer({ faults: FAULTS, retryAfterSeconds: 0.02 });
});
afterAll(() => server.close());

const arguments_ = () => {
  const parts = fileURLToPath(new URL('../../fixtures/soakParts.mjs', import.meta.url));
  const settings = [
    ...[`questions.trainLimit=${QUESTIONS}`, `judge.baseUrl=${server.baseUrl}`, 'judge.kind=api'],
    ...['judge.model=loopback', `judge.price={input: ${PRICE.input}, output: ${PRICE.output}}`],
    ...[`judge.maxTokens=${MOST_ANSWER}`, `judge.concurrency=${CONCURRENCY}`],
    `parts=${parts}`,
  ];
  const flags = ['--run', run, '--selection', 'min-score', '--tau', '6', '--json'];
  return ['generate', ...flags, ...settings.flatMap((one) => ['--set', one])];
};

type Request = LoopbackServer['requests'][number];
const GOOD = new Set<string>(['good', 'slow']);
const asked = ({ body }: Request) => JSON.stringify(body.messages);

/** What the requests cost by what the server said, and at most where an answer did not arrive or had no numbers. */
function costOf(requests: readonly Request[]) {
  const lost = requests.filter(({ behaviour }) => ['notJson', 'refused', 'reset'].includes(behaviour));
  const most = lost.map(({ body }) => mostOf(Buffer.byteLength(JSON.stringify(body)), MOST_ANSWER));
  const said = requests.flatMap(({ usage }) => (usage === null ? [] : [usage]));
  const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);
  const [input, output] = [sum(said.map((one) => one.input)), sum(said.map((one) => one.output))];
  const unknown = [sum(most.map((one) => one.inputTokens)), sum(most.map((one) => one.outputTokens))];
  const dollars = (read: number, written: number) => (read * PRICE.input + written * PRICE.output) / 1e6;
  const longest = Math.max(...requests.map(({ body }) => Buffer.byteLength(JSON.stringify(body))));
  const each = mostOf(longest, MOST_ANSWER);
  return {
    ...{ input, output },
    dollars: dollars(input + unknown[0]!, output + unknown[1]!),
    mostEach: dollars(each.inputTokens, each.outputTokens),
  };
}

it.each(KILLS)('is killed when %i trajectories are there', async (count) => {
  const killed = await runCli(arguments_(), { interrupt: { signal: 'SIGKILL', when: () => stored() >= count } });
  expect(killed.code).toBeNull();
  expect(stored()).toBeLessThan(QUESTIONS);
});

it('ends with every question a valid trajectory: none skipped, lost or doubled, none paid for twice, cost exact', async () => {
  const before = server.requests.length;
  const done = await runCli(arguments_());
  expect(done.stderr.replace(/\r/g, '\n')).not.toContain('skipped: ');
  expect([done.code, done.json()]).toMatchObject([0, { questions: QUESTIONS, skipped: 0, trajectories: QUESTIONS }]);

  const trajectories = readLines<Trajectory>(set);
  expect(new Set(trajectories.map(({ id }) => id)).size).toBe(QUESTIONS);
  expect(trajectories).toHaveLength(QUESTIONS);
  for (const { steps, tokens, segments, answerText } of trajectories) {
    expect(steps.length).toBeGreaterThan(0);
    for (const { scores, processOk } of steps)
      expect([Object.keys(scores!).length > 1, typeof processOk]).toEqual([true, 'boolean']);
    expect([segments.at(-1)?.end, answerText.length > 0]).toEqual([tokens.length, true]);
  }
  expect(readFileSync(set.replace('.jsonl', '.skips.jsonl'), 'utf8')).toBe('');

  // Every kind of fault came, and each verdict was given once, but for those under way when it was killed.
  const { requests } = server;
  for (const kind of KINDS) expect(requests.filter(({ behaviour }) => behaviour === kind)).not.toEqual([]);
  const answered = requests.filter(({ behaviour }) => GOOD.has(behaviour));
  const verdicts = trajectories.reduce((sum, { steps }) => sum + steps.length + 1, 0);
  const wanted = new Set(answered.map(asked));
  expect(wanted.size).toBe(verdicts);
  expect(answered.length - wanted.size).toBeLessThanOrEqual(CONCURRENCY * KILLS.length);
  const last = requests.slice(before);
  const once = last.filter(({ behaviour }) => GOOD.has(behaviour)).map(asked);
  expect(new Set(once).size).toBe(once.length);

  const cost = costOf(last);
  const row = readLines<Record<string, number>>(path.join(run, 'metrics.jsonl')).at(-1)!;
  expect(row).toMatchObject({ judge_input_tokens: cost.input, judge_output_tokens: cost.output });
  // A connection that is broken while it is made, as by a server that stops listening, may have brought a request: who
  // sent it cannot know, and counts it at its most. The server has not seen it.
  const unseen = row.judge_calls! + row.judge_retries! - last.length;
  expect(unseen).toBeGreaterThanOrEqual(0);
  expect(row.judge_cost_usd).toBeGreaterThanOrEqual(cost.dollars - 1e-9);
  expect(row.judge_cost_usd).toBeLessThanOrEqual(cost.dollars + unseen * cost.mostEach + 1e-9);
});
