/** What `encyclopedia` and `search` answer over a corpus file, in this process; the sandbox is corpusHost.test.ts. */
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { candidates } from '../../../../src/tools/child/corpusCandidates.js';
import { openForReading } from '../../../../src/tools/child/corpusDatabase.js';
import { createCorpusFileTools } from '../../../../src/tools/child/corpusFileTools.js';
import { excerpt } from '../../../../src/tools/child/excerpt.js';
import { asked, titleReadings } from '../../../../src/tools/child/queryText.js';
import { sentences } from '../../../../src/tools/child/sentences.js';
import { buildCorpus } from '../../../../src/tools/corpusFile/build.js';
import { ARTICLES, folderOfTests, writeJsonl } from './articles.js';

const folder = folderOfTests();
const COMMON = Array.from({ length: 60 }, (_, index) => ({
  title: `Village ${index}`,
  text: `A village of ${index} houses in the county. Its church has a tower and an old person keeps it.`,
}));
const RANKED = [
  { title: 'it', text: 'A pronoun.' },
  { title: 'IT', text: 'Information technology.' },
  { title: 'Glacial moraine lake', text: 'Water behind a wall of till.' },
  { title: 'Meadow', text: 'Orchid orchid orchid heron heron heron sedge sedge sedge.' },
  { title: 'Marsh', text: `Orchid, heron, sedge, newt. ${'Water stands between them all year. '.repeat(5)}` },
  { title: 'Fen', text: 'Orchid, heron, sedge, newt.' },
];
const file = path.join(folder, 'answers.corpus');
let ask: (tool: 'encyclopedia' | 'search', input: string, chars?: number) => string;

beforeAll(async () => {
  const { passages } = await buildCorpus(
    [writeJsonl(path.join(folder, 'a.jsonl'), [...ARTICLES, ...COMMON, ...RANKED])],
    file,
  );
  const tools = createCorpusFileTools(file, passages);
  ask = (tool, input, chars = 400) => String(tools[tool]!(input, chars));
});

describe('encyclopedia', () => {
  it.each([
    ['Magna Carta', /^Magna Carta: Magna Carta was sealed by King John/],
    ['magna carta?', /^Magna Carta: /],
    ['What is the Magna Carta?', /^Magna Carta: /],
    ['encyclopedia("Magna Carta")', /^Magna Carta: /],
    ['the great charter of liberties', /^Magna Carta \(found as the great charter of liberties\): /],
    ['Great Charter', /^Magna Carta \(found as Great Charter\): /],
    ['define pain', /^Pain: /],
    ['Pain (medicine)', /^Pain: Pain is what the person/],
    ['Tariffs', /^Tariff: /],
    ['IT', /^IT: /],
    ['glacial moraine lake boron', /^Glacial moraine lake: /],
    ['atomic weight of boron', /^From the article Boron: .*10\.811/],
    ['where the barons met King John', /^From the article Magna Carta: .*Runnymede/],
  ])('%s', (input, answer) => {
    expect(ask('encyclopedia', input)).toMatch(answer);
  });

  it.each(['Fourth Amendment', 'aggregate supply', 'Village idiot of Carthage', 'zzqq', '???', 'the of and'])(
    '%s: nothing relevant, and says so',
    (input) => {
      expect(() => ask('encyclopedia', input)).toThrow(/^nothing relevant to/);
    },
  );

  it('gives the part that answers where there is room for a part', () => {
    expect(ask('encyclopedia', 'when was Boron isolated', 60)).toMatch(/isolated in 1808/);
  });
});

describe('search', () => {
  it('ranks passages with their titles, the one that holds most first', () => {
    expect(ask('search', 'difference between tariff and quota')).toMatch(/^1\. Tariff: .*quota limits/);
    expect(ask('search', 'orchid heron sedge newt')).toMatch(/^1\. Fen: .*\n2\. Marsh: .*\n3\. Meadow: /);
    // Sixty villages hold the common words, which say little.
    expect(ask('search', 'boron element village church county tower keeps')).toMatch(/^1\. Boron: /);
    expect(ask('search', 'person who keeps the village church tower')).toMatch(
      /^1\. Village \d+: .*\n2\. Village .*\n3\. /,
    );
  });

  it.each([
    'search("tariff quota")',
    '"tariff" AND "quota"',
    'site:wikipedia.org tariff quota -filetype:pdf',
    'intitle:tariff quota',
    'tariff* quota^2 NEAR(tariff quota)',
    "tariff OR quota'); --",
    'tariff "quota',
    "tariff' quota')",
    'tariff\u0000 quota\ud800',
  ])('%s: every character is data', (input) => {
    expect(ask('search', input)).toMatch(/^1\. Tariff: /);
  });

  it('takes a question of ten thousand words and of a megabyte', () => {
    const words = Array.from({ length: 10_000 }, (_, index) => `word${index.toString(36)}`).join(' ');
    expect(() => ask('search', words)).toThrow(/nothing relevant/);
    expect(() => ask('search', 'a'.repeat(1 << 20))).toThrow(/nothing relevant/);
    expect(() => ask('search', '"('.repeat(5000))).toThrow(/nothing relevant|brackets/);
  });

  it('does not take words that are in other passages each for an answer', () => {
    expect(() => ask('search', 'boron tariff carta pain')).toThrow(/no passage holds enough/);
    expect(() => ask('search', 'boron village')).toThrow(/no passage holds enough/);
    expect(() => ask('search', 'quantum chromodynamics village')).toThrow(/does not have/);
  });

  it('looks among the common words where every word is in thousands of passages', () => {
    const database = openForReading(file);
    const titleOf = (id: number) =>
      database.get('select title from articles a join passages p on a.id = p.article where p.id = ?', [id])!.title;
    const common = ['newt', 'orchid'].map((term) => ({ term, count: 7000, weight: 1 }));
    const found = candidates(database, common, 3).map(titleOf);
    database.close();
    expect(found).toEqual(['Marsh', 'Fen', 'Meadow']);
  });

  it('keeps to the characters allowed', () => {
    for (const chars of [40, 100, 250]) {
      expect(ask('search', 'village church tower', chars).length).toBeLessThanOrEqual(chars);
      expect(ask('encyclopedia', 'Magna Carta', chars).length).toBeLessThanOrEqual(chars);
    }
  });
});

describe('reading', () => {
  it('an excerpt without what a terminal would obey', () => {
    const text = 'a\u001b[31m b';
    expect(excerpt({ title: '', text, sentences: [text], holds: [new Set()] }, new Map(), 40)).not.toContain('\u001b');
  });

  it('a query without wrapping, operators and quotes', () => {
    expect(asked('```\nsearch(query="what is “x”?")\n```', 'search')).not.toContain('```');
    expect(asked('site:a.org NOT x', 'search')).toBe('x');
    expect(titleReadings('What is a stack (data type)?').map(({ title }) => title)).toContain('stack');
  });

  it('sentences, not cut at abbreviations, together the text', () => {
    expect(sentences('Dr. Who came. He left, e.g. soon! Then\nmore')).toEqual([
      'Dr. Who came.',
      'He left, e.g. soon!',
      'Then',
      'more',
    ]);
  });
});
