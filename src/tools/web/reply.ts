/** What an engine's reply means: passages, or why there are none. */
import { z } from 'zod';
import { askedWaitSeconds, saysNoCredit } from '../../inference/httpReply.js';
import { redact } from '../../secrets/redact.js';
import type { Passage } from '../child/passages.js';
import { visible } from '../schemaInput.js';
import type { WebReply } from './client.js';
import { type CommonSettings, type FaultKind, type WebEngine, WebFault } from './engine.js';

/** Throws a WebFault for every reply that is no answer. */
export function passagesIn<Settings extends CommonSettings>(
  { status, headers, body }: WebReply,
  engine: WebEngine<Settings>,
  settings: Settings,
): readonly Passage[] {
  if (status < 200 || status > 299) {
    const wait = askedWaitSeconds(headers);
    const patience = wait ? `; it asks to wait ${Math.ceil(wait)} s` : '';
    const kind = engine.fault?.(status, body) ?? kindOf(status, body);
    throw new WebFault(kind, `it answered ${status}${saidIn(body)}${patience}`);
  }
  const json = parsed(body);
  try {
    return engine.read(json, settings);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const { path, message } = error.issues[0]!;
    throw new WebFault(
      'passing',
      `its reply is not what this program knows of it: ${path.join('.') || 'reply'}: ${message}`,
    );
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new WebFault('passing', `its reply is no JSON${saidIn(body)}`);
  }
}

function kindOf(status: number, said: string): FaultKind {
  if (saysNoCredit(status, said)) return 'credit';
  if (status === 401 || status === 403) return 'key';
  return status === 404 || status === 405 || status === 410 ? 'settings' : 'passing';
}

/** The engine's own words, where they are short: an engine may repeat the key, whole or in part. */
function saidIn(body: string): string {
  let said = body;
  try {
    said = textIn(JSON.parse(body)) ?? '';
  } catch {
    // No JSON: a page, or a line of text.
    if (/^\s*</.test(body)) said = 'a page of HTML';
  }
  const short = visible(redact(said.slice(0, 4000)), 200);
  return short === '' ? '' : `: ${short}`;
}

const WORDS = ['detail', 'message', 'error', 'msg', 'info', 'reason'];

/** The first text under a name that engines give to their errors. */
function textIn(value: unknown, depth = 0): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || depth > 3) return null;
  const record = value as Readonly<Record<string, unknown>>;
  for (const name of WORDS) {
    const text = textIn(record[name], depth + 1);
    if (text !== null) return text;
  }
  return null;
}
