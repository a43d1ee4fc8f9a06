/** What an engine on the web is: how it is asked, what of its reply is read, and what its refusals mean. */
import { z } from 'zod';
import { isReference } from '../../secrets/references.js';
import type { Passage } from '../child/passages.js';
import { visible } from '../schemaInput.js';
import { TOOL_NAME, type Tool } from '../tool.js';

/** What all engines have in common in `tools.web`. */
export interface CommonSettings {
  readonly name: string;
  readonly engine: string;
  readonly baseUrl: string | null;
  readonly key: string | null;
  readonly results: number;
  readonly inFlight: number;
}

export interface WebRequest {
  /** After the address: `res/v1/web/search`. */
  readonly path: string;
  /** Of the URL; null is left out. */
  readonly params?: Readonly<Record<string, string | number | null>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON by POST; absent: GET. */
  readonly body?: object;
}

/**
 * What a refusal means. `key`, `credit`, `settings`: no input could work, and the run ends; `input`: this one cannot; `passing`:
 * the next call may work.
 */
export type FaultKind = 'key' | 'credit' | 'settings' | 'input' | 'passing';

export class WebFault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface WebEngine<Settings extends CommonSettings> {
  /** What prompts and the judge are told; the example's input is what `doctor` asks. */
  readonly words: Required<Pick<Tool, 'description' | 'inputHint' | 'example'>>;
  /** Longest query in characters that it takes; absent: no limit worth a word. */
  readonly longestQuery?: number;
  /** Where it is asked when `baseUrl` does not say. */
  address(settings: Settings): string;
  request(query: string, settings: Settings, key: string | null): WebRequest;
  /** Best first; empty: nothing was found. Throws a ZodError for another reply, and a WebFault for a refusal in it. */
  read(reply: unknown, settings: Settings): readonly Passage[];
  /** What to look at when the settings are refused. */
  readonly remedy?: string;
  /** What a status means where it is not what it means elsewhere; null: that. `said`: the reply's body. */
  fault?(status: number, said: string): FaultKind | null;
}

const address = z
  .string()
  .refine((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol), 'expected an http or https URL');

/** The settings of an engine: the common ones, and its own few. */
export function settingsOf<const Name extends string, Key extends z.ZodType<string | null>, Own extends z.ZodRawShape>(
  engine: Name,
  key: Key,
  own: Own,
) {
  return z.strictObject({
    /** The action's name, as the model writes it. */
    name: z.string().regex(TOOL_NAME, 'expected a name like web_search (a-z, 0-9, _; 32 at most)'),
    engine: z.literal(engine),
    /** Another address of the same interface, such as a proxy of yours; null: the engine's own. */
    baseUrl: address.nullable().default(null),
    key,
    /** Most results that are shown. */
    results: z.number().int().min(1).max(10).default(3),
    /** Requests under way at the same time: engines count them, and refuse who asks too fast. */
    inFlight: z.number().int().min(1).max(64).default(2),
    ...own,
  });
}

const EXPECTED_KEY = 'expected the name of the environment variable with the key, as $NAME';
const reference = z.string(EXPECTED_KEY).refine((text) => isReference(text) && /^\$\S+$/.test(text), EXPECTED_KEY);

/** `$NAME` of the environment variable that holds the key: for engines that answer nobody without, that may have one, that have none. */
export const neededKey = reference;
export const optionalKey = reference.nullable().default(null);
export const noKey = z.null('expected no key, as this engine has none; take it out').default(null);

/** No more of a text is of use: an observation is cut at `tools.maxObservationChars`. */
const LONGEST_TEXT = 4000;

/** A result whose texts are an engine's: one line each, without what cannot be seen. Null where it says nothing. */
export function passageOf(title: string | null | undefined, text: string | null | undefined): Passage | null {
  const [head, body] = [visible(title ?? '', 200), visible(text ?? '', LONGEST_TEXT)];
  if (head === '' && body === '') return null;
  return { title: head === '' ? 'no title' : head, text: body === '' ? '(no text)' : body };
}

export function found(passages: readonly (Passage | null)[], most: number): readonly Passage[] {
  return passages.filter((one) => one !== null).slice(0, most);
}
