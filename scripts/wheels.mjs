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
const TIMEOUT_MS = 60_000;

/** @typedef {{ name: string, file: string, sha256: string }} Pin */
/** @typedef {{ links: string[], indexes: string[], certificate: string | undefined }} Sources */

/**
 * @param {string} root the package's folder
 * @returns {Pin[]} the wheels that are missing or damaged
 */
export function missingWheels(root) {
  const folder = path.join(root, 'wheels');
  /** @type {Pin[]} */
  const pins = JSON.parse(fs.readFileSync(path.join(folder, 'wheels.json'), 'utf8'));
  return pins.filter(({ file, sha256 }) => {
    const at = path.join(folder, file);
    return !fs.existsSync(at) || hashOf(fs.readFileSync(at)) !== sha256;
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
async function find(pin, { links, indexes, certificate }, signal) {
  /** @type {string[]} */
  const tried = [];
  for (const place of [...links, ...indexes.map((index) => `${index.replace(/\/+$/, '')}/${pin.name}/`)]) {
    signal?.throwIfAborted();
    try {
      const bytes = await fromPlace(place, pin, certificate, signal);
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
  /** @type {string | undefined} */ certificate,
  /** @type {AbortSignal | undefined} */ signal,
) {
  const url = /^[a-z][a-z\d+.-]+:\/\//i.test(place) ? new URL(place) : pathToFileURL(path.resolve(place));
  if (url.protocol === 'file:') {
    const at = fileURLToPath(url);
    const found = fs.statSync(at, { throwIfNoEntry: false });
    if (found === undefined) return null;
    if (found.isFile() && path.basename(at) === pin.file) return fs.readFileSync(at);
    const direct = path.join(at, pin.file);
    if (found.isDirectory() && fs.existsSync(direct)) return fs.readFileSync(direct);
    const page = found.isDirectory() ? path.join(at, 'index.html') : at;
    if (!fs.existsSync(page)) return null;
    const link = linkTo(pin.file, fs.readFileSync(page, 'utf8'), pathToFileURL(page).href);
    return link?.protocol === 'file:' && fs.existsSync(fileURLToPath(link))
      ? fs.readFileSync(fileURLToPath(link))
      : null;
  }
  if (path.posix.basename(url.pathname) === pin.file) return download(url, certificate, signal);
  const page = await download(url, certificate, signal);
  const link = linkTo(pin.file, page.toString('utf8'), url.href);
  if (link === null) return null;
  // A password of the index is for the files of the same server.
  if (link.host === url.host && link.username === '') [link.username, link.password] = [url.username, url.password];
  return download(link, certificate, signal);
}

/** The link of a "simple" index page (PEP 503) to a file, with its hash taken off. */
function linkTo(/** @type {string} */ file, /** @type {string} */ page, /** @type {string} */ base) {
  for (const [, href = ''] of page.matchAll(/<a\s[^>]*href\s*=\s*["']([^"']+)["']/gi)) {
    const link = new URL(href.replaceAll('&amp;', '&'), base);
    if (decodeURIComponent(path.posix.basename(link.pathname)) === file) {
      link.hash = '';
      return link;
    }
  }
  return null;
}

/** Through the proxy that the environment names, and with the certificates that pip is told to trust. */
async function download(
  /** @type {URL} */ url,
  /** @type {string | undefined} */ certificate,
  /** @type {AbortSignal | undefined} */ signal,
) {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const { rootCertificates } = await import('node:tls');
  const ca = certificate === undefined ? undefined : [...rootCertificates, fs.readFileSync(certificate, 'utf8')];
  const dispatcher = new EnvHttpProxyAgent(ca === undefined ? {} : { connect: { ca }, requestTls: { ca } });
  const plain = new URL(url);
  [plain.username, plain.password] = ['', ''];
  /** @type {Record<string, string>} */
  const headers = { accept: 'text/html, application/octet-stream, */*' };
  if (url.username !== '') {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  try {
    const limit = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]);
    const response = await fetch(plain, { dispatcher, headers, signal: limit });
    if (!response.ok) throw new Error(`status ${response.status}`);
    if (Number(response.headers.get('content-length') ?? 0) > MAX_BYTES) throw new Error('too large');
    return Buffer.from(await response.arrayBuffer());
  } finally {
    await dispatcher.close();
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
  const certificate = [value('cert'), env.SSL_CERT_FILE].find((file) => file && fs.existsSync(file));
  // Folders of this machine first: they take no time.
  const local = (/** @type {string} */ place) => (/^https?:/i.test(place) ? 1 : 0);
  return { links: list('find-links'), indexes: indexes.sort((a, b) => local(a) - local(b)), certificate };
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

/** An address as it may be shown: without a password. */
function shown(/** @type {string} */ place) {
  return place.replace(/\/\/[^/@]*@/, '//');
}

function reason(/** @type {unknown} */ error) {
  const { message, cause } = /** @type {Error & { cause?: { message?: string, code?: string } }} */ (error);
  return shown(cause?.code ?? cause?.message ?? message);
}

const hashOf = (/** @type {Buffer} */ bytes) => createHash('sha256').update(bytes).digest('hex');
