/** Marked secrets, and a search for them that shares no code with what it tests. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';

/** Contains every kind of character that some format spells in another way. */
export const KEY = 'Zq7"%\\/kW3xMark9TgB5+nVd2=';

/** Shorter pieces can occur by chance. */
const PIECE = 8;

/** The marks that the text contains, in any spelling. */
export function findMarks(text: string, marks: readonly string[] = [KEY]): string[] {
  const readings = [text];
  // Undoes JSON in JSON in a URL, with the platform's own functions.
  for (let layer = 0; layer < 4; layer++) readings.push(unwrapped(readings.at(-1)!));
  const haystack = readings.join('\n').toLowerCase();
  return marks.filter((mark) => spellings(mark).some((spelling) => hasPiece(haystack, spelling)));
}

function hasPiece(haystack: string, { text, piece }: { text: string; piece: number }): boolean {
  const needle = text.toLowerCase();
  for (let at = 0; at + piece <= needle.length; at++) {
    if (haystack.includes(needle.slice(at, at + piece))) return true;
  }
  return false;
}

function spellings(mark: string) {
  const base64 = ['', 'u', 'us'].flatMap((before) => {
    const coded = Buffer.from(before + mark).toString('base64');
    return [coded, coded.replaceAll('+', '-').replaceAll('/', '_')].map((text) => text.slice(4, -4));
  });
  return [
    { text: mark, piece: PIECE },
    { text: Buffer.from(mark).toString('hex'), piece: 2 * PIECE },
    ...base64.map((text) => ({ text, piece: PIECE + 2 })),
  ];
}

function unwrapped(text: string): string {
  return text
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/&#([0-9]+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/\\(["\\/])/g, '$1')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

/** The name and content of every file below the folder. */
export function everythingIn(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => `${file}\n${readFileSync(file, 'latin1')}`)
    .join('\n');
}

/** Everything that can be seen of an error: its text, stack, causes, and their hidden members. */
export function everythingOf(error: unknown): string {
  const shown = inspect(error, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null });
  const chain: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) chain.push(String(at), at.stack ?? '', JSON.stringify(at));
  return [shown, ...chain].join('\n');
}
