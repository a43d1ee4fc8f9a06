/**
 * Reads a judge's reply. A score that is absent, null, not a number, not finite or outside 0–10 becomes null. Nothing
 * is clamped, nothing is guessed, and nothing becomes 0.
 */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { redact } from '../secrets/redact.js';
import type { Score } from '../trajectory/trajectory.js';
import type { JudgeRequest, JudgeVerdict } from './judge.js';
import { wantsScores } from './prompt.js';

const scoreSchema = z.number().min(0).max(10);
const objectSchema = z.record(z.string(), z.unknown());

/** More text than any verdict needs; anything longer comes from a broken server and is not searched. */
const MAX_REPLY_CHARS = 65_536;
const MAX_OBJECTS = 200;

export interface Reading {
  readonly verdict: JudgeVerdict;
  /** Keys that name no action. Ignored, but counted: many of them mean that prompt and judge do not fit. */
  readonly unknownKeys: number;
}

/** Throws `judge_unparsable` when the reply holds no verdict, or several that differ. */
export function readVerdict(reply: string, request: JudgeRequest): Reading {
  const text = reply.slice(0, MAX_REPLY_CHARS);
  const readings = new Map<string, Reading>();
  for (const object of findObjects(withoutReasoning(text))) {
    const reading = readObject(object, request);
    if (reading !== null) readings.set(JSON.stringify(reading.verdict), reading);
  }
  if (readings.size === 1) return [...readings.values()][0]!;
  throw new SparkError(
    'judge_unparsable',
    readings.size === 0
      ? `the judge's reply holds no verdict: expected one JSON object with ${expected(request)}, got ${excerpt(text)}`
      : `the judge's reply holds ${readings.size} different verdicts: expected one, got ${excerpt(text)}`,
  );
}

function readObject(object: Record<string, unknown>, request: JudgeRequest): Reading | null {
  const processOk = typeof object.process_ok === 'boolean' ? object.process_ok : null;
  // Before the first step there is no step to judge, whatever the judge says.
  const verdictOk = request.steps.length === 0 ? null : processOk;
  if (!wantsScores(request)) {
    if (!Object.hasOwn(object, 'process_ok')) return null;
    return { verdict: { scores: {}, processOk: verdictOk }, unknownKeys: Object.keys(object).length - 1 };
  }
  // Without a schema a judge may omit the inner object and write the scores at the top.
  const nested = objectSchema.safeParse(object.scores);
  const given = nested.success ? nested.data : object;
  const names = request.actions.map((action) => action.name);
  const known = names.filter((name) => Object.hasOwn(given, name));
  if (known.length === 0 && processOk === null) return null;
  const scores = Object.fromEntries(names.map((name): [string, Score] => [name, readScore(given, name)]));
  const unknown = Object.keys(given).filter((key) => !names.includes(key) && key !== 'process_ok' && key !== 'scores');
  return { verdict: { scores, processOk: verdictOk }, unknownKeys: unknown.length };
}

function readScore(given: Record<string, unknown>, name: string): Score {
  const parsed = scoreSchema.safeParse(Object.hasOwn(given, name) ? given[name] : null);
  return parsed.success ? parsed.data : null;
}

/** Removes the reasoning that some models write before the answer, because it may hold drafts of the verdict. */
function withoutReasoning(text: string): string {
  return text.replace(/<think(?:ing)?>[\s\S]*?<\/think(?:ing)?>/g, '');
}

/** Every outermost JSON object in the text, in order. */
function findObjects(text: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  let at = text.indexOf('{');
  for (let tries = 0; at >= 0 && tries < MAX_OBJECTS; tries++) {
    const end = objectEnd(text, at);
    const object = end < 0 ? null : parseObject(text.slice(at, end));
    if (object !== null) found.push(object);
    at = text.indexOf('{', object === null ? at + 1 : end);
  }
  return found;
}

/** Index after the brace that closes the one at `start`, or -1. Braces inside strings do not count. */
function objectEnd(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '{') depth++;
    else if (c === '}' && --depth === 0) return i + 1;
  }
  return -1;
}

function parseObject(text: string): Record<string, unknown> | null {
  // Servers in Python write NaN and Infinity, which are not JSON. As null they cost one score instead of the whole
  // reply.
  const json = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
    token[0] === '"' ? token : 'null',
  );
  try {
    const parsed = objectSchema.safeParse(JSON.parse(json));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
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
