/** Tavily's search for language models: `POST /search`, a bearer key. */
import { z } from 'zod';
import { found, neededKey, passageOf, settingsOf, type WebEngine } from './engine.js';
import { SEARCH_WORDS } from './words.js';

export const tavilySettings = settingsOf('tavily', neededKey, {
  /** `advanced` finds better excerpts for twice the price. */
  depth: z.enum(['basic', 'advanced']).default('basic'),
  topic: z.enum(['general', 'news', 'finance']).default('general'),
});

const reply = z.object({ results: z.array(z.object({ title: z.string().nullish(), content: z.string().nullish() })) });

export const tavily: WebEngine<z.infer<typeof tavilySettings>> = {
  words: SEARCH_WORDS,
  longestQuery: 400,
  address: () => 'https://api.tavily.com',
  request: (query, { results, depth, topic }, key) => ({
    path: 'search',
    headers: { authorization: `Bearer ${key ?? ''}` },
    body: { query, max_results: results, search_depth: depth, topic },
  }),
  read: (json, { results }) =>
    found(
      reply.parse(json).results.map(({ title, content }) => passageOf(title, content)),
      results,
    ),
  // Limits of the plan and of what may be paid have statuses that HTTP does not know.
  fault: (status) => (status === 432 || status === 433 ? 'credit' : null),
};
