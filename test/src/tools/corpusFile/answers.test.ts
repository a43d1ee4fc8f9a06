/** What `encyclopedia` and `search` answer over a corpus file, in this process; the sandbox is corpusHost.test.ts. */
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCorpusFileTools } from '../../../../src/tools/child/corpusFileTools.js';
import { asked, titleReadings } from '../../../../src/tools/child/queryText.js';
import { sentences } from '../../../../src/tools/child/sentences.js';
import { buildCorpus } from '../../../../src/tools/corpusFile/build.js';
import { ARTICLES, folderOfTests, writeJsonl } from './articles.js';

const folder = folderOfTests();
const COMMON = Array.from({ length: 60 }, (_, index) => ({
  title: `Village ${index}`,
  text: `A village of ${index} houses in the county. Its church has a tower and an old person keeps it.`,
}));
let ask: (tool: 'encyclopedia' | 'search', input: string, chars?: number) => string;

beforeAll(async () => {
  const file = path.join(folder, 'answers.corpus');
  const { passages } = await buildCorpus([writeJsonl(path.join(folder, 'a.jsonl'), [...ARTICLES, ...COMMON])], file);
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
    expect(() => ask('search', 'quantum chromodynamics village')).toThrow(/does not have/);
  });

  it('keeps to the characters allowed', () => {
    for (const chars of [40, 100, 250]) {
      expect(ask('search', 'village church tower', chars).length).toBeLessThanOrEqual(chars);
      expect(ask('encyclopedia', 'Magna Carta', chars).length).toBeLessThanOrEqual(chars);
    }
  });
});

describe('reading', () => {
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
