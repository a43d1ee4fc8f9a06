/** SearXNG, a search engine over others that one runs oneself: `GET /search?format=json`. */
import { z } from 'zod';
import { found, optionalKey, passageOf, settingsOf, type WebEngine, WebFault } from './engine.js';
import { SEARCH_WORDS } from './words.js';

export const searxngSettings = settingsOf('searxng', optionalKey, {
  language: z.string().min(2).default('all'),
  /** Such as `general`, or `general,science`. */
  categories: z.string().min(1).default('general'),
}).superRefine(({ baseUrl }, context) => {
  if (baseUrl !== null) return;
  const message = 'expected the address of your SearXNG, such as http://127.0.0.1:8888';
  context.addIssue({ code: 'custom', path: ['baseUrl'], message });
});

const reply = z.object({
  results: z.array(z.object({ title: z.string(), content: z.string().nullish() })),
  /** Direct answers: a text, or in newer versions an object. */
  answers: z.array(z.union([z.string(), z.object({ answer: z.string() })])).nullish(),
  /** Engines that it asked in vain, each with the reason. */
  unresponsive_engines: z.array(z.array(z.unknown())).nullish(),
});

export const searxng: WebEngine<z.infer<typeof searxngSettings>> = {
  words: SEARCH_WORDS,
  // Its settings want one.
  address: () => '',
  request: (query, { language, categories }, key) => ({
    path: 'search',
    params: { q: query, format: 'json', language, categories },
    headers: key === null ? {} : { authorization: `Bearer ${key}` },
  }),
  read(json, { results }) {
    const { results: pages, answers, unresponsive_engines: silent } = reply.parse(json);
    const direct = (answers ?? []).map((one) => passageOf('answer', typeof one === 'string' ? one : one.answer));
    const passages = found([...direct, ...pages.map(({ title, content }) => passageOf(title, content))], results);
    if (passages.length > 0 || (silent ?? []).length === 0) return passages;
    // Not nothing: nobody looked.
    throw new WebFault(
      'passing',
      `none of its engines answered: ${(silent ?? []).map((one) => one.join(' ')).join(', ')}`,
    );
  },
  remedy: 'that search.formats of its settings.yml allows json',
  // Which it does not unless told to.
  fault: (status) => (status === 403 ? 'settings' : null),
};
