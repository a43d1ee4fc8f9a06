/** Fetching a model over a loopback server with ranges: stopped in the middle and gone on with; a wrong sum is refused. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { downloadModel } from '../../../src/inference/llamaDownload.js';
import { seededRandom } from '../../../src/random.js';
import { temporaryFolder } from '../cli/runCli.js';

/** The downloader keeps whole chunks of 5 MiB. */
const CHUNK = 5 << 20;
const random = seededRandom(3);
const data = Buffer.from(Uint32Array.from({ length: CHUNK }, () => random() * 2 ** 32).buffer);
const sum = createHash('sha256').update(data).digest('hex');
/** Bytes from which on nothing is sent; the connection stays open. */
let holdAt = data.length;
let asked: string[] = [];
/** Told of a request before it is answered. */
let onRequest: () => Promise<void> = async () => undefined;
let server: Server;
let uri: string;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from ?? 0);
    const end = Math.min(to === undefined || to === '' ? data.length - 1 : Number(to), data.length - 1);
    const range = from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${data.length}` };
    if (request.url !== '/m.gguf') return response.writeHead(404).end();
    asked.push(request.headers.range ?? 'all');
    await onRequest();
    response.writeHead(from === undefined ? 200 : 206, {
      ...{ 'content-length': end - start + 1, 'accept-ranges': 'bytes', ...range },
    });
    if (request.method === 'HEAD') return response.end();
    if (end < holdAt) return response.end(data.subarray(start, end + 1));
    return response.write(data.subarray(start, Math.max(start, holdAt)));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

it('goes on where it was stopped', async () => {
  const folder = temporaryFolder();
  const stop = new AbortController();
  holdAt = 2 * CHUNK + 1000;
  // What has come is noted behind the file's own length, once a whole chunk is written.
  const noted = () => (statSync(path.join(folder, 'm.gguf.ipull'), { throwIfNoEntry: false })?.size ?? 0) > data.length;
  const poll = setInterval(() => noted() && stop.abort(), 20);
  onTestFinished(() => clearInterval(poll));
  const request = { uri, folder, sha256: sum };
  await expect(downloadModel({ ...request, signal: stop.signal })).rejects.toMatchObject({
    code: 'interrupted',
  });
  expect(readdirSync(folder)).toEqual(['m.gguf.ipull']);
  holdAt = data.length;
  asked = [];
  const { signal } = new AbortController();
  const done = await downloadModel({ ...request, signal });
  expect(done).toEqual({ file: path.join(folder, 'm.gguf'), bytes: data.length, sha256: sum, fetched: true });
  expect(readFileSync(done.file).equals(data)).toBe(true);
  // What had come is not asked for again; the first request asks for the size.
  const ranges = asked.slice(1).map((range) => /bytes=(\d+)-(\d+)/.exec(range)!.slice(1).map(Number));
  const again = ranges.reduce((total, [from, to]) => total + to! + 1 - from!, 0);
  expect(again).toBeGreaterThan(0);
  expect(again).toBeLessThanOrEqual(data.length - CHUNK);
  expect(await downloadModel({ ...request, signal })).toMatchObject({ fetched: false, sha256: sum });
});

it('ends when it is stopped while a server says nothing', async () => {
  const stop = new AbortController();
  // Stopped between the request for the bytes and its answer, behind which no byte comes.
  holdAt = 0;
  asked = [];
  onRequest = async () => {
    if (asked.length === 1) return;
    stop.abort();
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  onTestFinished(() => {
    holdAt = data.length;
    onRequest = async () => undefined;
  });
  const held = downloadModel({ uri, folder: temporaryFolder(), sha256: null, signal: stop.signal });
  await expect(held).rejects.toMatchObject({ code: 'interrupted' });
});

it('removes a file with another sum, and says what cannot be fetched', async () => {
  const folder = temporaryFolder();
  const { signal } = new AbortController();
  const wrong = downloadModel({ uri, folder, sha256: '0'.repeat(64), signal });
  await expect(wrong).rejects.toThrow(new RegExp(`expected sha256 0{64}, got ${sum}; the file was removed`));
  expect(existsSync(path.join(folder, 'm.gguf'))).toBe(false);
  const missing = downloadModel({ uri: uri.replace('m.gguf', 'none.gguf'), folder, sha256: null, signal });
  await expect(missing).rejects.toMatchObject({ code: 'io_error' });
  const stopped = downloadModel({ uri, folder, sha256: null, signal: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
});
