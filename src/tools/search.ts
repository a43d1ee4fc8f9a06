import { SparkError, throwIfAborted } from '../errors.js';
import type { CorpusIndex } from './corpus.js';
import { clip, oneLine, printable } from './observation.js';
import type { Tool, ToolContext } from './tool.js';

export interface Passage {
  readonly title: string;
  readonly text: string;
}

/** Where `search` gets its passages: the local corpus, or a web engine that a user configures. */
export interface SearchBackend {
  /** Names the engine, for reports. */
  readonly id: string;
  /** Best first. Throws when the engine cannot be reached; an empty list means that nothing was found. */
  search(query: string, limit: number, context: { readonly signal: AbortSignal }): Promise<readonly Passage[]>;
}

const PASSAGES = 3;

export function localSearch(index: () => CorpusIndex): SearchBackend {
  return {
    id: 'local',
    search: async (query, limit) =>
      index()
        .search(query, limit)
        .map(({ article }) => article),
  };
}

/** Query in, the three best passages out, each with its title. */
export function searchTool(backend: SearchBackend): Tool {
  return {
    name: 'search',
    description: 'Finds passages about a query, best first.',
    inputHint: 'a query, e.g. year the Magna Carta was sealed',
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
      return { ok: true, observation: layOut(passages, context.maxObservationChars) };
    },
  };
}

/** What the second and third passage are sure of: a title and the first words. */
const LEAST_CHARS = 32;

/** The best passage is given as whole as fits; the ones after it share what it leaves. */
function layOut(passages: readonly Passage[], maxChars: number): string {
  const lines: string[] = [];
  let left = maxChars;
  passages.forEach(({ title, text }, index) => {
    const after = passages.length - index - 1;
    const room = index === 0 ? left - after * (LEAST_CHARS + 1) : Math.floor((left - after) / (after + 1));
    const line = clip(printable(`${index + 1}. ${title}: ${text}`).replace(/\s*\n\s*/g, ' '), Math.max(0, room));
    lines.push(line);
    left -= line.length + 1;
  });
  return clip(lines.join('\n'), maxChars);
}

async function withDeadline(backend: SearchBackend, query: string, context: ToolContext): Promise<readonly Passage[]> {
  const timeout = AbortSignal.timeout(context.timeoutMs);
  const signal = context.signal === undefined ? timeout : AbortSignal.any([timeout, context.signal]);
  const over = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new SparkError('tool_timeout', `search timed out after ${context.timeoutMs / 1000} s`));
    });
  });
  return Promise.race([backend.search(query, PASSAGES, { signal }), over]);
}
