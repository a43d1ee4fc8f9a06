/** `tools.web` of the configuration: engines on the web, each an action. Its table is all that knows every engine. */
import { z } from 'zod';
import { THINK } from '../tool.js';
import { brave, braveSettings } from './brave.js';
import { searxng, searxngSettings } from './searxng.js';
import { semanticScholar, semanticScholarSettings } from './semanticScholar.js';
import { tavily, tavilySettings } from './tavily.js';
import { wikipedia, wikipediaSettings } from './wikipedia.js';
import { wolframAlpha, wolframAlphaSettings } from './wolframAlpha.js';

export const WEB_ENGINES = { searxng, brave, tavily, wikipedia, semanticScholar, wolframAlpha } as const;

const one = z.discriminatedUnion(
  'engine',
  [searxngSettings, braveSettings, tavilySettings, wikipediaSettings, semanticScholarSettings, wolframAlphaSettings],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? `expected engine ${Object.keys(WEB_ENGINES).join(', ')}` : undefined,
  },
);

export const webSettings = z.array(one).superRefine((engines, context) => {
  engines.forEach(({ name }, at) => {
    const taken = name === THINK || engines.findIndex((other) => other.name === name) !== at;
    if (!taken) return;
    context.addIssue({ code: 'custom', path: [at, 'name'], message: `expected another name, "${name}" is taken` });
  });
});

/** An engine with everything said. */
export type WebSettings = z.infer<typeof one>;
/** An engine as a configuration gives it: what is left out has its default. */
export type WebOptions = z.input<typeof one>;
