/** Semantic Scholar's Graph API: papers by relevance, each with its summary or abstract. Works without a key, slowly. */
import { z } from 'zod';
import { found, optionalKey, passageOf, settingsOf, type WebEngine } from './engine.js';

export const semanticScholarSettings = settingsOf('semanticScholar', optionalKey, {
  /** Of publication: `2019`, `2016-2020`, `-2015`; null: all. */
  years: z
    .string()
    .regex(/^(?:\d{4}(?:-\d{4})?|\d{4}-|-\d{4})$/, 'expected years such as 2019, 2016-2020 or -2015')
    .nullable()
    .default(null),
});

/** Nothing found: there is no `data`. Most papers lack something. */
const reply = z.object({
  total: z.number(),
  data: z
    .array(
      z.object({
        title: z.string().nullable(),
        year: z.number().nullish(),
        abstract: z.string().nullish(),
        authors: z.array(z.object({ name: z.string().nullish() })).nullish(),
        tldr: z.object({ text: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
});

type Paper = NonNullable<z.infer<typeof reply>['data']>[number];

export const semanticScholar: WebEngine<z.infer<typeof semanticScholarSettings>> = {
  words: {
    description: 'Searches scientific papers and shows titles, authors, years and summaries.',
    inputHint: 'keywords, e.g. CRISPR off target effects',
    example: {
      wanted: 'which model introduced self-attention alone',
      input: 'attention is all you need transformer',
      observation:
        '1. Attention is All you Need (Vaswani et al. 2017): A new simple network architecture, the Transformer, …',
    },
  },
  address: () => 'https://api.semanticscholar.org',
  request: (query, { results, years }, key) => ({
    path: 'graph/v1/paper/search',
    // By its documentation a term with a hyphen matches nothing.
    params: {
      ...{ query: query.replace(/-/g, ' '), limit: results, year: years },
      fields: 'title,abstract,year,authors,tldr',
    },
    headers: key === null ? {} : { 'x-api-key': key },
  }),
  read: (json, { results }) => found((reply.parse(json).data ?? []).map(paperPassage), results),
};

function paperPassage({ title, year, abstract, authors, tldr }: Paper) {
  const names = (authors ?? []).flatMap(({ name }) => (name ? [name] : []));
  const by = names.length > 2 ? `${names[0]} et al.` : names.join(', ');
  const facts = [by, year ?? ''].filter((one) => one !== '').join(' ');
  // The summary first: of a long abstract the end is cut.
  const text = [tldr?.text, abstract].filter((one) => one).join(' ');
  return passageOf(`${title ?? 'no title'}${facts === '' ? '' : ` (${facts})`}`, text);
}
