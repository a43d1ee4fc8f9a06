/** What goes into a corpus file and what is refused; that a build is whole or nothing, and equal each time. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { takeLock } from '../../../../src/lockFile.js';
import { openDatabase } from '../../../../src/tools/child/corpusDatabase.js';
import { buildCorpus } from '../../../../src/tools/corpusFile/build.js';
import { dictdArticles } from '../../../../src/tools/corpusFile/dictd.js';
import { jsonlArticles } from '../../../../src/tools/corpusFile/jsonl.js';
import {
  readSeal,
  refuseLongSeal,
  type SealContent,
  verifySeal,
  writeSeal,
} from '../../../../src/tools/corpusFile/seal.js';
import { cleaned } from '../../../../src/tools/corpusFile/source.js';
import { passagesOf } from '../../../../src/tools/corpusFile/split.js';
import { printable } from '../../../../src/tools/observation.js';
import { ARTICLES, folderOfTests, writeDictionary, writeJsonl, writeWikipedia } from './articles.js';

const folder = folderOfTests();
const at = (name: string) => path.join(folder, name);
/** What a lock of this process says. */
function heldLock(file: string): object {
  const lock = takeLock(`${file}.building`);
  const holder = JSON.parse(readFileSync(`${file}.building`, 'utf8')) as object;
  if ('release' in lock) lock.release();
  return holder;
}

let made = 0;
const out = () => at(`made-${++made}.corpus`);

/** Titles with the first passage of each, and other names with the title they lead to. */
function contents(file: string): { articles: Record<string, string>; names: Record<string, string> } {
  const database = openDatabase(file, { readOnly: true, fileMustExist: true });
  const rows = database.all(
    'select a.title, p.text from articles a join passages p on p.article = a.id order by p.id desc',
  );
  const names = database.all(
    'select t.key, a.title from titles t join articles a on a.id = t.article where t.other = 1',
  );
  database.close();
  return {
    articles: Object.fromEntries(rows.map((row) => Object.values(row) as unknown as [string, string])),
    names: Object.fromEntries(names.map((row) => Object.values(row) as unknown as [string, string])),
  };
}

describe('what a corpus is built from', () => {
  it('JSONL, gzipped too: aliases, redirects to what comes later, urls; what is empty is counted', async () => {
    for (const name of ['a.jsonl', 'a.jsonl.gz']) {
      const file = out();
      const seal = await buildCorpus([writeJsonl(at(name), [...ARTICLES].reverse())], file);
      expect(seal).toMatchObject({ articles: 6, aliases: 2, danglingRedirects: 1, emptyArticles: 1, skipped: [] });
      const { articles, names } = contents(file);
      expect(articles['Magna Carta']).toContain('King John');
      expect(articles.Injection).toBe(printable(articles.Injection!));
      expect(names).toEqual({ 'great charter': 'Magna Carta', 'the great charter of liberties': 'Magna Carta' });
    }
  });

  it('each file once, and no other name that is none or the title itself', async () => {
    const rows = [
      { title: 'R', text: 'x', aliases: ['r', '???'] },
      { title: 'r!', redirect: 'R' },
      { title: '?', redirect: 'R' },
    ];
    const source = writeJsonl(at('own.jsonl'), rows);
    const file = out();
    const seal = await buildCorpus([source, source], file);
    expect(seal).toMatchObject({ articles: 1, aliases: 0, danglingRedirects: 0, sources: [{ name: 'own.jsonl' }] });
    expect(seal.sources).toHaveLength(1);
  });

  it('Parquet as Hugging Face ships Wikipedia, in several row groups', async () => {
    const rows = Array.from({ length: 5 }, (_, index) => ({ title: `Title ${index}`, text: `text number ${index}` }));
    const file = out();
    expect(await buildCorpus([writeWikipedia(at('wiki.parquet'), rows)], file)).toMatchObject({ articles: 5 });
    expect(contents(file).articles).toEqual(Object.fromEntries(rows.map(({ title, text }) => [title, text])));
    const untitled = writeWikipedia(at('untitled.parquet'), [...rows, { title: ' ', text: 'x' }]);
    await expect(buildCorpus([untitled], out())).rejects.toThrow(/untitled.parquet: row 6: .*title: is empty/);
    const other = at('other.parquet');
    writeFileSync(other, Buffer.from(parquetWriteBuffer({ columnData: [{ name: 'title', data: ['A'] }] })));
    await expect(buildCorpus([other], out())).rejects.toThrow(/none named text among title; rename/);
  });

  it('a dictionary of dictd: the entry’s own spelling, synonyms, joined lines, no notes of its own', async () => {
    const index = writeDictionary(at('words'), [
      [['00-database-info'], 'not an article\n'],
      [['nickel', 'ni'], 'Nickel\n   A hard {metal}\n   that is silvery.\n      [1913 Webster]\n\n   Second sense.\n'],
      [['zebra'], 'Zebra \\Ze"bra\\, n. A striped horse.\n'],
    ]);
    const file = out();
    await buildCorpus([index], file, { overlapChars: 0 });
    expect(contents(file)).toEqual({
      articles: {
        Nickel: 'A hard metal that is silvery.\n\nSecond sense.',
        zebra: 'Zebra \\Ze"bra\\, n. A striped horse.',
      },
      names: { ni: 'Nickel' },
    });
  });

  it('a dictionary of several MiB, whose entries lie in another order than its index and across the parts that are read', async () => {
    const entries = Array.from({ length: 30 }, (_, n): [string[], string] => [
      [`w${n}`],
      `${n} ${'x'.repeat(99_000)}\n`,
    ]);
    const read: string[] = [];
    for await (const { title, text } of dictdArticles(writeDictionary(at('long'), entries), 'long')) {
      read.push(`${title} ${text}\n`);
    }
    expect(read.join('') === entries.map(([[word], text]) => `${word} ${text}`).join('')).toBe(true);
  });

  it('Markdown and text of a folder; other files are skipped and said', async () => {
    const notes = at('notes');
    mkdirSync(path.join(notes, 'deep'), { recursive: true });
    writeFileSync(
      path.join(notes, 'a.md'),
      '---\ntitle: " "\naliases: [Ay]\n---\n# The *A*\n\nSee [the **b**](b.md).\n',
    );
    writeFileSync(path.join(notes, 'deep', 'plain_words.txt'), 'Plain.\r\n');
    writeFileSync(path.join(notes, 'page.html'), '<p>');
    writeDictionary(path.join(notes, 'deep', 'words'), [[['yak'], 'A hairy ox.\n']]);
    writeFileSync(path.join(notes, 'wiki.zim'), 'ZIM\u0004rest');
    symlinkSync('deep', path.join(notes, 'linked'));
    const file = out();
    const { skipped } = await buildCorpus([notes], file);
    expect(contents(file)).toEqual({
      articles: { 'The *A*': 'See the b.', 'plain words': 'Plain.', yak: 'A hairy ox.' },
      names: { ay: 'The *A*' },
    });
    expect(skipped).toEqual([
      { name: 'linked', why: expect.stringContaining('name that') },
      { name: 'page.html', why: expect.stringContaining('pandoc') },
      { name: 'wiki.zim', why: expect.stringContaining('zimdump') },
    ]);
  });
});

describe('what is refused', () => {
  it.each([
    ['row.jsonl', '{"title": "A", "text": "a"}\n{"text": "b"}\n', 'invalid_file', /row\.jsonl: line 2.*title/],
    ['bare.jsonl', '{"title": "A"}\n', 'invalid_file', /bare\.jsonl: line 1.*"text" or a "redirect"/],
    ['untitled.jsonl', '{"title": " \\u0007", "text": "a"}\n', 'invalid_file', /title: is empty/],
    ['list.jsonl', '[\n{"title": "A"}]', 'unsupported_file', /jq/],
    ['pointer.jsonl', 'version https://git-lfs.github.com/spec/v1\n', 'invalid_file', /git lfs pull/],
    ['cut.jsonl', '{"title": "A", "te', 'invalid_file', /cut\.jsonl: line 1.*JSON/],
    ['bytes.jsonl', Buffer.from([0x7b, 0xff, 0xfe, 0x0a]), 'invalid_file', /UTF-8/],
    ['bad.parquet', 'PAR1 and no more', 'invalid_file', /bad\.parquet.*Parquet/],
    ['lonely.index', 'word\tA\tB\n', 'invalid_file', /dict\.dz/],
    ['wiki.zim', 'ZIM\u0004', 'unsupported_file', /zimdump/],
    ['table.csv', 'a,b', 'unsupported_file', /Parquet or JSONL/],
    ['none.jsonl', '{"title": "A", "text": ""}\n', 'invalid_file', /found none with text/],
  ])('%s, and nothing is left of the build', async (name, content, code, message) => {
    const own = at(`refused-${name}`);
    mkdirSync(own);
    writeFileSync(path.join(own, name), content);
    const before = readdirSync(own);
    const target = path.join(own, 'out.corpus');
    await expect(buildCorpus([path.join(own, name)], target)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(readdirSync(own)).toEqual(before);
  });

  it('an index that points behind its dictionary, a taken name, a missing folder, settings out of range', async () => {
    const index = writeDictionary(at('short'), [[['a'], 'text\n']]);
    appendFileSync(index, 'zz\tA\tBAA\n');
    await expect(buildCorpus([index], out())).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(/index says/),
    });
    const source = writeJsonl(at('b.jsonl'));
    const file = out();
    await buildCorpus([source], file);
    await expect(buildCorpus([source], file)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/--overwrite/),
    });
    await expect(buildCorpus([source], at('no/x.corpus'))).rejects.toMatchObject({ code: 'io_error' });
    await expect(buildCorpus([source], source, { overwrite: true })).rejects.toThrow(/among the files to read/);
    await expect(buildCorpus([source], folder, { overwrite: true })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/is a folder/),
    });
    await expect(buildCorpus([at('nowhere')], out())).rejects.toMatchObject({ code: 'io_error' });
    await expect(buildCorpus([source], out(), { passageChars: 5 })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(buildCorpus([source], out(), { overlapChars: 400 })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    expect((await buildCorpus([source], out(), { passageChars: 120 })).settings.overlapChars).toBe(60);
  });

  it('a build that is interrupted leaves nothing, and the next one clears what a killed one left', async () => {
    const source = writeJsonl(at('c.jsonl'));
    const file = out();
    await expect(buildCorpus([source], file, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'interrupted',
    });
    writeFileSync(`${file}.partial`, 'left by a kill');
    mkdirSync(`${file}.partial.lock`);
    // No process has this number: it is above the largest.
    writeFileSync(`${file}.building`, JSON.stringify({ ...heldLock(file), pid: 99999999 }));
    await buildCorpus([source], file);
    const left = readdirSync(folder).filter((name) => name.startsWith(path.basename(file)));
    expect(left).toEqual([path.basename(file)]);
  });

  it('is interrupted while it reads and while it hashes, which is no failure of the disk; more files than a seal holds are refused', async () => {
    const source = writeJsonl(
      at('i.jsonl'),
      Array.from({ length: 1000 }, () => ARTICLES[0]!),
    );
    const controller = new AbortController();
    const interrupted = expect.objectContaining({ code: 'interrupted' });
    await expect(
      buildCorpus([source], out(), { signal: controller.signal, onProgress: () => controller.abort() }),
    ).rejects.toEqual(interrupted);
    const file = out();
    const seal = await buildCorpus([source], file);
    await expect(verifySeal(file, AbortSignal.abort())).rejects.toEqual(interrupted);
    await expect(writeSeal(file, seal, AbortSignal.abort())).rejects.toEqual(interrupted);
    const files = Array.from({ length: 500_000 }, () => ({ name: 'n' }));
    expect(() => refuseLongSeal(files, [])).toThrow(/join them/);
  });

  it('is refused while another one writes the same file', async () => {
    const source = writeJsonl(at('j.jsonl'));
    const file = out();
    const both = await Promise.allSettled([buildCorpus([source], file), buildCorpus([source], file)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'run_locked' } });
    await expect(verifySeal(file)).resolves.toMatchObject({ articles: 6 });
  });
});

describe('the seal', () => {
  it('holds what went in; equal files make equal bytes, other settings other ones', async () => {
    const source = writeJsonl(at('d.jsonl'));
    const files = [out(), out(), out()] as const;
    const first = await buildCorpus([source], files[0]);
    await buildCorpus([source], files[1]);
    const other = await buildCorpus([source], files[2], { passageChars: 100, overlapChars: 0 });
    expect(readFileSync(files[0]).equals(readFileSync(files[1]))).toBe(true);
    expect(statSync(files[0]).mode).toBe(statSync(source).mode);
    expect(other.database).not.toBe(first.database);
    expect(readSeal(files[0])).toEqual(first);
    expect(first.sources).toEqual([
      { name: 'd.jsonl', bytes: expect.any(Number), sha256: expect.stringMatching(/^[0-9a-f]{64}$/), articles: 6 },
    ]);
  });

  it('refuses what is cut, changed, another file or of a later version', async () => {
    const file = out();
    const seal = await buildCorpus([writeJsonl(at('e.jsonl'))], file);
    const { bytes } = seal;
    const whole = readFileSync(file);
    const refused = async (change: (copy: Buffer) => Buffer, code = 'invalid_file') => {
      const copy = at('changed.corpus');
      writeFileSync(copy, change(Buffer.from(whole)));
      await expect((async () => verifySeal(copy))()).rejects.toMatchObject({ code });
    };
    await expect(verifySeal(file)).resolves.toMatchObject({ bytes });
    await refused((copy) => copy.subarray(0, -1));
    await refused((copy) => copy.subarray(0, bytes));
    await refused((copy) => copy.subarray(8192));
    await refused(() => Buffer.alloc(0));
    await refused((copy) => Buffer.concat([copy.subarray(0, bytes), Buffer.alloc(8), copy.subarray(bytes)]));
    const later = at('later.corpus');
    writeFileSync(later, whole.subarray(0, bytes));
    await writeSeal(later, { ...seal, version: 2 } as object as SealContent, undefined);
    await expect(verifySeal(later)).rejects.toMatchObject({ code: 'unsupported_file' });
    for (const place of [100, bytes >> 1, bytes + 20, whole.length - 20]) {
      await refused((copy) => {
        copy[place]! ^= 1;
        return copy;
      });
    }
    expect(() => readSeal(at('none.corpus'))).toThrow(/corpus build/);
    expect(() => readSeal(folder)).toThrow(/a folder/);
    truncateSync(file, 4);
    expect(() => readSeal(file)).toThrow(/seal/);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });
});

describe('reading', () => {
  it('leaves no half characters and no controls', () => {
    expect(cleaned('a\ud800\u0000\r\nb')).toBe('a\ufffd \nb');
  });

  it('ends with the failure of what is unpacked', async () => {
    mkdirSync(at('folder.jsonl.gz'));
    await expect(jsonlArticles(at('folder.jsonl.gz'), 'it').next()).rejects.toThrow(/it: .*EISDIR/);
  });
});

describe('passages', () => {
  it('are whole paragraphs where they fit, else whole sentences, and hold all words in order', () => {
    const text = 'One two. Three four.\n\nFive six.\n\nSeven eight nine ten. Eleven.';
    expect(passagesOf(text, { passageChars: 40, overlapChars: 0 })).toEqual([
      'One two. Three four.\n\nFive six.',
      'Seven eight nine ten. Eleven.',
    ]);
    const words = Array.from({ length: 300 }, (_, index) => `w${index}${index % 7 === 0 ? '.' : ''}`).join(' ');
    const cut = passagesOf(words, { passageChars: 100, overlapChars: 0 });
    expect(cut.join(' ')).toBe(words);
    expect(Math.max(...cut.map(({ length }) => length))).toBeLessThanOrEqual(100);
    const [first, second] = passagesOf(words, { passageChars: 100, overlapChars: 40 });
    expect(first!.endsWith(second!.split('. ')[0]!.trim()) || first!.includes(second!.split('. ')[0]!)).toBe(true);
  });

  it('do not begin with all of the one before', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(30)}.`);
    expect(passagesOf(`${a}\n\n${b} ${c} ${b}`, { passageChars: 100, overlapChars: 40 })).toEqual([
      a,
      `${b} ${c} ${b}`,
    ]);
  });

  it('cut a word without end, and never between two halves of a character', () => {
    const cut = passagesOf('😀'.repeat(500), { passageChars: 101, overlapChars: 10 });
    expect(cut.every((one) => one.length <= 101 && one.isWellFormed())).toBe(true);
    expect(cut.join('')).not.toContain('\ufffd');
  });
});
