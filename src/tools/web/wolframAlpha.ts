/** Wolfram|Alpha's Full Results API: `GET /v2/query`, the AppID in the URL. Its answer is a list of pods with plain text. */
import { z } from 'zod';
import { type FaultKind, found, neededKey, passageOf, settingsOf, type WebEngine, WebFault } from './engine.js';

export const wolframAlphaSettings = settingsOf('wolframAlpha', neededKey, {
  units: z.enum(['metric', 'nonmetric']).default('metric'),
});

const pod = z.object({
  title: z.string(),
  id: z.string().optional(),
  subpods: z.array(z.object({ title: z.string().optional(), plaintext: z.string().nullish() })),
});

/** Not understood: `success` is false and there are no pods. A refusal has status 200 and an `error` that is no boolean. */
const reply = z.object({
  queryresult: z.object({
    success: z.boolean(),
    error: z.union([z.boolean(), z.object({ code: z.coerce.string(), msg: z.string() })]),
    pods: z.array(pod).optional(),
    /** Scanners that had no time, after commas. */
    timedout: z.string().optional(),
  }),
});

export const wolframAlpha: WebEngine<z.infer<typeof wolframAlphaSettings>> = {
  words: {
    description: 'Asks Wolfram|Alpha, which computes and knows facts of mathematics, science and the world.',
    inputHint: 'a short question or formula, e.g. integrate x^2 sin x, or density of mercury at 20 C',
    example: {
      wanted: 'the distance from Earth to the Moon',
      input: 'mean distance Earth Moon',
      observation: '1. Result: 385000 km',
    },
  },
  longestQuery: 1000,
  address: () => 'https://api.wolframalpha.com',
  request: (query, { units }, key) => ({
    path: 'v2/query',
    params: { input: query, appid: key, output: 'json', format: 'plaintext', units },
  }),
  read(json, { results }) {
    const { success, error, pods = [], timedout = '' } = reply.parse(json).queryresult;
    if (typeof error === 'object') throw new WebFault(kindOf(error.code), `${error.msg} (error ${error.code})`);
    if (error) throw new WebFault('passing', 'it reports an error without words');
    const passages = pods
      .filter(({ id }) => id !== 'Input')
      .map(({ title, subpods }) => passageOf(title, textOf(subpods)));
    if (success && passages.length === 0 && timedout !== '')
      throw new WebFault('passing', 'its computation took too long');
    return found(passages, results);
  },
  // It says so of an input that it does not understand.
  fault: (status) => (status === 501 ? 'input' : null),
};

/** Of its documentation: 1 an AppID that is none, 2 none at all, 1000 and more an input that is none. */
function kindOf(code: string): FaultKind {
  if (code === '1' || code === '2') return 'key';
  return /^1\d{3}$/.test(code) ? 'input' : 'passing';
}

/** Several values, and the rows of a table, one after the other. */
function textOf(subpods: z.infer<typeof pod>['subpods']): string {
  return subpods
    .map(({ title = '', plaintext }) => `${title === '' ? '' : `${title}: `}${plaintext ?? ''}`)
    .filter((text) => text.trim() !== '')
    .join('; ')
    .replace(/\s*\n\s*/g, '; ');
}
