/** What a model writes to look something up: its wrapping, its questions, the operators of web engines. */
import { unwrapped } from './normalize.js';

const LONGEST = 20_000;

/** The query without wrapping (`search("…")`, fences, JSON), operators and quotes. They are dropped, not obeyed. */
export function asked(input: string, tool: string): string {
  const text = unwrapped(input.slice(0, LONGEST), tool)
    .replace(/(?<!\S)-?(?:site|filetype|inurl|cache|related|before|after|lang):\S*/gi, ' ')
    .replace(/\b(?:intitle|allintitle|intext|allintext):/gi, ' ')
    .replace(/(?<!\S)(?:AND|OR|NOT|NEAR(?:\/\d+)?)(?=\s|\()/g, ' ')
    .replace(/["“”„«»`]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return text;
}

export interface TitleReading {
  readonly title: string;
  /** What is asked of the article: words that are not its title. */
  readonly focus: string;
}

const FRAMES = [
  /^(?:what|who|where|when)(?:'s| is| are| was| were)\s+(?:meant by\s+|the meaning of\s+|the definition of\s+)?(.+)$/i,
  /^(?:what does)\s+(.+?)\s+mean$/i,
  /^(?:define|explain|describe|definition of|meaning of|look up|lookup|article on|article about|tell me about)\s*:?\s+(.+)$/i,
  /^(.+?)\s+(?:definition|meaning|article|wikipedia)$/i,
];

/** Ways to read a text as a title, the plainest first. */
export function titleReadings(text: string): TitleReading[] {
  const plain = text.replace(/[?!.:,;]+$/, '').trim();
  const readings: TitleReading[] = [];
  const add = (title: string, focus = ''): void => {
    if (title !== '' && readings.every((one) => one.title !== title)) readings.push({ title, focus });
  };
  add(text);
  add(plain);
  for (const frame of FRAMES) {
    const inner = frame.exec(plain)?.[1];
    if (inner !== undefined) add(inner.trim());
  }
  for (const { title } of [...readings]) {
    const qualified = /^(.+?)\s*\(([^()]*)\)$/.exec(title);
    const bare = (one: string) => one.replace(/^(?:the|an?)\s+/i, '');
    if (qualified !== null) {
      add(qualified[1]!, qualified[2]!);
      add(bare(qualified[1]!), qualified[2]!);
    }
    add(bare(title));
  }
  for (const { title, focus } of [...readings]) {
    const singular = title.replace(/(?<=\w{3})ies$/, 'y').replace(/(?<=\w{2}(?:ch|sh|ss|x))es$|(?<=\w{2}[^s])s$/, '');
    if (singular !== title) add(singular, focus);
  }
  return readings;
}
