/**
 * `fetch` through the proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, which Node's own `fetch` passes over. Loopback
 * addresses are always asked directly.
 */
import type { Dispatcher } from 'undici';
import type { Environment } from '../secrets/sources.js';

/** One for each setting, so that its connections are kept. */
const agents = new Map<string, Promise<Dispatcher>>();

/** As `fetch`. */
export async function fetchThroughProxy(
  url: string | URL | Request,
  init: RequestInit | undefined,
  env: Environment,
): Promise<Response> {
  const address = url instanceof Request ? url.url : url;
  const proxy = proxyOf(env);
  if (proxy === null || !mayUseProxy(address, env)) return fetch(url, init);
  const { fetch: fetchWith } = await import('undici');
  const options = { ...(await withPlainForm(init)), dispatcher: await agentFor(proxy) };
  // The same interface, declared twice.
  return (await fetchWith(url as string, options as Parameters<typeof fetchWith>[1])) as unknown as Response;
}

let direct: Promise<Dispatcher> | null = null;

/** The connections to an address, by the same rules: for who puts something of one's own before them, such as retries. */
export function connectionsTo(url: string | URL, env: Environment): Promise<Dispatcher> {
  const proxy = proxyOf(env);
  if (proxy !== null && mayUseProxy(url, env)) return agentFor(proxy);
  direct ??= import('undici').then(({ Agent }) => new Agent());
  return direct;
}

/** A form of Node's own is text to the package's `fetch`, so it goes as the bytes that it is sent as. */
async function withPlainForm(init: RequestInit | undefined): Promise<RequestInit | undefined> {
  if (!(init?.body instanceof FormData)) return init;
  const form = new Response(init.body);
  const headers = new Headers(init.headers);
  headers.set('content-type', form.headers.get('content-type')!);
  return { ...init, headers, body: await form.arrayBuffer() };
}

/** Whether requests to the address go through a proxy, unless NO_PROXY names it. */
export function mayUseProxy(url: string | URL, env: Environment): boolean {
  return proxyOf(env) !== null && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}

interface ProxySettings {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

/** Null when none is set. In lower case a variable comes first, as in curl. */
function proxyOf(env: Environment): ProxySettings | null {
  const read = (name: string) => env[name.toLowerCase()] ?? env[name] ?? '';
  const [httpProxy, httpsProxy, noProxy] = [read('HTTP_PROXY'), read('HTTPS_PROXY'), read('NO_PROXY')];
  return httpProxy === '' && httpsProxy === '' ? null : { httpProxy, httpsProxy, noProxy };
}

function agentFor(settings: ProxySettings): Promise<Dispatcher> {
  const key = JSON.stringify(settings);
  const agent = agents.get(key) ?? import('undici').then(({ EnvHttpProxyAgent }) => new EnvHttpProxyAgent(settings));
  agents.set(key, agent);
  return agent;
}
