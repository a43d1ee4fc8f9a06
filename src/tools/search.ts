/** The tool `search` over a backend of the user's own, in place of the local corpus. */
import { abortable } from '../abortable.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { layOutPassages, type Passage } from './child/passages.js';
import { describeHosted } from './hosted.js';
import { oneLine } from './observation.js';
import type { Tool, ToolContext } from './tool.js';

/** Where `search` gets its passages instead of the local corpus, such as a web search engine. */
export interface SearchBackend {
  /** Names the engine, for reports. */
  readonly id: string;
  /** Best first. Throws when the engine cannot be reached; an empty list means that nothing was found. */
  search(query: string, limit: number, context: { readonly signal: AbortSignal }): Promise<readonly Passage[]>;
}

const PASSAGES = 3;

/** The tool: answers a query with the three best passages, each with its title. */
export function searchTool(backend: SearchBackend): Tool {
  return {
    name: 'search',
    ...describeHosted('search'),
    run: async (input, context) => {
      let passages: readonly Passage[];
      try {
        passages = await withDeadline(backend, input, context);
      } catch (error) {
        throwIfAborted(context.signal);
        if (error instanceof SparkError && error.code === 'tool_timeout') {
          return { ok: false, code: 'tool_timeout', observation: error.message };
        }
        const reason = oneLine(error instanceof Error ? error.message : String(error));
        return { ok: false, code: 'tool_failed', observation: `search is not available: ${reason}` };
      }
      if (passages.length === 0) {
        return { ok: false, code: 'tool_input', observation: `nothing found for ${oneLine(input, 40)}` };
      }
      return { ok: true, observation: layOutPassages(passages, context.maxObservationChars) };
    },
  };
}

async function withDeadline(backend: SearchBackend, query: string, context: ToolContext): Promise<readonly Passage[]> {
  const timeout = AbortSignal.timeout(context.timeoutMs);
  const signal = context.signal === undefined ? timeout : AbortSignal.any([timeout, context.signal]);
  try {
    return await abortable(Promise.resolve(backend.search(query, PASSAGES, { signal })), signal);
  } catch (error) {
    if (!timeout.aborted) throw error;
    throw new SparkError('tool_timeout', `search timed out after ${context.timeoutMs / 1000} s`);
  }
}
