/**
 * An OpenAI-compatible server on 127.0.0.1 for tests and examples: /v1/chat/completions and /v1/models, with a script of
 * good and bad behaviour, and /v1/files and /v1/batches (batches.mjs), with one of their own. Its good scores are drawn from a hash of the conversation, so every run sees the same ones.
 *
 *   node test/loopback/openaiServer.mjs --port 8123 --behaviour good
 *   node test/loopback/openaiServer.mjs --behaviour rateLimit,good     one after the other; the last one stays
 *   node test/loopback/openaiServer.mjs --batch expired,good --batch-looks 3
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'node:net';
import { pathToFileURL } from 'node:url';
import { Batches } from './batches.mjs';
import { sendJson } from './http.mjs';

/**
 * @typedef {import('./openaiServer.d.mts').Behaviour} Behaviour
 * @typedef {import('./openaiServer.d.mts').LoopbackOptions} LoopbackOptions
 * @typedef {import('./openaiServer.d.mts').LoopbackServer} LoopbackServer
 * @typedef {{ messages: { role: string, content: string }[], model: string, response_format?: { type: string } }} ChatBody
 * @typedef {{ body: ChatBody, authorization: string, response: import('node:http').ServerResponse, options: LoopbackOptions, refuse: () => void, used: (usage: { input: number, output: number }) => void }} Turn
 */

/** @type {Record<Behaviour, (turn: Turn) => void>} */
export const BEHAVIOURS = {
  good: (turn) => reply(turn, JSON.stringify(goodVerdict(turn.body))),
  prose: (turn) => reply(turn, 'All of these actions look promising to me, and the step before was fine.'),
  proseAround: (turn) =>
    reply(
      turn,
      `Let me see {not json}.\n\`\`\`json\n${JSON.stringify(goodVerdict(turn.body))}\n\`\`\`\nI hope that helps.`,
    ),
  wrongKeys: (turn) => reply(turn, JSON.stringify({ scores: mapScores(turn.body, (_, i) => [`tool_${i}`, 7]) })),
  nulls: (turn) =>
    reply(turn, JSON.stringify({ scores: mapScores(turn.body, (name) => [name, null]), process_ok: null })),
  halfNulls: (turn) => {
    const scores = mapScores(turn.body, (name, i) => [name, i % 2 === 0 ? null : 7]);
    reply(turn, JSON.stringify({ scores, process_ok: true }));
  },
  outOfRange: (turn) => {
    const bad = [-1, 10.5, 11, '7', true, [5], 1e9, {}];
    const scores = mapScores(turn.body, (name, i) => [name, name === 'think' ? 6 : bad[i % bad.length]]);
    reply(turn, JSON.stringify({ scores, process_ok: 'yes' }));
  },
  refusal: (turn) => reply(turn, null, { refusal: 'I cannot help with that.' }),
  contentFilter: (turn) => reply(turn, '', { finish: 'content_filter' }),
  cutOff: (turn) => reply(turn, '{"scores": {"calcul', { finish: 'length' }),
  empty: (turn) => reply(turn, ''),
  noUsage: (turn) => reply(turn, JSON.stringify(goodVerdict(turn.body)), { usage: false }),
  rateLimit: (turn) =>
    fail(turn, 429, 'Rate limit reached', { 'retry-after': String(turn.options.retryAfterSeconds ?? 0.2) }),
  quota: (turn) => fail(turn, 429, 'You exceeded your current quota', {}, 'insufficient_quota'),
  serverError: (turn) => fail(turn, 500, 'The server had an error', { 'retry-after-ms': '20' }),
  /** Careless, as some servers are: it repeats the key. */
  badKey: (turn) => fail(turn, 401, `Incorrect API key provided: ${turn.authorization}`, {}, 'invalid_api_key'),
  /** The same in every spelling that a proxy or a framework may put it into. */
  echoSpelt: (turn) => fail(turn, 400, spellings(keyOf(turn)).join(' | '), {}, 'context_length_exceeded'),
  /** Masked as OpenAI does it, and cut in the middle. */
  echoMasked: (turn) =>
    fail(
      turn,
      403,
      `Key ${keyOf(turn).slice(0, 6)}*****${keyOf(turn).slice(-4)}; got Bearer ${keyOf(turn).slice(0, 11)}`,
    ),
  /** Where a message is likely to be cut. */
  echoRefusal: (turn) => reply(turn, null, { refusal: `${'no '.repeat(50)}${keyOf(turn)}` }),
  echoProse: (turn) => reply(turn, `${'well '.repeat(30)}${keyOf(turn)}`),
  echoHeader: (turn) =>
    fail(turn, 503, 'Busy', { 'retry-after': '9999', 'x-request-id': keyOf(turn), 'set-cookie': keyOf(turn) }),
  // What servers of several makers really send.
  /** DeepSeek, OpenRouter, Together. */
  noCredit: (turn) => fail(turn, 402, 'Insufficient Balance', {}, 'invalid_request_error'),
  retryDate: (turn) => fail(turn, 429, 'Too many', { 'retry-after': new Date(Date.now() + 3.6e6).toUTCString() }),
  retryMs: (turn) => fail(turn, 503, 'Busy', { 'retry-after-ms': '3600000' }),
  /** OpenRouter and gateways: 200 with an error, for the whole or for the one choice. */
  errorIn200: ({ response }) =>
    sendJson(response, 200, { error: { code: 429, message: 'Rate limited upstream' } }, { 'retry-after-ms': '20' }),
  errorInChoice: ({ response }) => {
    const choice = { error: { code: 502, message: 'Provider returned error' }, message: { content: '' } };
    sendJson(response, 200, { choices: [choice] });
  },
  quotaIn200: ({ response }) => sendJson(response, 200, { error: 'insufficient_quota: add credit' }),
  /** Models that write Python for JSON. */
  pythonDict: (turn) => {
    const { scores, process_ok } = goodVerdict(turn.body);
    const pairs = Object.entries(scores ?? {}).map(([name, score]) => `'${name}': ${score}`);
    reply(turn, `{'scores': {${pairs.join(', ')},}, 'process_ok': ${process_ok ? 'True' : 'False'},}`);
  },
  /** A server whose template opens the thoughts, so that the reply has only their end. */
  halfThoughts: (turn) => {
    const draft = `${'well, '.repeat(20_000)}{"scores": {"calculator": 1}} perhaps`;
    reply(turn, `${draft}</think>${JSON.stringify(goodVerdict(turn.body))}`);
  },
  /** vLLM and llama-server with a parser of thoughts that takes all for one. */
  thoughtsOnly: (turn) => reply(turn, null, { reasoning: JSON.stringify(goodVerdict(turn.body)) }),
  parts: (turn) => reply(turn, [{ type: 'text', text: JSON.stringify(goodVerdict(turn.body)) }]),
  /** Gemini: thoughts stand in the total alone. */
  thoughtsInTotal: (turn) => reply(turn, JSON.stringify(goodVerdict(turn.body)), { hidden: 1000 }),
  /** llama-server: a grammar that cannot be made of the schema. */
  grammar500: (turn) =>
    turn.body.response_format?.type === 'json_schema'
      ? fail(turn, 500, 'failed to parse grammar')
      : BEHAVIOURS.good(turn),
  notImplemented: (turn) =>
    turn.body.response_format === undefined ? BEHAVIOURS.good(turn) : fail(turn, 501, 'Not Implemented'),
  silent500: (turn) =>
    turn.body.response_format === undefined
      ? BEHAVIOURS.good(turn)
      : fail(turn, 500, 'Internal Server Error', { 'retry-after-ms': '20' }),
  /** A small model behind a strict schema. */
  constant: (turn) =>
    reply(turn, JSON.stringify({ scores: mapScores(turn.body, (name) => [name, 0]), process_ok: true })),
  noModel: (turn) => fail(turn, 404, `The model '${turn.body.model}' does not exist`, {}, 'model_not_found'),
  tooLong: (turn) => fail(turn, 400, "This model's maximum context length is 8", {}, 'context_length_exceeded'),
  notJson: ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices": [tr'),
  loginPage: ({ response }) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>'),
  /** Takes the request and says nothing. */
  hang: () => {},
  /** Sends headers and the first bytes, then nothing. */
  hangInBody: ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"id": "chatcmpl-0", ');
  },
  reset: ({ response }) => response.socket?.resetAndDestroy(),
  /** Breaks this connection, and refuses all new ones for a while. */
  refused: ({ response, refuse }) => {
    response.socket?.resetAndDestroy();
    refuse();
  },
  slow: (turn) => setTimeout(() => BEHAVIOURS.good(turn), 150),
  noSchema: (turn) =>
    turn.body.response_format?.type === 'json_schema'
      ? fail(turn, 400, "'response_format' of type 'json_schema' is not supported with this model")
      : BEHAVIOURS.good(turn),
  noFormat: (turn) =>
    turn.body.response_format === undefined
      ? BEHAVIOURS.proseAround(turn)
      : fail(turn, 400, 'Unrecognized request argument supplied: response_format'),
  reasoningModel: (turn) => {
    const body = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (turn.body));
    if ('max_tokens' in body)
      return fail(turn, 400, "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens'");
    if ('temperature' in body) return fail(turn, 400, "Unsupported value: 'temperature' does not support 0");
    const draft = '<think>Maybe {"scores": {"calculator": 1}}? No.</think>';
    return reply(turn, draft + JSON.stringify(goodVerdict(turn.body)));
  },
};

/** @param {Turn} turn */
function keyOf({ authorization }) {
  return authorization.replace(/^Bearer /, '');
}

/** @param {string} key */
function spellings(key) {
  const basic = Buffer.from(`user:${key}`).toString('base64');
  const unicode = [...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const percent = [...key].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('');
  return [
    ...[key, key.toUpperCase(), JSON.stringify(key), JSON.stringify(JSON.stringify({ key })), unicode, percent],
    ...[encodeURIComponent(key), encodeURIComponent(encodeURIComponent(key)), `Basic ${basic}`, basic.slice(3)],
    ...[Buffer.from(key).toString('base64url'), Buffer.from(key).toString('hex'), key.slice(4), key.slice(0, -4)],
    `authorization: Bearer ${key}`,
  ];
}

/** @param {LoopbackOptions} [options] @returns {Promise<LoopbackServer>} */
export async function startOpenAiServer(options = {}) {
  let script = [...(options.behaviours ?? ['good'])];
  const faults = options.faults === undefined ? undefined : new Faults(options.faults);
  /** @type {LoopbackServer['requests']} */
  const requests = [];
  const { batchOutcomes: outcomes = ['good'], batchLooks: looks = 0 } = options;
  const answer = (/** @type {ChatBody} */ body) => completionOf(body, JSON.stringify(goodVerdict(body)));
  const batches = new Batches({ outcomes, looks, answer });
  let closed = false;
  let open = true;
  // Whoever takes the port meanwhile has it for a moment: it is listened on again as soon as it is free.
  const reopen = () => {
    if (closed) return;
    server.once('error', () => setTimeout(reopen, 20));
    server.listen(port, '127.0.0.1', () => {
      server.removeAllListeners('error');
      open = true;
    });
  };
  const refuse = () => {
    if (!open) return;
    open = false;
    // Not http's own, which breaks idle connections: a client may just be writing to one.
    Server.prototype.close.call(server);
    setTimeout(reopen, 60);
  };
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', async () => {
      if (await batches.serve(request, response, text)) return;
      if (request.method === 'GET' && request.url === '/v1/models') {
        return sendJson(response, 200, {
          object: 'list',
          data: [{ id: 'loopback', object: 'model', owned_by: 'test' }],
        });
      }
      const url = new URL(request.url ?? '', 'http://loopback');
      if (request.method !== 'POST' || url.pathname !== '/v1/chat/completions') {
        return sendJson(response, 404, { error: { message: `nothing at ${request.url}` } });
      }
      const body = parseBody(text);
      if (body === null) return sendJson(response, 400, { error: { message: 'the body is no chat request' } });
      const scripted = /** @type {Behaviour} */ (script.length > 1 ? script.shift() : script[0]);
      const behaviour = faults?.instead(body) ?? scripted;
      /** @type {LoopbackServer['requests'][number]} */
      const record = { headers: request.headers, query: url.search, body, behaviour, at: Date.now(), usage: null };
      requests.push(record);
      const authorization = request.headers.authorization ?? '';
      const used = (/** @type {{ input: number, output: number }} */ usage) => {
        record.usage = usage;
      };
      const act = () => BEHAVIOURS[behaviour]({ body, authorization, response, options, refuse, used });
      if (options.delayMs) setTimeout(act, options.delayMs);
      else act();
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(undefined);
    });
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    batches: batches.made,
    files: batches.files,
    deletedFiles: batches.deleted,
    setBehaviours(...behaviours) {
      script = behaviours;
    },
    setBatchOutcomes(...outcomes) {
      batches.setOutcomes(...outcomes);
    },
    async close() {
      closed = true;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Faults that pass: for a share of the requests, at most `most` times for the same messages. */
class Faults {
  /** @type {Map<string, number>} */
  #had = new Map();
  #requests = 0;

  /** @param {NonNullable<LoopbackOptions['faults']>} options */
  constructor(options) {
    this.options = options;
  }

  /** @param {ChatBody} body @returns {Behaviour | null} */
  instead({ messages }) {
    const { seed, share, kinds, most } = this.options;
    const drawn = createHash('sha256')
      .update(`${seed} ${this.#requests++}`)
      .digest();
    const key = JSON.stringify(messages);
    const had = this.#had.get(key) ?? 0;
    if (had >= most || drawn.readUInt32BE(0) / 2 ** 32 >= share) return null;
    this.#had.set(key, had + 1);
    return /** @type {Behaviour} */ (kinds[drawn.readUInt32BE(4) % kinds.length]);
  }
}

/**
 * The names to score, as the request asks for them: from its schema, or from the shape written into its instructions.
 * @param {ChatBody} body
 * @returns {string[] | null} null at the end of a trajectory, where only process_ok is wanted
 */
function actionNames(body) {
  const format = /** @type {any} */ (body.response_format);
  if (format?.type === 'json_schema') {
    const scores = format.json_schema.schema.properties.scores;
    return scores ? Object.keys(scores.properties) : null;
  }
  const shape = /\{"scores": \{(.*?)\}, "process_ok"/.exec(body.messages[0]?.content ?? '')?.[1];
  return shape === undefined ? null : [...shape.matchAll(/"([^"]+)": </g)].map((match) => String(match[1]));
}

/** Scores in halves, spread evenly over 0–10; four steps of five are coherent. @param {ChatBody} body */
function goodVerdict(body) {
  const draw = (/** @type {string} */ what) =>
    createHash('sha256').update(JSON.stringify(body.messages)).update(what).digest().readUInt32BE(0) / 2 ** 32;
  const names = actionNames(body);
  const process_ok = draw('process_ok') < 0.8;
  if (names === null) return { process_ok };
  return { scores: Object.fromEntries(names.map((name) => [name, Math.floor(draw(name) * 21) / 2])), process_ok };
}

/** @param {ChatBody} body @param {(name: string, index: number) => [string, unknown]} entry */
function mapScores(body, entry) {
  return Object.fromEntries((actionNames(body) ?? []).map(entry));
}

/**
 * `hidden`: output tokens that only the total has.
 * @param {Turn} turn
 * @param {string | { type: string, text: string }[] | null} content
 * @param {{ refusal?: string, reasoning?: string, finish?: string, usage?: boolean, hidden?: number }} [extra]
 */
function reply({ body, response, used }, content, extra = {}) {
  const completion = completionOf(body, content, extra);
  const { usage } = /** @type {{ usage?: { prompt_tokens: number, total_tokens: number } }} */ (completion);
  if (usage) used({ input: usage.prompt_tokens, output: usage.total_tokens - usage.prompt_tokens });
  sendJson(response, 200, completion);
}

/**
 * @param {ChatBody} body
 * @param {string | { type: string, text: string }[] | null} content
 * @param {{ refusal?: string, reasoning?: string, finish?: string, usage?: boolean, hidden?: number }} [extra]
 */
function completionOf(body, content, extra = {}) {
  const input = Math.ceil(JSON.stringify(body.messages).length / 4);
  const output = Math.ceil((content ?? extra.refusal ?? '').length / 4);
  const total = input + output + (extra.hidden ?? 0);
  return {
    id: 'chatcmpl-loopback',
    object: 'chat.completion',
    created: 0,
    model: body.model,
    choices: [
      {
        index: 0,
        message: {
          ...{ role: 'assistant', content, refusal: extra.refusal ?? null },
          ...(extra.reasoning === undefined ? {} : { reasoning_content: extra.reasoning }),
        },
        finish_reason: extra.finish ?? 'stop',
      },
    ],
    ...(extra.usage === false
      ? {}
      : { usage: { prompt_tokens: input, completion_tokens: output, total_tokens: total } }),
  };
}

/** @param {Turn} turn @param {number} status @param {string} message @param {Record<string, string>} [headers] @param {string | null} [code] */
function fail({ response }, status, message, headers = {}, code = null) {
  sendJson(response, status, { error: { message, type: 'invalid_request_error', param: null, code } }, headers);
}

/** @param {string} text @returns {ChatBody | null} */
function parseBody(text) {
  try {
    const body = JSON.parse(text);
    return Array.isArray(body?.messages) && typeof body.model === 'string' ? body : null;
  } catch {
    return null;
  }
}

/** @param {string[]} argv */
async function main(argv) {
  const value = (/** @type {string} */ flag) => (argv.includes(flag) ? argv[argv.indexOf(flag) + 1] : undefined);
  const behaviours = /** @type {Behaviour[]} */ ((value('--behaviour') ?? 'good').split(','));
  const unknown = behaviours.filter((name) => !Object.hasOwn(BEHAVIOURS, name));
  if (unknown.length > 0) {
    console.error(`unknown behaviour ${unknown.join(', ')}: expected some of ${Object.keys(BEHAVIOURS).join(', ')}`);
    process.exit(2);
  }
  const batchOutcomes = /** @type {import('./openaiServer.d.mts').BatchOutcome[]} */ (
    (value('--batch') ?? 'good').split(',')
  );
  const batchLooks = Number(value('--batch-looks') ?? 0);
  const server = await startOpenAiServer({ port: Number(value('--port') ?? 0), behaviours, batchOutcomes, batchLooks });
  console.log(server.baseUrl);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
