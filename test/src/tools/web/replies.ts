/** Of each engine: a reply in the shape of its documentation, one with nothing in it, and what is made of the first. */
import type { WebOptions } from '../../../../src/tools/web/settings.js';

export interface EngineCase {
  readonly options: Omit<WebOptions, 'name' | 'baseUrl'>;
  readonly path: string;
  /** What a request has to have in its URL. */
  readonly params: Readonly<Record<string, string>>;
  readonly header?: readonly [name: string, value: string];
  readonly body?: object;
  readonly good: object;
  readonly observation: string;
  readonly empty: object;
  /** Of the good reply with something of another type. */
  readonly malformed: object;
  readonly mismatch: RegExp;
}

const KEY = '$TEST_KEY';
const QUERY = 'noble gases';

export const CASES: Readonly<Record<string, EngineCase>> = {
  searxng: {
    options: { engine: 'searxng', key: KEY, language: 'en' } as never,
    path: '/search',
    params: { q: QUERY, format: 'json', language: 'en', categories: 'general' },
    header: ['authorization', 'Bearer KEY'],
    good: {
      query: QUERY,
      number_of_results: 0,
      results: [
        {
          url: 'https://a.example/noble',
          title: 'Noble gas',
          content: 'The noble gases are helium, neon and argon.',
          engine: 'wikipedia',
          parsed_url: ['https', 'a.example', '/noble', '', '', ''],
          engines: ['wikipedia', 'qwant'],
          positions: [1, 2],
          score: 2.5,
          category: 'general',
        },
        { url: 'https://b.example', title: 'Argon', content: '', engine: 'qwant', score: 1, category: 'general' },
      ],
      answers: [{ answer: 'Group 18', url: 'https://c.example', template: 'answer/legacy.html' }],
      corrections: [],
      infoboxes: [],
      suggestions: ['inert gas'],
      unresponsive_engines: [['brave', 'timeout']],
    },
    observation: '1. answer: Group 18\n2. Noble gas: The noble gases are helium, neon and argon.\n3. Argon: (no text)',
    empty: { query: QUERY, results: [], answers: [], unresponsive_engines: [] },
    malformed: { query: QUERY, results: [{ title: 7 }] },
    mismatch: /results\.0\.title: .*expected string/,
  },
  brave: {
    options: { engine: 'brave', key: KEY, country: 'DE' } as never,
    path: '/res/v1/web/search',
    params: { q: QUERY, count: '3', text_decorations: 'false', country: 'DE' },
    header: ['x-subscription-token', 'KEY'],
    good: {
      type: 'search',
      query: { original: QUERY, show_strict_warning: false, more_results_available: true },
      mixed: { type: 'mixed', main: [{ type: 'web', index: 0, all: false }], top: [], side: [] },
      web: {
        type: 'search',
        results: [
          {
            title: 'Noble gas',
            url: 'https://a.example/noble',
            is_source_local: false,
            description: 'Helium, neon, argon, krypton, xenon.',
            profile: { name: 'A', url: 'https://a.example', long_name: 'a.example', img: '' },
            language: 'en',
            family_friendly: true,
            type: 'search_result',
            subtype: 'generic',
            meta_url: { scheme: 'https', netloc: 'a.example', hostname: 'a.example', favicon: '', path: '› noble' },
            extra_snippets: ['One more.'],
          },
        ],
        family_friendly: true,
      },
    },
    observation: '1. Noble gas: Helium, neon, argon, krypton, xenon.',
    empty: { type: 'search', query: { original: QUERY }, mixed: { type: 'mixed', main: [], top: [], side: [] } },
    malformed: { type: 'search', web: { results: 'none' } },
    mismatch: /web\.results: .*expected array/,
  },
  tavily: {
    options: { engine: 'tavily', key: KEY } as never,
    path: '/search',
    params: {},
    header: ['authorization', 'Bearer KEY'],
    body: { query: QUERY, max_results: 3, search_depth: 'basic', topic: 'general' },
    good: {
      query: QUERY,
      follow_up_questions: null,
      answer: null,
      images: [],
      results: [
        { url: 'https://a.example', title: 'Noble gas', content: 'Seven of them.', score: 0.98, raw_content: null },
        { url: 'https://b.example', title: 'Neon', content: 'It glows.', score: 0.7, raw_content: null },
      ],
      response_time: 1.09,
      request_id: '123e4567-e89b-12d3-a456-426614174111',
    },
    observation: '1. Noble gas: Seven of them.\n2. Neon: It glows.',
    empty: { query: QUERY, answer: null, images: [], results: [], response_time: 0.4 },
    malformed: { query: QUERY, detail: 'odd' },
    mismatch: /results: .*expected array/,
  },
  wikipedia: {
    options: { engine: 'wikipedia', results: 2, contact: 'me@example.org' } as never,
    path: '/w/api.php',
    params: { action: 'query', format: 'json', generator: 'search', gsrsearch: QUERY, gsrlimit: '2', prop: 'extracts' },
    header: ['user-agent', 'CONTACT'],
    good: {
      batchcomplete: true,
      continue: { gsroffset: 2, continue: 'gsroffset||' },
      query: {
        pages: [
          { pageid: 21140, ns: 0, title: 'Neon', index: 2, extract: 'Neon is a chemical element.' },
          {
            pageid: 21275,
            ns: 0,
            title: 'Noble gas',
            index: 1,
            extract: 'The noble gases are\nthe members of group 18.',
          },
        ],
      },
    },
    observation: '1. Noble gas: The noble gases are the members of group 18.\n2. Neon: Neon is a chemical element.',
    empty: { batchcomplete: true },
    malformed: { query: { pages: { 21140: { title: 'Neon' } } } },
    mismatch: /query\.pages: .*expected array/,
  },
  semanticScholar: {
    options: { engine: 'semanticScholar', key: KEY, years: '2015-2020' } as never,
    path: '/graph/v1/paper/search',
    params: { query: QUERY, limit: '3', year: '2015-2020', fields: 'title,abstract,year,authors,tldr' },
    header: ['x-api-key', 'KEY'],
    good: {
      total: 321,
      offset: 0,
      next: 3,
      data: [
        {
          paperId: '649def34f8be52c8b66281af98ae884c09aef38b',
          title: 'Chemistry of the noble gases',
          abstract: 'We review compounds of xenon.',
          year: 2016,
          authors: [
            { authorId: '1', name: 'A. Adams' },
            { authorId: '2', name: 'B. Brown' },
            { authorId: null, name: 'C. Clark' },
          ],
          tldr: { model: 'tldr@v2.0.0', text: 'Xenon reacts.' },
        },
        { paperId: 'f', title: 'Argon', abstract: null, year: null, authors: [], tldr: null },
      ],
    },
    observation:
      '1. Chemistry of the noble gases (A. Adams et al. 2016): Xenon reacts. We review compounds of xenon.\n2. Argon: (no text)',
    empty: { total: 0, offset: 0 },
    malformed: { total: 1, data: [{ title: 'x', year: 'last' }] },
    mismatch: /data\.0\.year: .*expected number/,
  },
  wolframAlpha: {
    options: { engine: 'wolframAlpha', key: KEY } as never,
    path: '/v2/query',
    params: { input: QUERY, appid: 'KEY', output: 'json', format: 'plaintext', units: 'metric' },
    good: {
      queryresult: {
        success: true,
        error: false,
        numpods: 3,
        datatypes: 'Element',
        timedout: '',
        timedoutpods: '',
        timing: 1.1,
        id: 'MSP1',
        pods: [
          pod('Input interpretation', 'Input', ['noble gases']),
          pod('Members', 'Result', ['helium | neon | argon\nkrypton | xenon', '(total: 7)']),
          pod('Picture', 'Image', ['']),
        ],
      },
    },
    observation: '1. Members: helium | neon | argon; krypton | xenon; (total: 7)\n2. Picture: (no text)',
    empty: {
      queryresult: {
        ...{ success: false, error: false, numpods: 0, timedout: '' },
        didyoumeans: { score: '0.3', level: 'low', val: 'noble' },
      },
    },
    malformed: { queryresult: { success: 'yes', error: false } },
    mismatch: /queryresult\.success: .*expected boolean/,
  },
};

function pod(title: string, id: string, texts: readonly string[]): object {
  const subpods = texts.map((plaintext) => ({ title: '', plaintext }));
  return { title, scanner: 'Data', id, position: 100, error: false, numsubpods: texts.length, subpods };
}
