/** Brave's Web Search API: `GET /res/v1/web/search`, the key in a header of its own. */
import { decodeHTMLStrict } from 'entities';
import { z } from 'zod';
import { found, neededKey, passageOf, settingsOf, type WebEngine } from './engine.js';
import { SEARCH_WORDS } from './words.js';

export const braveSettings = settingsOf('brave', neededKey, {
  /** Two letters; null: Brave's own choice. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'expected two letters, such as US')
    .nullable()
    .default(null),
  /** Of the pages: `en`; null: Brave's own choice. */
  language: z.string().min(2).nullable().default(null),
});

/** Nothing found: there is no `web`. */
const reply = z.object({
  web: z.object({ results: z.array(z.object({ title: z.string(), description: z.string().nullish() })) }).nullish(),
});

export const brave: WebEngine<z.infer<typeof braveSettings>> = {
  words: SEARCH_WORDS,
  longestQuery: 400,
  address: () => 'https://api.search.brave.com',
  request: (query, { results, country, language }, key) => ({
    path: 'res/v1/web/search',
    // Without decorations excerpts have no tags of HTML.
    params: { q: query, count: results, text_decorations: 'false', country, search_lang: language },
    headers: { 'x-subscription-token': key ?? '' },
  }),
  // Its texts are written for pages: `Newton&#x27;s`.
  read: (json, { results }) =>
    found(
      (reply.parse(json).web?.results ?? []).map(({ title, description }) =>
        passageOf(decodeHTMLStrict(title), decodeHTMLStrict(description ?? '')),
      ),
      results,
    ),
  fault(status, said) {
    // A key that it does not know is a parameter that does not fit to it, and a month that is used up too many requests.
    if (status === 422 && /SUBSCRIPTION_TOKEN/i.test(said)) return 'key';
    return status === 429 && /QUOTA_LIMITED|USAGE_LIMIT/i.test(said) ? 'credit' : null;
  },
};
