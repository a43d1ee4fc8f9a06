/** Where set-up finds SymPy's wheels: pip's variables and files, folders, an index on loopback; never a file of another hash. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readWheels, wheelPins } from '../../src/tools/wheels.js';

interface Script {
  missingWheels(root: string): readonly { file: string }[];
  fetchWheels(root: string, options: { env: NodeJS.ProcessEnv }): Promise<void>;
  pipSources(env: NodeJS.ProcessEnv): { links: string[]; indexes: string[] };
}
const { missingWheels, fetchWheels, pipSources } = (await import(
  pathToFileURL(path.resolve('scripts/wheels.mjs')).href
)) as Script;

const BYTES = Buffer.from('a wheel');
const FILE = 'sympy-1.0-py3-none-any.whl';
const PIN = { name: 'sympy', file: FILE, sha256: createHash('sha256').update(BYTES).digest('hex') };
let root: string;
let server: Server | undefined;
const at = (...parts: string[]) => path.join(root, ...parts);
/** No file of this machine's is read. */
const alone = (env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...{ HOME: root, XDG_CONFIG_DIRS: at('etc'), XDG_CONFIG_HOME: at('config'), PIP_CONFIG_FILE: at('pip.conf') },
  ...env,
});

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'spark-wheels-'));
  for (const folder of ['wheels', 'links']) mkdirSync(at(folder));
  writeFileSync(at('wheels/wheels.json'), JSON.stringify([PIN]));
  writeFileSync(at('pip.conf'), '');
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)));
  server = undefined;
  rmSync(root, { recursive: true, force: true });
});

/** An index of one package behind a password. */
async function index(bytes: Buffer): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  server = createServer((request, response) => {
    asked.push(request.url!);
    const wanted = `Basic ${Buffer.from('me:a word').toString('base64')}`;
    if (request.headers.authorization !== wanted) response.writeHead(401).end();
    else if (request.url === '/simple/sympy/') {
      response.end(
        `<a href="http://[">no</a> <a href="%ZZ">no</a> <a href="../../files/other.whl">other</a> <a data-x href="../../files/${FILE}#sha256=00">it</a>`,
      );
    } else if (request.url === `/files/${FILE}`) response.end(bytes);
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server!.once('listening', resolve));
  return { url: `http://me:a%20word@127.0.0.1:${(server.address() as AddressInfo).port}/simple`, asked };
}

it('takes a file of find-links, and then asks nobody', async () => {
  writeFileSync(at('links', FILE), BYTES);
  expect(missingWheels(root)).toEqual([PIN]);
  await fetchWheels(root, { env: alone({ PIP_FIND_LINKS: at('links'), PIP_INDEX_URL: 'http://127.0.0.1:1/' }) });
  expect(readFileSync(at('wheels', FILE))).toEqual(BYTES);
  expect(missingWheels(root)).toEqual([]);
  await expect(fetchWheels(root, { env: alone({ PIP_NO_INDEX: '1' }) })).resolves.toBeUndefined();
});

it('asks the index that a file of pip names, with its password', async () => {
  const { url, asked } = await index(BYTES);
  writeFileSync(at('pip.conf'), `[global]\nindex-url = ${url}\n`);
  await fetchWheels(root, { env: alone({ NO_PROXY: '*' }) });
  expect(asked).toEqual(['/simple/sympy/', `/files/${FILE}`]);
  expect(readFileSync(at('wheels', FILE))).toEqual(BYTES);
});

it('refuses a file of another hash, names where it looked without the password, and leaves nothing', async () => {
  const { url } = await index(Buffer.from('another'));
  writeFileSync(at('links', FILE), 'damaged');
  const work = fetchWheels(root, { env: alone({ PIP_INDEX_URL: url, PIP_FIND_LINKS: at('links'), NO_PROXY: '*' }) });
  const error = (await work.catch((caught: unknown) => caught)) as Error & { code: string };
  expect(error.code).toBe('setup_wheels');
  expect(error.message).toMatch(/PIP_FIND_LINKS/);
  expect(error.message).not.toMatch(/a%20word|a word/);
  expect(readdirSync(at('wheels'))).toEqual(['wheels.json']);
});

it('variables go before files, later files before earlier ones, and without any there is the public index', () => {
  expect(pipSources(alone()).indexes).toEqual(['https://pypi.org/simple']);
  mkdirSync(at('config/pip'), { recursive: true });
  writeFileSync(at('config/pip/pip.conf'), '[global]\nindex-url = http://a/\nfind-links =\n  /one\n  /two\n');
  expect(pipSources(alone())).toMatchObject({ indexes: ['http://a/'], links: ['/one', '/two'] });
  writeFileSync(at('pip.conf'), '[download]\nindex_url = http://b/\nextra-index-url = /folder\n');
  expect(pipSources(alone()).indexes).toEqual(['/folder', 'http://b/']);
  expect(pipSources(alone({ PIP_INDEX_URL: 'http://c/' })).indexes).toContain('http://c/');
  expect(pipSources(alone({ PIP_NO_INDEX: 'true' })).indexes).toEqual([]);
});

it('a missing or damaged wheel is an error with the command that mends it', async () => {
  const missing = { code: 'tool_unavailable', message: expect.stringMatching(/npx spark-rl setup/) };
  await expect(readWheels(at('wheels'))).rejects.toMatchObject(missing);
  writeFileSync(at('wheels', FILE), 'damaged');
  await expect(readWheels(at('wheels'))).rejects.toMatchObject({ ...missing, message: /damaged/ });
  writeFileSync(at('wheels', FILE), BYTES);
  expect(await readWheels(at('wheels'))).toEqual([{ file: FILE, bytes: BYTES }]);
  expect((await wheelPins()).map(({ name }) => name)).toEqual(['mpmath', 'sympy']);
  expect(existsSync(at('wheels', FILE))).toBe(true);
});

it('another server is sent no password, and what has no end is given up', async () => {
  const seen: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === `/${FILE}`) response.end(BYTES);
    else response.on('drain', () => response.write(Buffer.alloc(2 ** 20))).write(Buffer.alloc(2 ** 20));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  server = createServer((request, response) => {
    if (request.url === '/simple/sympy/') response.end(`<a href="http://127.0.0.1:${port}/${FILE}">it</a>`);
    else response.writeHead(302, { location: `http://127.0.0.1:${port}/endless` }).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server!.once('listening', resolve));
  const at = (folder: string) => `http://me:word@127.0.0.1:${(server!.address() as AddressInfo).port}/${folder}`;
  const from = (folder: string) => fetchWheels(root, { env: alone({ NO_PROXY: '*', PIP_INDEX_URL: at(folder) }) });
  await expect(from('endless')).rejects.toThrow(/larger than/);
  await from('simple');
  expect(seen).toEqual([undefined, undefined]);
  other.close();
});
