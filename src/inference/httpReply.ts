/** What OpenAI-compatible servers say in headers, status and body, where they do not agree with each other. */
import { isNodeError } from '../errors.js';

/** A server that asks to wait longer than this is reported as a failure at once. */
export const LONGEST_WAIT_SECONDS = 120;

/** Seconds that the server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; else null. */
export function askedWaitSeconds(headers: Headers | undefined): number | null {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (!Number.isNaN(ms)) return ms / 1000;
  const after = headers?.get('retry-after') ?? '';
  const seconds = Number.parseFloat(after);
  if (!Number.isNaN(seconds)) return seconds;
  const date = Date.parse(after);
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}

/**
 * An account without credit: 402, or what OpenAI, DeepSeek, OpenRouter and others say of it with 400, 403 or 429, the
 * status of too many requests. Waiting does not help.
 */
export function saysNoCredit(status: number, said: string): boolean {
  if (status === 402) return true;
  if (![400, 403, 429].includes(status)) return false;
  return /insufficient[_ ](?:quota|balance|credits?|funds)|exceeded your current quota|credit balance|billing_hard_limit/i.test(
    said,
  );
}

interface Reply {
  readonly status: number;
  readonly body: string;
}

/**
 * Some servers (OpenRouter, gateways) answer 200 and put an error into the body, for the whole or for the one choice,
 * with a status as its code. The reply as a server says it that uses statuses; 502 where the code is no status.
 */
export function withStatusOfBody(status: number, body: string): Reply {
  if (status !== 200) return { status, body };
  const error = errorIn(body);
  if (error === null) return { status, body };
  const code = typeof error === 'object' ? Number((error as { code?: unknown }).code) : Number.NaN;
  const told = Number.isInteger(code) && code >= 400 && code <= 599 ? code : 502;
  const text = JSON.stringify({ error });
  return { status: saysNoCredit(429, text) ? 402 : told, body: text };
}

function errorIn(body: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return null;
  }
  const { error, choices } = (json ?? {}) as { error?: unknown; choices?: { error?: unknown }[] };
  const inside = error ?? (Array.isArray(choices) ? choices[0]?.error : null);
  // An empty object or text beside a whole reply says nothing.
  const empty = inside === null || inside === undefined || inside === '' || JSON.stringify(inside) === '{}';
  return empty ? null : inside;
}

/** Why a connection broke, in the words of the error at the bottom. */
export function rootCause(error: unknown): string {
  let deepest: unknown = error;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  if (isNodeError(deepest)) return `${deepest.code}${deepest.message ? ` (${deepest.message})` : ''}`;
  return deepest instanceof Error ? deepest.message : String(deepest);
}
