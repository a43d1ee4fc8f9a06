/** The tool `search` over a backend of the user's own, in place of the local corpus. */
import { throwIfAborted } from '../errors.js';
import { layOutPassages, type Passage } from './child/passages.js';
import { describeHosted } from './hosted.js';
import { oneLine } from './observation.js';
import type { Tool } from './tool.js';

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
        passages = await backend.search(input, PASSAGES, { signal: context.signal });
      } catch (error) {
        throwIfAborted(context.signal);
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
