import { describe, expect, it } from 'vitest';
import { SparkError, toSparkError } from '../../../src/errors.js';
import { createLog } from '../../../src/log.js';
import { noteEnvironment, noteSecret, redact, redactedJson, redactKnown } from '../../../src/secrets/redact.js';
import { namesSecret, secretsInArguments, secretsInEnvironment } from '../../../src/secrets/sources.js';
import { everythingOf, findMarks, KEY } from './marks.js';

noteSecret(KEY);

const unicode = [...KEY].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
const SPELT: Record<string, string> = {
  plain: KEY,
  'upper case': KEY.toUpperCase(),
  JSON: JSON.stringify(KEY),
  'JSON in JSON': JSON.stringify(JSON.stringify({ key: KEY })),
  'JSON in a URL': encodeURIComponent(JSON.stringify([KEY])),
  'unicode escapes': unicode,
  URL: encodeURIComponent(KEY),
  'URL, twice': encodeURIComponent(encodeURIComponent(KEY)),
  HTML: KEY.replaceAll('"', '&quot;'),
  'HTML by number': [...KEY].map((c) => `&#${c.charCodeAt(0)};`).join(''),
  base64: Buffer.from(KEY).toString('base64'),
  base64url: Buffer.from(KEY).toString('base64url'),
  'Basic, other offsets': ['a:', 'ab:', 'abc:'].map((user) => Buffer.from(user + KEY).toString('base64')).join(' '),
  hex: Buffer.from(KEY).toString('hex'),
  'cut in front': KEY.slice(9),
  'cut behind': KEY.slice(0, 10),
};

describe('a known secret', () => {
  it.each(Object.entries(SPELT))('%s is found', (_name, spelt) => {
    expect(findMarks(spelt)).toEqual([KEY]);
    for (const text of [spelt, `before ${spelt} after`, `"${spelt}"`, `x=${spelt}&y`]) {
      const shown = redact(text);
      expect(findMarks(shown)).toEqual([]);
      expect(shown).toContain('***');
      expect(redact(shown)).toBe(shown);
    }
    expect(redact(`before ${spelt} after`)).toMatch(/^before .* after$/);
  });

  it.each([
    ['Incorrect API key provided: Zq7"%*************Vd2=. See the manual', /^Incorrect.*\*\*\*. See the manual$/],
    ['the key Zq7"%\\/k… is', /^the key \*\*\* is$/],
    ['a key ending in Vd2= is', /^a key \*\*\* is$/],
    ['it says: Zq7"%', /^it says: \*\*\*$/],
  ])('%s', (text, expected) => {
    expect(redact(text)).toMatch(expected);
  });

  it('cut to less than a piece by the end of the text', () => {
    noteSecret('tail-5Yp2Qx8Lm1');
    expect(redact('the key is tail-5Y')).toBe('the key is ***');
    expect(redact('{"error": "the key is tail-5Y"}')).toBe('{"error": "the key is ***"}');
  });

  it('in data only where it stands whole, and JSON stays JSON', () => {
    expect(redactKnown(`a ${SPELT.base64} ${SPELT.JSON} b`)).toMatch(/^a \*\*\*.{0,2} "\*\*\*" b$/);
    expect(redactKnown(KEY.slice(0, 12))).toBe(KEY.slice(0, 12));
    noteSecret('9876543210987654');
    const json = redactedJson({ tokens: ['9876543210987654', 3], [KEY]: KEY, at: 9.876543210987654 });
    expect(JSON.parse(json)).toEqual({ tokens: ['***', 3], '***': '***', at: 9.876543210987654 });
  });

  it('an ordinary word is none, or it would be found everywhere', () => {
    for (const word of ['test', 'none', 'EMPTY', 'password', 'research', '12345678']) noteSecret(word);
    const text = 'test none EMPTY research 12345678 in /home/research/test.parquet';
    expect(redact(text)).toBe(text);
    expect(redact('Authorization: Bearer test')).toBe('Authorization: ***');
  });
});

describe('an unknown secret', () => {
  it.each([
    ['Authorization: Bearer aB3dE', 'Authorization: ***'],
    ['{"authorization":"Basic dTpw"}', '{"authorization":"***"}'],
    ['{\\"x-api-key\\":\\"abc\\"}', '{\\"x-api-key\\":\\"***\\"}'],
    ['sent Bearer abc.def, and', 'sent Bearer ***, and'],
    ['Proxy-Authorization: Digest username="x"', 'Proxy-Authorization: ***"x"'],
    ['https://user:p@ss@host/v1', 'https://***@host/v1'],
    ['no file at /cwd/https:/user:pass@host/x', 'no file at /cwd/https:/***@host/x'],
    ['GET /v1?api-version=1&api-key=abc&x=1', 'GET /v1?api-version=1&api-key=***&x=1'],
    ['/file?sig=abc%2F', '/file?sig=***'],
    ['key sk-proj-a1b2c3d4e5f6g7h8i9 is', 'key *** is'],
    ['Incorrect API key provided: sk-abc12*****wxyz.', 'Incorrect API key provided: ***'],
    ['hf_abcdefghijklmnopqrst', '***'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc', '***'],
    ['password=hunter2; done', 'password=***; done'],
  ])('%s', (text, shown) => {
    expect(redact(text)).toBe(shown);
  });

  it.each([
    '--set expects key=value, got no key in front of a "="',
    'the judge at https://api.openai.com needs a key: expected one in the environment variable OPENAI_API_KEY, got none',
    "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens'",
    'use Basic authentication with scikit-learn and sk-learn at http://127.0.0.1:8080/v1?api-version=2024-10-21',
    'tokens: expected 3, got 5; sequences of 2**10 tokens, a***b',
    'user@example.org: no file at /home/user/models/Llama-3.1-8B-Instruct-Q4_K_M.gguf',
    'sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  ])('leaves "%s"', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('is looked for in no time in hostile text', () => {
    const start = Date.now();
    for (const unit of ['a', 'sk-', 'x-', 'a.', '%41', '\\\\', 'eyJ-', 'Basic ', '*', '?a', 'authorization:', 'a://']) {
      redact(unit.repeat(1e5 / unit.length));
      redactKnown(unit.repeat(1e5 / unit.length));
    }
    expect(Date.now() - start).toBeLessThan(5000);
  });
});

describe('where words leave', () => {
  it('an error shows none: message, stack, causes, and what hangs on them', () => {
    const request = { headers: { authorization: `Bearer ${KEY}` }, body: Buffer.from('x') };
    const deep = Object.assign(new TypeError(`bad header ${JSON.stringify(KEY)}`), { request, code: 'ERR_X' });
    const cause = new AggregateError([deep], 'several', { cause: deep });
    for (const error of [new SparkError('internal', `failed with ${KEY}`, { cause }), toSparkError(deep)]) {
      expect(findMarks(everythingOf(error))).toEqual([]);
      expect(error.code).toBe('internal');
    }
    expect(new SparkError('internal', 'x', { cause: deep }).cause).toMatchObject({ name: 'TypeError', code: 'ERR_X' });
    expect(findMarks(everythingOf(new SparkError('internal', 'x', { cause: { KEY } })))).toEqual([]);
    const harmless = new Error('nothing here');
    expect(new SparkError('internal', 'x', { cause: harmless }).cause).toBe(harmless);
  });

  it('a log line shows none, nor the piece that a narrow terminal leaves', () => {
    let written = '';
    const write = (text: string) => {
      written += text;
      return true;
    };
    const stream = { isTTY: true, columns: 30, write };
    const log = createLog(stream as unknown as NodeJS.WriteStream);
    log.info(`info ${KEY}`);
    log.warn(`warn ${KEY}`);
    log.progress(`twenty characters ...${KEY}`);
    expect(findMarks(written)).toEqual([]);
    expect(written).not.toContain('Zq7');
    expect(written).toMatch(/info \*\*\*\nwarning: warn \*\*\*\n/);
  });
});

describe('where secrets come from', () => {
  it('names', () => {
    for (const name of ['OPENAI_API_KEY', 'apiKey', 'HF_TOKEN', 'subscription-key', 'AWS_SECRET_ACCESS_KEY', 'KEY2']) {
      expect(namesSecret(name), name).toBe(true);
    }
    for (const name of [
      'maxTokens',
      'SSH_AUTH_SOCK',
      'AWS_ACCESS_KEY_ID',
      'PWD',
      'GIT_ASKPASS',
      'monkey',
      'KEYBOARD',
    ]) {
      expect(namesSecret(name), name).toBe(false);
    }
  });

  it('environment: keys, URLs, proxies with and without a scheme, headers of the client', () => {
    const env = {
      SOME_API_KEY: 'a',
      HTTPS_PROXY: 'http://user:p%40b@proxy:3128',
      no_scheme_proxy: 'user:cc@proxy:3128',
      MLFLOW_TRACKING_URI: 'https://only-a-token@tracking.example',
      OPENAI_CUSTOM_HEADERS: 'Accept: text/plain\nX-Api-Key: dd',
      LINK: 'https://store.example/x?Signature=ee&x=1',
      BROKEN: 'http://user:f/f@host',
      HOME: '/root',
    };
    const found = secretsInEnvironment(env).map((secret) => secret.trim());
    for (const secret of ['a', 'p%40b', 'p@b', 'cc', 'only-a-token', 'dd', 'ee', 'f/f'])
      expect(found).toContain(secret);
    for (const harmless of ['text/plain', '/root', 'user']) expect(found).not.toContain(harmless);
    noteEnvironment({ A_TOKEN: 'env-7Hs92kQ' });
    expect(redact('got env-7Hs92kQ')).toBe('got ***');
  });

  it('arguments', () => {
    const args = ['--api-key', 'aa', '--set', 'judge.token=bb', '--judge-url', 'http://u:cc@h', '--tau', '7'];
    expect(secretsInArguments(args)).toEqual(expect.arrayContaining(['aa', 'bb', 'cc']));
    expect(secretsInArguments(args)).not.toContain('7');
  });
});
