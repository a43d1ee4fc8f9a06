/**
 * Reads a judge's reply. A score that is absent, null or NaN is missing: it becomes null. A reply with anything else in
 * the place of a score or of process_ok, or with scores of another scale, is no verdict, and no part of it is kept: a
 * judge that writes 85 for one action may have meant 0–100 for the others. Nothing is clamped, nothing is guessed, and
 * nothing becomes 0.
 */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { redact } from '../secrets/redact.js';
import type { Score } from '../trajectory/trajectory.js';
import type { JudgeRequest, JudgeVerdict } from './judge.js';
import { findObjects } from './lenientJson.js';
import { wantsScores } from './prompt.js';

/** A number in quotes is a number: models that get no schema write them so. */
const scoreSchema = z
  .union([z.number(), z.stringFormat('decimal', /^\d{1,2}(?:\.\d+)?$/).transform(Number)])
  .pipe(z.number().min(0).max(10));
const objectSchema = z.record(z.string(), z.unknown());

/** More text than any verdict needs; anything longer comes from a broken server and is not searched. */
const MAX_REPLY_CHARS = 65_536;

export interface Reading {
  readonly verdict: JudgeVerdict;
  /** Keys that name no action. Ignored, but counted: many of them mean that prompt and judge do not fit. */
  readonly unknownKeys: number;
}

/** Throws `judge_unparsable` when the reply holds no verdict, or several that differ. */
export function readVerdict(reply: string, request: JudgeRequest): Reading {
  // First: thoughts may be longer than any verdict.
  const text = withoutReasoning(reply).slice(0, MAX_REPLY_CHARS);
  const readings = new Map<string, Reading>();
  for (const object of findObjects(text)) {
    const reading = readObject(object, request);
    if (typeof reading === 'string') throw unparsable(`is no verdict: expected ${reading}`, text);
    if (reading !== null) readings.set(JSON.stringify(reading.verdict), reading);
  }
  if (readings.size === 1) return [...readings.values()][0]!;
  if (readings.size > 1) throw unparsable(`holds ${readings.size} different verdicts: expected one`, text);
  if (text.trim() === '' && reply.trim() !== '') {
    throw unparsable('holds thoughts and no verdict: raise judge.maxTokens, or turn its thinking off', reply);
  }
  throw unparsable(`holds no verdict: expected one JSON object with ${expected(request)}`, text);
}

function unparsable(what: string, text: string): SparkError {
  return new SparkError('judge_unparsable', `the judge's reply ${what}, got ${excerpt(text)}`);
}

/** Null for an object that is about something else; a text says what was expected where it is a verdict gone wrong. */
function readObject(object: Record<string, unknown>, request: JudgeRequest): Reading | string | null {
  const processOk = Object.hasOwn(object, 'process_ok') ? object.process_ok : null;
  const wrongOk = typeof processOk !== 'boolean' && processOk !== null;
  // Before the first step there is no step to judge, whatever the judge says.
  const verdictOk = request.steps.length === 0 || wrongOk ? null : processOk;
  if (!wantsScores(request)) {
    if (!Object.hasOwn(object, 'process_ok')) return null;
    if (wrongOk) return 'process_ok to be true, false or null';
    return { verdict: { scores: {}, processOk: verdictOk }, unknownKeys: Object.keys(object).length - 1 };
  }
  // Without a schema a judge may omit the inner object and write the scores at the top.
  const nested = objectSchema.safeParse(object.scores);
  const given = nested.success ? nested.data : object;
  const names = request.actions.map((action) => action.name);
  const known = names.filter((name) => Object.hasOwn(given, name));
  if (known.length === 0 && typeof processOk !== 'boolean') return null;
  const scores: Record<string, Score> = Object.fromEntries(names.map((name) => [name, null]));
  for (const name of known) {
    const score = scoreSchema.nullable().safeParse(given[name]);
    if (!score.success) return `numbers of 0 to 10 or null, for ${name} too`;
    scores[name] = score.data;
  }
  if (wrongOk && request.steps.length > 0) return 'process_ok to be true, false or null';
  if (isShareOfOne(Object.values(scores))) return 'scores of 0 to 10, not of 0 to 1';
  const unknown = Object.keys(given).filter((key) => !names.includes(key) && key !== 'process_ok' && key !== 'scores');
  return { verdict: { scores, processOk: verdictOk }, unknownKeys: unknown.length };
}

/** Several scores, all of 0 to 1 and some in between: of another scale, on which 0.9 is a good one. */
function isShareOfOne(scores: readonly Score[]): boolean {
  const given = scores.filter((score) => score !== null);
  return given.length > 1 && given.every((score) => score <= 1) && given.some((score) => score > 0 && score < 1);
}

/**
 * Removes the reasoning that some models write before the answer, because it may hold drafts of the verdict. Servers
 * often cut the opening mark off; without the closing one all of it is reasoning.
 */
function withoutReasoning(text: string): string {
  const last = [...text.matchAll(/<\/(?:think|thinking|thought|reasoning)>|\[\/THINK\]/gi)].at(-1);
  const rest = last === undefined ? text : text.slice(last.index + last[0].length);
  return rest.replace(/(?:<(?:think|thinking|thought|reasoning)>|\[THINK\])[\s\S]*$/i, '');
}

function expected(request: JudgeRequest): string {
  return wantsScores(request) ? `scores for ${request.actions.map((a) => a.name).join(', ')}` : 'process_ok';
}

function excerpt(text: string): string {
  // Redacted before it is cut, because half a key would not be recognized.
  const short = redact(text).replace(/\s+/g, ' ').trim();
  if (short === '') return 'nothing';
  return `"${short.slice(0, 160)}${short.length > 160 ? '…' : ''}"`;
}
