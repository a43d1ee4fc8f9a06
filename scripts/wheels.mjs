/**
 * Puts the wheels of wheels/wheels.json (SymPy and mpmath, pure Python) into the folder wheels/, for the tools python and
 * algebra. They come from where pip would look for them, by its variables and its configuration files: folders of
 * `find-links`, indexes, or the public index when none is named. No Python is needed. A file counts only with the pinned hash.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SetupError } from './system.mjs';

/** Where pip looks when nothing is configured. */
const PUBLIC_INDEX = 'https://pypi.org/simple';
const MAX_BYTES = 64 * 2 ** 20;
/** A server may be silent for so long. All of a file may take longer, as connections may be slow. */
const SILENCE_MS = 30_000;
const TIMEOUT_MS = 600_000;

/** @typedef {{ name: string, file: string, sha256: string }} Pin */
/** @typedef {{ certificate: string | undefined, proxy: string | undefined }} Way */
/** @typedef {Way & { links: string[], indexes: string[] }} Sources */

/**
 * @param {string} root the package's folder
 * @returns {Pin[]}
 */
export function pinsOf(root) {
  return JSON.parse(fs.readFileSync(path.join(root, 'wheels/wheels.json'), 'utf8'));
}

/**
 * @param {string} root
 * @returns {Pin[]} the wheels that are missing or damaged
 */
export function missingWheels(root) {
  return pinsOf(root).filter(({ file, sha256 }) => {
    const bytes = readLocal(path.join(root, 'wheels', file));
    return bytes === null || hashOf(bytes) !== sha256;
  });
}

/**
 * Fetches what is missing; the first source that has a file with the pinned hash is taken.
 *
 * @param {string} root
 * @param {{ env?: NodeJS.ProcessEnv, signal?: AbortSignal }} [options]
 * @throws {SetupError} `setup_wheels`, with the sources that were tried, where one cannot be had
 */
export async function fetchWheels(root, { env = process.env, signal } = {}) {
  const sources = pipSources(env);
  for (const pin of missingWheels(root)) {
    const bytes = await find(pin, sources, signal);
    const at = path.join(root, 'wheels', pin.file);
    // Named only when whole, so that a set-up that was ended leaves no half of a file.
    const draft = `${at}.${process.pid}.tmp`;
    try {
      fs.writeFileSync(draft, bytes);
      fs.renameSync(draft, at);
    } catch (error) {
      fs.rmSync(draft, { force: true });
      throw new SetupError('setup_wheels', `expected to write ${at}, got ${/** @type {Error} */ (error).message}`);
    }
  }
}

/** @param {Pin} pin @param {Sources} sources @param {AbortSignal | undefined} signal */
async function find(pin, { links, indexes, ...way }, signal) {
  /** @type {string[]} */
  const tried = [];
  for (const place of [...links, ...indexes.map((index) => `${index.replace(/\/+$/, '')}/${pin.name}/`)]) {
    signal?.throwIfAborted();
    try {
      const bytes = await fromPlace(place, pin, way, signal);
      const hash = bytes === null ? null : hashOf(bytes);
      if (bytes !== null && hash === pin.sha256) return bytes;
      tried.push(`${shown(place)}: ${hash === null ? 'no such file' : `sha256 ${hash}`}`);
    } catch (error) {
      signal?.throwIfAborted();
      tried.push(`${shown(place)}: ${reason(error)}`);
    }
  }
  throw new SetupError(
    'setup_wheels',
    `expected ${pin.file} with sha256 ${pin.sha256}, found it nowhere (${tried.join('; ')}). ` +
      'Name an index (PIP_INDEX_URL) or a folder that holds the file (PIP_FIND_LINKS), and run this again.',
  );
}

/** The file in a folder, at an address itself, or behind a link of a page; null when the place has none of that name. */
async function fromPlace(
  /** @type {string} */ place,
  /** @type {Pin} */ pin,
  /** @type {Way} */ way,
  /** @type {AbortSignal | undefined} */ signal,
) {
  const url = /^[a-z][a-z\d+.-]+:\/\//i.test(place) ? new URL(place) : pathToFileURL(path.resolve(place));
  if (url.protocol === 'file:') {
    const at = fileURLToPath(url);
    if (path.basename(at) === pin.file) return readLocal(at);
    const isFolder = fs.statSync(at, { throwIfNoEntry: false })?.isDirectory();
    const direct = isFolder ? readLocal(path.join(at, pin.file)) : null;
    if (direct !== null) return direct;
    const page = isFolder ? path.join(at, 'index.html') : at;
    const link = linkTo(pin.file, `${readLocal(page) ?? ''}`, pathToFileURL(page).href);
    return link?.protocol === 'file:' ? readLocal(fileURLToPath(link)) : null;
  }
  if (path.posix.basename(url.pathname) === pin.file) return (await download(url, way, signal)).bytes;
  const page = await download(url, way, signal);
  const link = linkTo(pin.file, page.bytes.toString('utf8'), page.url);
  if (link === null) return null;
  // A password of the index is for the files of the same server, and never for an unencrypted way to it.
  if (link.origin === url.origin && link.username === '') {
    [link.username, link.password] = [url.username, url.password];
  }
  return (await download(link, way, signal)).bytes;
}

/** The bytes of a file; null where there is none, or what cannot be a wheel: a folder, a pipe, something huge. */
function readLocal(/** @type {string} */ at) {
  const found = fs.statSync(at, { throwIfNoEntry: false });
  return found?.isFile() && found.size <= MAX_BYTES ? fs.readFileSync(at) : null;
}

/** The link of a "simple" index page (PEP 503) to a file, with its hash taken off. Links that are none are passed over. */
function linkTo(/** @type {string} */ file, /** @type {string} */ page, /** @type {string} */ base) {
  for (const [, href = ''] of page.matchAll(/<a\s[^<>]*href\s*=\s*["']([^"'<>]+)["']/gi)) {
    try {
      const link = new URL(href.replaceAll('&amp;', '&'), base);
      link.hash = '';
      if (decodeURIComponent(path.posix.basename(link.pathname)) === file) return link;
    } catch {}
  }
  return null;
}

/** Through the proxy that pip or the environment names, and with the certificates that pip is told to trust. */
async function download(
  /** @type {URL} */ url,
  /** @type {Way} */ { certificate, proxy },
  /** @type {AbortSignal | undefined} */ signal,
) {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const { rootCertificates } = await import('node:tls');
  const ca = certificate === undefined ? undefined : [...rootCertificates, fs.readFileSync(certificate, 'utf8')];
  const dispatcher = new EnvHttpProxyAgent({
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
    // Of http, too, many proxies open no tunnel.
    proxyTunnel: false,
    ...(proxy === undefined ? {} : { httpProxy: proxy, httpsProxy: proxy }),
    ...(ca === undefined ? {} : { connect: { ca }, requestTls: { ca } }),
  });
  const plain = new URL(url);
  [plain.username, plain.password] = ['', ''];
  /** @type {Record<string, string>} */
  const headers = { accept: 'text/html, application/octet-stream, */*' };
  if (url.username !== '') {
    const pair = `${decoded(url.username)}:${decoded(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  try {
    const limit = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]);
    // Where this is sent on to another server, fetch takes the password off.
    const response = await fetch(plain, { dispatcher, headers, signal: limit });
    if (!response.ok) throw new Error(`status ${response.status}`);
    /** @type {Uint8Array[]} */
    const parts = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`);
      parts.push(part);
    }
    return { bytes: Buffer.concat(parts), url: response.url };
  } finally {
    await dispatcher.destroy();
  }
}

/** A part of an address as it was meant; a `%` may stand for itself. */
function decoded(/** @type {string} */ part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Where pip would look: its variables go before its files, and of the files the later before the earlier.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Sources}
 */
export function pipSources(env) {
  /** @type {Record<string, string>} */
  const set = {};
  for (const file of configFiles(env)) Object.assign(set, settingsOf(file));
  const value = (/** @type {string} */ key) => env[`PIP_${key.toUpperCase().replaceAll('-', '_')}`] ?? set[key];
  const list = (/** @type {string} */ key) => (value(key) ?? '').split(/\s+/).filter(Boolean);
  const noIndex = /^(?:1|true|yes|on)$/i.test(value('no-index') ?? '');
  const indexes = noIndex ? [] : [value('index-url')?.trim() || PUBLIC_INDEX, ...list('extra-index-url')];
  const certificates = [value('cert'), env.REQUESTS_CA_BUNDLE, env.SSL_CERT_FILE, env.NODE_EXTRA_CA_CERTS];
  const certificate = certificates.find((file) => file && fs.existsSync(file));
  // Folders of this machine first: they take no time.
  const local = (/** @type {string} */ place) => (/^https?:/i.test(place) ? 1 : 0);
  const proxy = value('proxy')?.trim() || undefined;
  return {
    links: list('find-links'),
    indexes: indexes.sort((a, b) => local(a) - local(b)),
    certificate,
    proxy: proxy?.replace(/^(?!\w+:\/\/)/, 'http://'),
  };
}

function configFiles(/** @type {NodeJS.ProcessEnv} */ env) {
  if (env.PIP_CONFIG_FILE === os.devNull) return [];
  const home = env.HOME ?? os.homedir();
  const mac = process.platform === 'darwin';
  const global = (env.XDG_CONFIG_DIRS || '/etc/xdg').split(':').map((folder) => path.join(folder, 'pip', 'pip.conf'));
  const user = mac ? path.join(home, 'Library/Application Support/pip/pip.conf') : null;
  return [
    ...(mac ? ['/Library/Application Support/pip/pip.conf'] : [...global.reverse(), '/etc/pip.conf']),
    path.join(home, '.pip', 'pip.conf'),
    ...(user !== null && fs.existsSync(path.dirname(user))
      ? [user]
      : [path.join(env.XDG_CONFIG_HOME || path.join(home, '.config'), 'pip', 'pip.conf')]),
    ...(env.VIRTUAL_ENV ? [path.join(env.VIRTUAL_ENV, 'pip.conf')] : []),
    ...(env.PIP_CONFIG_FILE ? [env.PIP_CONFIG_FILE] : []),
  ];
}

/** The settings of one of pip's files (INI; a value may go on in indented lines), of the sections that a download reads. */
function settingsOf(/** @type {string} */ file) {
  /** @type {Record<string, Record<string, string>>} */
  const sections = {};
  let [section, key] = ['', ''];
  let text = '';
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const head = /^\[([^\]]+)\]/.exec(line);
    const pair = /^([\w-]+)\s*[=:]\s*(.*)$/.exec(line);
    if (head) section = head[1]?.trim().toLowerCase() ?? '';
    else if (pair) {
      key = (pair[1] ?? '').toLowerCase().replaceAll('_', '-');
      sections[section] = { ...sections[section], [key]: pair[2] ?? '' };
    } else if (/^\s/.test(line) && key !== '' && sections[section]) {
      sections[section] = { ...sections[section], [key]: `${sections[section]?.[key] ?? ''} ${line.trim()}`.trim() };
    }
  }
  return { ...sections.global, ...sections.install, ...sections.download };
}

/** A text as it may be shown: without the name and password of an address, of which one that is wrong may hold any character. */
function shown(/** @type {string} */ text) {
  return text.replace(/:\/\/\S*@/g, '://');
}

function reason(/** @type {unknown} */ error) {
  const { message, cause } = /** @type {Error & { cause?: Error & { code?: unknown } }} */ (error);
  const within = /** @type {Error | undefined} */ (cause?.cause);
  return shown(typeof cause?.code === 'string' ? cause.code : (within?.message ?? cause?.message ?? message));
}

const hashOf = (/** @type {Buffer} */ bytes) => createHash('sha256').update(bytes).digest('hex');
