import { request } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { remembered, servePage } from '../../../src/report/serve.js';

async function serve(render: () => Promise<string>, port = 0) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const served = await servePage(render, { port, everySeconds: 7, signal: stop.signal });
  return { ...served, stop };
}

/** Status of a request that names the server by `host`, which `fetch` does not allow. */
function statusAs(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

it('renders the page for who asks, and has the browser ask again', async () => {
  const { url } = await serve(async () => '<p>one</p>');
  const response = await fetch(url);
  expect(await response.text()).toBe('<p>one</p>');
  const { headers } = response;
  expect([headers.get('refresh'), headers.get('content-type')]).toEqual(['7', 'text/html; charset=utf-8']);
});

it('renders once for all who ask meanwhile', async () => {
  let rendered = 0;
  const page = remembered(async () => `page ${++rendered}`);
  const [first, second] = [page(), page()];
  expect(await Promise.all([first, second])).toEqual(['page 1', 'page 1']);
});

it('says why a page cannot be made, and goes on', async () => {
  const { url } = await serve(() => Promise.reject(new Error('not yet')));
  for (let i = 0; i < 2; i++) {
    const response = await fetch(url);
    expect([response.status, response.headers.get('refresh')]).toEqual([503, '7']);
    expect(await response.text()).toContain('not yet');
  }
});

it('ends while a page is being made', async () => {
  let begun: () => void = () => undefined;
  const rendering = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { url, closed, stop } = await serve(() => {
    begun();
    return new Promise(() => undefined);
  });
  const answer = fetch(url).catch(() => 'cut off');
  await rendering;
  stop.abort();
  await closed;
  expect(await answer).toBe('cut off');
});

it('answers this machine alone, one page, and ends with its signal', async () => {
  const { url, closed, stop } = await serve(async () => 'page');
  expect(new URL(url).hostname).toBe('127.0.0.1');
  expect(await statusAs(url, 'evil.example')).toBe(403);
  expect(await statusAs(url, 'localhost:1')).toBe(200);
  expect((await fetch(`${url}other`)).status).toBe(404);
  expect((await fetch(url, { method: 'POST' })).status).toBe(405);
  const { port } = new URL(url);
  await expect(serve(async () => '', Number(port))).rejects.toMatchObject({ code: 'invalid_argument' });
  stop.abort();
  await closed;
  await expect(fetch(url)).rejects.toThrow();
});
