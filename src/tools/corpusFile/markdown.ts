/** Articles of Markdown and plain text: one file, one article. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { badRow, MOST_CHARS, type SourceArticle } from './source.js';

/** The title is that of the front matter, else the first heading, else the file's name; `aliases` are the front matter's. */
export async function* markdownArticle(file: string, source: string): AsyncGenerator<SourceArticle> {
  let text = await wholeText(file, source);
  const front = /^---\n([\s\S]*?)\n---\n/.exec(text);
  if (front !== null) text = text.slice(front[0].length);
  const said: FrontMatter = front === null ? { aliases: [] } : frontMatter(front[1]!);
  const heading = /^#\s+(.+?)\s*#*$/m.exec(text);
  if (said.title === undefined && heading !== null) text = text.replace(heading[0], '');
  const title = said.title ?? (heading === null ? undefined : inline(heading[1]!));
  yield { title: title || nameOf(file), text: plain(text), aliases: said.aliases, ...(said.url && { url: said.url }) };
}

export async function* textArticle(file: string, source: string): AsyncGenerator<SourceArticle> {
  yield { title: nameOf(file), text: await wholeText(file, source) };
}

async function wholeText(file: string, source: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MOST_CHARS) throw badRow(source, 'the file', `at most ${MOST_CHARS} bytes of one article`, `${size}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file)).replace(/\r\n?/g, '\n');
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw badRow(source, 'the file', 'text in UTF-8', 'bytes that are none');
  }
}

interface FrontMatter {
  readonly title?: string;
  readonly url?: string;
  readonly aliases: readonly string[];
}

/** What cannot be read of it is left out: it is not the article. */
function frontMatter(yaml: string): FrontMatter {
  let said: unknown;
  try {
    said = parse(yaml);
  } catch {
    return { aliases: [] };
  }
  const { title, url, aliases } = Object(said) as Record<string, unknown>;
  const names = Array.isArray(aliases) ? aliases : [aliases];
  return {
    ...(typeof title === 'string' && title.trim() !== '' ? { title: title.trim() } : {}),
    ...(typeof url === 'string' ? { url } : {}),
    aliases: names.filter((name): name is string => typeof name === 'string'),
  };
}

/** Without the signs of Markdown; code stays as it is written. */
function plain(text: string): string {
  return text
    .replace(/^```.*$/gm, '')
    .replace(/^#{1,6}\s+(.*?)\s*#*$/gm, '\n$1\n')
    .split('\n')
    .map(inline)
    .join('\n');
}

function inline(line: string): string {
  return line
    .replace(/!\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replace(/\[\[(?:[^\]|]*\|)?([^\]|]+)\]\]/g, '$1')
    .replace(/(\*\*|__)(?=\S)(.+?)\1/g, '$2')
    .trimEnd();
}

function nameOf(file: string): string {
  return path
    .basename(file)
    .replace(/\.[^.]+$/, '')
    .replaceAll('_', ' ');
}
