/** Wikipedia by the API of MediaWiki: the articles that a search finds, each with its introduction. */
import { z } from 'zod';
import { found, noKey, passageOf, settingsOf, type WebEngine, WebFault } from './engine.js';

export const wikipediaSettings = settingsOf('wikipedia', noKey, {
  /** Of which Wikipedia. */
  language: z
    .string()
    .regex(/^[a-z][a-z-]{1,11}$/, 'expected the language of a Wikipedia, such as en')
    .default('en'),
  /** Mail address or page of yours, which Wikimedia asks for in the User-Agent of programs. */
  contact: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'expected a mail address or a URL')
    .nullable()
    .default(null),
});

/** Nothing found: there is no `query`. A refusal has status 200 and an `error`. */
const reply = z.object({
  query: z
    .object({
      pages: z.array(z.object({ title: z.string(), index: z.number().optional(), extract: z.string().optional() })),
    })
    .optional(),
  error: z.object({ code: z.string(), info: z.string() }).optional(),
});

export const wikipedia: WebEngine<z.infer<typeof wikipediaSettings>> = {
  words: {
    description: 'Looks up Wikipedia articles and shows how they begin.',
    inputHint: 'the name of an article, or words to look for, e.g. Krebs cycle',
    example: {
      wanted: 'the atomic number of tungsten',
      input: 'Tungsten',
      observation:
        '1. Tungsten: Tungsten (also called wolfram) is a chemical element; it has symbol W and atomic number 74. …',
    },
  },
  longestQuery: 300,
  address: ({ language }) => `https://${language}.wikipedia.org`,
  request: (query, { results }) => ({
    path: 'w/api.php',
    params: {
      ...{ action: 'query', format: 'json', formatversion: 2, redirects: 1 },
      ...{ generator: 'search', gsrsearch: query, gsrlimit: results },
      ...{ prop: 'extracts', exintro: 1, explaintext: 1, exlimit: 'max' },
    },
  }),
  remedy: 'that contact is a mail address or page of yours, as Wikimedia turns away programs without',
  read(json, { results }) {
    const { query, error } = reply.parse(json);
    if (error !== undefined) throw new WebFault(kindOf(error.code), `${error.code}: ${error.info}`);
    const pages = (query?.pages ?? []).toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0));
    return found(
      pages.map(({ title, extract }) => passageOf(title, extract)),
      results,
    );
  },
  // There is no key that could be wrong.
  fault: (status) => (status === 401 || status === 403 ? 'settings' : null),
};

function kindOf(code: string): 'settings' | 'passing' {
  return /^(?:readapidenied|unknown_action|badvalue|missingparam)/.test(code) ? 'settings' : 'passing';
}
