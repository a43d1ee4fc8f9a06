/** Tests and intervals as models name them with their numbers: "95% confidence interval for mean 52, s = 4, n = 25", "p-value for t = 2.5, df = 24"; and laws by their parameters. */

const FORMS =
  'write e.g. confidence_interval(mean=52, sd=4, n=25, level=0.95), t_test(mean=52, mu=50, sd=4, n=25) or p_value(t=2.5, df=24)';

const HEADS: readonly (readonly [words: RegExp, call: string, keys: readonly string[]])[] = [
  [
    /\b(?:required\s+|minimum\s+)?sample\s+size\b(?!\s*(?:=|of\b|is\b|:)?\s*\d)/i,
    'sample_size',
    ['margin', 'p', 'sigma', 'sd'],
  ],
  [/\bmargin\s+of\s+error\b/i, 'margin_of_error', ['p', 'sigma', 'sd', 'n']],
  [
    /\bconfidence\s+interval\s+(?:for|of)\s+(?:an?\s+|the\s+)?(?:population\s+)?proportion\b/i,
    'proportion_interval',
    ['p', 'n'],
  ],
  [/\bconfidence\s+interval\b/i, 'confidence_interval', ['mean', 'sd', 'sigma', 'n']],
  [/\bp[-\s]?value\b/i, 'p_value', ['t', 'z', 'chi2', 'f', 'df', 'df1', 'df2', 'tails']],
  [/\b(?:one[-\s]sample\s+)?t[-\s](?:test|score|statistic)\b/i, 't_test', ['mean', 'mu', 'sd', 'n']],
  [/\bstandard\s+error(?:\s+of\s+the\s+mean)?\b/i, 'standard_error', ['sd', 'n']],
  [/\bz[-\s]?score\b/i, 'z_score', ['mean', 'mu', 'sd', 'sigma', 'x']],
  [/\b(?:one[-\s]sample\s+)?z[-\s]test\b/i, 'z_test', ['mean', 'mu', 'sigma', 'n']],
  [/\bcohen'?s?[-\s]d\b/i, 'cohens_d', ['mean1', 'mean2', 'sd1', 'sd2', 'n1', 'n2', 'sd']],
];
/** Calls that take a level of confidence. */
const WITH_LEVEL = new Set(['confidence_interval', 'proportion_interval', 'margin_of_error', 'sample_size']);

/** Words before a number, and the parameter they name. */
const KEYS: readonly (readonly [words: string, key: string])[] = [
  ['margin(?:\\s+of\\s+error)?|within', 'margin'],
  ['(?:mean|m|x[-_]?bar|x̄)_?1', 'mean1'],
  ['(?:mean|m|x[-_]?bar|x̄)_?2', 'mean2'],
  ['(?:sd|s|std)_?1', 'sd1'],
  ['(?:sd|s|std)_?2', 'sd2'],
  ['n_?1', 'n1'],
  ['n_?2', 'n2'],
  ['p[-_]?hat|p̂|(?:sample\\s+)?proportion|p', 'p'],
  ['mu_?0?|hypothesi[sz]ed\\s+mean|population\\s+mean|null\\s+mean', 'mu'],
  ['(?:sample\\s+)?mean|x[-_]?bar|x̄', 'mean'],
  ['sigma|population\\s+(?:sd|standard\\s+deviation)', 'sigma'],
  ['(?:sample\\s+)?(?:sd|standard\\s+deviation)|std(?:ev)?|s', 'sd'],
  ['(?:sample\\s+)?size|n', 'n'],
  ['df_?1', 'df1'],
  ['df_?2', 'df2'],
  ['df|degrees\\s+of\\s+freedom', 'df'],
  ['chi2|chi[-\\s]square(?:d)?', 'chi2'],
  ['t', 't'],
  ['z', 'z'],
  ['F', 'f'],
  ['x|(?:raw\\s+)?(?:value|score)|of|for', 'x'],
];
/** What a call has other names for. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  z_test: { sigma: 'sd' },
  z_score: { mu: 'mean', sigma: 'sd' },
};

/** The phrase as a call; null for other text, such as a call itself. */
export function testPhrase(text: string): string | null {
  if (/^[\w.]+\s*\(|^[A-Za-z_]\w*\s*=/.test(text)) return null;
  const head = HEADS.find(([words]) => words.test(text));
  if (head === undefined) return null;
  const [words, call, allowed] = head;
  let left = ` ${text.replace(words, ' ; ')} `;
  const given = new Map<string, string>();
  if (WITH_LEVEL.has(call)) {
    const level = levelIn(left);
    if (level !== null) {
      given.set('level', level[2] === undefined ? level[1]! : String(Number(level[1]) / 100));
      left = left.replace(level[0], ' ; ');
    }
  }
  const tails = /\b(two|one)[-\s](?:tail(?:ed)?|sided)\b/i.exec(left);
  if (tails !== null && allowed.includes('tails')) {
    given.set('tails', tails[1]!.toLowerCase() === 'two' ? '2' : '1');
    left = left.replace(tails[0], ' ; ');
  }
  const degrees = /(?<![\w.])(\d+)\s+(?:degrees\s+of\s+freedom|d\.?f\.?)(?![\w])/i.exec(left);
  if (degrees !== null && allowed.includes('df')) {
    given.set('df', degrees[1]!);
    left = left.replace(degrees[0], ' ; ');
  }
  for (const [names, key] of KEYS) {
    if (given.has(key) || !allowed.includes(key)) continue;
    // Letters as they are written; words in any case.
    const pattern = new RegExp(
      String.raw`(?<![\w-])(?:${names})\s*(?:=|\bof\b|\bis\b|:)?\s*(-?\d*\.?\d+)(\s*%)?(?![\d.]*\s*[%/*^]|\w)`,
      /^[tzF]$/.test(names) ? '' : 'i',
    );
    const found = pattern.exec(left);
    if (found === null || (found[2] !== undefined && key !== 'p' && key !== 'margin')) continue;
    given.set(key, found[2] === undefined ? found[1]! : `${found[1]}/100`);
    left = left.replace(found[0], ' ; ');
  }
  if (given.size === 0) return null;
  const rest = left
    .replace(
      /\b(?:what|is|the|a|an|of|for|with|and|in|at|using|sample|population|statistic|test|from|find|calculate|compute|construct|where|if|given|mean|needed|required|to|estimate)\b|[\s,;:?.()]+/gi,
      ' ',
    )
    .trim();
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
  const names = RENAMED[call] ?? {};
  return `${call}(${[...given].map(([key, value]) => `${names[key] ?? key}=${value}`).join(', ')})`;
}

/** `95% confidence`, `confidence level 0.95`, or the only percentage there is. */
function levelIn(text: string): RegExpExecArray | null {
  const share = String.raw`(\d+(?:\.\d+)?|\.\d+)`;
  const level =
    new RegExp(String.raw`${share}\s*(%)\s*(?:confidence|CI|level)(?:\s+(?:level|interval))?\b`, 'i').exec(text) ??
    new RegExp(String.raw`\b(?:confidence(?:\s+level)?|level)\s*(?:=|of|:|is)?\s*${share}\s*(%)?`, 'i').exec(text);
  if (level !== null) return level;
  const shares = [...text.matchAll(/(?<![\w.])(\d+(?:\.\d+)?)\s*(%)/g)] as unknown as RegExpExecArray[];
  return shares.length === 1 &&
    !/(?:margin(?:\s+of\s+error)?|within|proportion|\bp|\bp[-_]?hat|p̂)\s*(?:=|of|is|:)?\s*$/i.test(
      text.slice(0, shares[0]!.index),
    )
    ? shares[0]!
    : null;
}

/** A parameter of a law with its number: `n = 10`, `mean 3`. */
const PARAMETER =
  /\b(n|p|df1?|df2|dfn|dfd|mean|mu|lambda|lam|rate|sd|sigma|std|variance|var)(?:\s*(?:=|\bof\b)\s*|(?<=mean|rate|lambda|sd|variance)\s+)([-\d.][\d.]*(?:\/[\d.]+)?(?:e-?\d+)?)/g;

const RATE_AND_DURATION =
  /(?:\bper\b|\/\s*[a-z]|\b(?:hour|dai|week|month|year)ly\b).*\b(?:in|over|during|within|for|each|every)\b/is;

/** Of the words that are left out a number that no rule has read may change the law: `rate 3 per hour in 2 hours`. */
export function readWhole(words: string, declaredLaw: boolean): void {
  const unread = declaredLaw ? words : words.replace(PARAMETER, ' ');
  const number = /(?<![A-Za-z_])\d[\d.]*/.test(unread);
  if (number || RATE_AND_DURATION.test(unread))
    throw new Error(
      `all of "${words.trim().slice(0, 60)}" cannot be read; write the law, e.g. P(X > 2), X ~ Poisson(6), where 6 is the mean of the whole duration`,
    );
}

/** What stands behind a comma inside of `P(…)` is parameters of the law, or is refused: it may be a second event. */
export function readParameters(words: string, declaredLaw: boolean): void {
  const unread = words.replace(PARAMETER, ' ').replace(/[\s,;|]+|\b(?:and|with|given|where)\b/g, '');
  if (unread === '' && !(declaredLaw && words.trim() !== '')) return;
  throw new Error(
    `"${words.trim().slice(0, 40)}" inside of P(…) cannot be read; write the law behind it, e.g. P(X > 3), X ~ Binomial(10, 0.5)`,
  );
}

/** The law whose parameters the text gives as `n=10, p=0.5`, of the family `named` if it is not ''. Z is standard normal. */
export function lawOfText(variable: string, named: string, text: string): string {
  const values = new Map<string, string>();
  for (const [, key, written] of text.matchAll(PARAMETER)) {
    const value = written!.replace(/\.$/, '');
    if ((values.get(key!) ?? value) !== value)
      throw new Error(`${key} is given as ${values.get(key!)} and as ${value}; give it once`);
    values.set(key!, value);
  }
  const unread = new Set(values.keys());
  const law = lawOfValues(variable, named, values, unread);
  if (law === null)
    throw new Error(
      `P(${variable} …) needs a distribution; write e.g. P(X > 3), X ~ Binomial(10, 0.5), or P(T > 2), df = 12`,
    );
  // As many parameters as the law has: a second one was left out in silence.
  const [more] = unread;
  if (more !== undefined)
    throw new Error(
      `what ${more} = ${values.get(more)} has to do with ${law} is not clear; write the law, e.g. X ~ N(100, sd=15/sqrt(25)) for the mean of 25`,
    );
  return law;
}

/** Takes the parameters that it uses out of `unread`. */
function lawOfValues(
  variable: string,
  named: string,
  values: ReadonlyMap<string, string>,
  unread: Set<string>,
): string | null {
  const has = (...keys: string[]) => keys.some((key) => values.has(key));
  const use = (...keys: string[]): string => {
    const key = keys.find((one) => values.has(one))!;
    unread.delete(key);
    return values.get(key)!;
  };
  const rates = ['lambda', 'lam', 'rate'];
  if (named === 'poisson') return has(...rates, 'mean', 'mu') ? `poisson(${use(...rates, 'mean', 'mu')})` : null;
  if (named === 'exponential') {
    if (has(...rates)) return `expon(rate=${use(...rates)})`;
    return has('mean', 'mu') ? `expon(scale=${use('mean', 'mu')})` : null;
  }
  if (named === 'geometric') return has('p') ? `geom(${use('p')})` : null;
  if (has('df', 'df1') && /^(?:chi2|t|T)$/.test(named === 't' || named === 'chi2' ? named : variable)) {
    // The size of the sample says no more than its df does.
    if (Number(values.get('n')) - 1 === Number(values.get('df'))) unread.delete('n');
    return `${variable === 'chi2' || named === 'chi2' ? 'chi2' : 't'}(${use('df', 'df1')})`;
  }
  if (variable === 'F' && has('df1', 'dfn') && has('df2', 'dfd'))
    return `f(${use('df1', 'dfn')}, ${use('df2', 'dfd')})`;
  if (named !== 'normal' && has('n') && has('p')) return `binom(${use('n')}, ${use('p')})`;
  if (named !== 'binomial' && has('mean', 'mu') && has('sd', 'sigma', 'std', 'variance', 'var')) {
    const mean = use('mean', 'mu');
    return `norm(${mean}, ${has('sd', 'sigma', 'std') ? use('sd', 'sigma', 'std') : `sqrt(${use('variance', 'var')})`})`;
  }
  return /^[Zz]$/.test(variable) && values.size === 0 ? 'norm()' : null;
}
