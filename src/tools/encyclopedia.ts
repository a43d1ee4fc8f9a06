import type { CorpusIndex } from './corpus.js';
import { clip, oneLine } from './observation.js';
import type { Tool } from './tool.js';

/** Title in, article out: exact, then by letters alone, then the closest title (which is then named). */
export function encyclopediaTool(index: () => CorpusIndex): Tool {
  return {
    name: 'encyclopedia',
    description: 'Looks up an article by its title.',
    inputHint: 'a title, e.g. Magna Carta',
    run: async (input, { maxObservationChars }) => {
      const title = input.trim().replace(/^["'“]|["'”]$/g, '');
      const found = index().title(title);
      if (found !== undefined) return { ok: true, observation: clip(found.text, maxObservationChars) };
      const closest = index().closest(title);
      if (closest === undefined) {
        return { ok: false, code: 'tool_input', observation: `no article titled ${oneLine(title, 40)}; try search` };
      }
      return { ok: true, observation: clip(`Closest article, ${closest.title}: ${closest.text}`, maxObservationChars) };
    },
  };
}
