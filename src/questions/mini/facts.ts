/**
 * Questions for facts of the reference corpus, which encyclopedia finds by title, search by words, and partly
 * chemistry.
 */
import { type FactArticle, factArticles } from './articles.js';
import type { Random } from './random.js';
import type { MiniProblem, MiniTemplate } from './template.js';

/** All values of each relation in the corpus; wrong options are drawn from them. */
function valuesByRelation(articles: readonly FactArticle[]): Map<string, string[]> {
  const out = new Map<string, string[]>();
  for (const { relation, value } of articles.flatMap((article) => article.facts)) {
    const list = out.get(relation) ?? [];
    if (!list.includes(value)) list.push(value);
    out.set(relation, list);
  }
  return out;
}

/** Only the first three digits of a year, because years that share them are hard to tell apart for a small model. */
const lookOf = (value: string): string => (/^\d{3}/.test(value) ? value.slice(0, 3) : value);

function wrongValues(pool: readonly string[], value: string, random: Random): string[] {
  const seen = new Set([lookOf(value)]);
  return random
    .shuffle(pool)
    .filter((other) => {
      const look = lookOf(other);
      return !seen.has(look) && seen.add(look);
    })
    .slice(0, 9);
}

/** A relation needs this many values to fill ten options. */
const ENOUGH = 10;

function buildFact(articles: readonly FactArticle[], pools: Map<string, string[]>, args: readonly string[]) {
  const [title, relation] = args as [string, string];
  const value = articles.find((a) => a.title === title)?.facts.find((f) => f.relation === relation)?.value;
  if (value === undefined) throw new RangeError(`no ${relation} of ${title} in the corpus`);
  const atom = relation === 'symbol' || relation === 'atomic number';
  const problem: MiniProblem = {
    text: `${title}: what is its ${relation}?`,
    answer: value,
    wrong: (random) => wrongValues(pools.get(relation)!, value, random),
    inputs: {
      // Titles tell elements from gods: `Mercury (element)`.
      ...(atom ? { chemistry: `element ${title.replace(/ \(.*\)$/, '')}` } : {}),
      encyclopedia: title,
      search: `${title} ${relation}`,
    },
    subjects: [title],
    // The title comes first, as in the question and in an input: without a space before it, it has the same tokens
    // there.
    goal: `${title}: find its ${relation}.`,
  };
  return problem;
}

/** One template for each category that has facts. */
export function factTemplates(): MiniTemplate[] {
  const articles = factArticles();
  const pools = valuesByRelation(articles);
  return [...new Set(articles.map((article) => article.category))].flatMap((category): MiniTemplate[] => {
    const known = articles
      .filter((article) => article.category === category)
      .flatMap((article) => article.facts.map(({ relation }) => [article.title, relation] as const))
      .filter(([, relation]) => pools.get(relation)!.length >= ENOUGH);
    if (known.length === 0) return [];
    return [
      {
        name: 'fact',
        category,
        habit: ['encyclopedia', 'search'],
        hints: category === 'chemistry' ? ['chemistry', 'search'] : ['search', 'encyclopedia'],
        tempting: 'think',
        draw: (random) => [...random.pick(known)],
        build: (args) => buildFact(articles, pools, args),
      },
    ];
  });
}
