/** Reads the judge's API key, tells `redact` to hide it, and refuses text that cannot be a key. */
import { SparkError } from '../errors.js';
import { noteEnvironment, noteSecret } from '../secrets/redact.js';
import type { Environment } from '../secrets/sources.js';

export const KEY_VARIABLE = 'OPENAI_API_KEY';

/**
 * The argument, else OPENAI_API_KEY; null when both are missing or blank. Throws `judge_key_invalid` for a key that no
 * HTTP header can carry: every call with it would fail, with an error message that shows the key.
 */
export function readKey(apiKey: string | null | undefined, env: Environment): string | null {
  noteEnvironment(env);
  const [given, source] = apiKey?.trim() ? [apiKey, 'the option apiKey'] : [env[KEY_VARIABLE] ?? '', KEY_VARIABLE];
  noteSecret(given);
  const key = given.trim();
  if (key === '') return null;
  const wrong = wrongCharacter(key);
  if (wrong === null) return key;
  throw new SparkError(
    'judge_key_invalid',
    `${source}: expected a key of visible ASCII characters, which is all that an HTTP header carries, got one with ${wrong} ` +
      'inside (the key is not shown); copy it again, as one line',
  );
}

function wrongCharacter(key: string): string | null {
  if (/[\r\n]/.test(key)) return 'a line break';
  if (/\s/.test(key)) return 'a space or tab';
  if (/\p{Cc}/u.test(key)) return 'a control character';
  return /[^\x21-\x7e]/.test(key) ? 'a character that is not ASCII' : null;
}
