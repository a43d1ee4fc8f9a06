/** Tests and intervals as models name them with their numbers: "95% confidence interval for mean 52, s = 4, n = 25", "p-value for t = 2.5, df = 24". */

const FORMS =
  'write e.g. confidence_interval(mean=52, sd=4, n=25, level=0.95), t_test(mean=52, mu=50, sd=4, n=25) or p_value(t=2.5, df=24)';

const HEADS: readonly (readonly [words: RegExp, call: string, keys: readonly string[]])[] = [
  [/\bconfidence\s+interval\b/i, 'confidence_interval', ['mean', 'sd', 'sigma', 'n']],
  [/\bp[-\s]?value\b/i, 'p_value', ['t', 'z', 'chi2', 'f', 'df', 'df1', 'df2', 'tails']],
  [/\b(?:one[-\s]sample\s+)?t[-\s]test\b/i, 't_test', ['mean', 'mu', 'sd', 'n']],
  [/\b(?:one[-\s]sample\s+)?z[-\s]test\b/i, 'z_test', ['mean', 'mu', 'sigma', 'n']],
];

/** Words before a number, and the parameter they name. */
const KEYS: readonly (readonly [words: string, key: string])[] = [
  ['(?:sample\\s+)?mean|x[-_]?bar|x̄', 'mean'],
  ['mu_?0?|hypothesi[sz]ed\\s+mean|population\\s+mean|null\\s+mean', 'mu'],
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
];

/** The phrase as a call; null for other text, such as a call itself. */
export function testPhrase(text: string): string | null {
  if (/^[\w.]+\s*\(|^[A-Za-z_]\w*\s*=/.test(text)) return null;
  const head = HEADS.find(([words]) => words.test(text));
  if (head === undefined) return null;
  const [words, call, allowed] = head;
  let left = ` ${text.replace(words, ' ; ')} `;
  const given = new Map<string, string>();
  const level =
    /(\d+(?:\.\d+)?)\s*%(?:\s+(?:confidence|level))*|\b(?:confidence|level)\s*(?:=|of|:)?\s*(\d*\.?\d+)/i.exec(left);
  if (level !== null && call === 'confidence_interval') {
    given.set('level', level[1] === undefined ? level[2]! : String(Number(level[1]) / 100));
    left = left.replace(level[0], ' ; ');
  }
  const tails = /\b(two|one)[-\s](?:tail(?:ed)?|sided)\b/i.exec(left);
  if (tails !== null && allowed.includes('tails')) {
    given.set('tails', tails[1]!.toLowerCase() === 'two' ? '2' : '1');
    left = left.replace(tails[0], ' ; ');
  }
  for (const [names, key] of KEYS) {
    if (!allowed.includes(key)) continue;
    // Letters as they are written; words in any case.
    const pattern = new RegExp(
      String.raw`(?<![\w-])(?:${names})\s*(?:=|\bof\b|\bis\b|:)?\s*(-?\d*\.?\d+)(?![\d.]*\s*[%/*^]|\w)`,
      /^[tzF]$/.test(names) ? '' : 'i',
    );
    const found = pattern.exec(left);
    if (found === null) continue;
    given.set(key, found[1]!);
    left = left.replace(found[0], ' ; ');
  }
  if (given.size === 0) return null;
  const rest = left
    .replace(
      /\b(?:what|is|the|a|an|of|for|with|and|in|at|using|sample|population|statistic|test|from|find|calculate|compute|construct|where|if|given)\b|[\s,;:?.()]+/gi,
      ' ',
    )
    .trim();
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
  return `${call}(${[...given].map(([key, value]) => `${key === 'sigma' && call === 'z_test' ? 'sd' : key}=${value}`).join(', ')})`;
}
