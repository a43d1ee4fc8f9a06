/** The deadline of a tool call that is the user's own code. */
import { abortable } from '../abortable.js';
import type { ToolContext, ToolResult } from './tool.js';

/** Calls, and leaves the call behind at `timeoutMs` or on an abort, whatever it does then; its signal fires first. */
export async function inTime(
  call: (context: ToolContext & { readonly signal: AbortSignal }) => Promise<ToolResult>,
  context: ToolContext,
): Promise<ToolResult> {
  const { timeoutMs, signal: aborted = new AbortController().signal } = context;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const signal = AbortSignal.any([deadline.signal, aborted]);
  try {
    return await abortable(Promise.resolve(call({ ...context, signal })), signal);
  } catch (error) {
    if (!deadline.signal.aborted || aborted.aborted) throw error;
    return timedOut(context);
  } finally {
    clearTimeout(timer);
  }
}

export function timedOut({ timeoutMs }: ToolContext): ToolResult {
  return { ok: false, code: 'tool_timeout', observation: `timed out after ${timeoutMs / 1000} s` };
}
