/**
 * OpenAI's files and batches for the loopback server, in the shapes of its API: a JSONL file is uploaded as a form, a batch
 * is made of it, it goes through its states as it is looked at, and leaves an output file and an error file.
 */
import { sendJson } from './http.mjs';

/**
 * @typedef {import('./openaiServer.d.mts').BatchOutcome} BatchOutcome
 * @typedef {import('./openaiServer.d.mts').LoopbackBatch} LoopbackBatch
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {{ custom_id: string, method: string, url: string, body: any }} Line
 * @typedef {{ outcomes: readonly BatchOutcome[], looks: number, answer: (body: any) => unknown }} BatchOptions
 */

export class Batches {
  /** @type {Map<string, string>} */
  files = new Map();
  /** @type {Map<string, string>} */
  deleted = new Map();
  /** Newest last. @type {(LoopbackBatch & { left: number })[]} */
  made = [];
  /** @type {BatchOutcome[]} */
  #outcomes;
  #options;
  #written = 0;

  /** @param {BatchOptions} options */
  constructor(options) {
    this.#options = options;
    this.#outcomes = [...options.outcomes];
  }

  /** @param {BatchOutcome[]} outcomes */
  setOutcomes(...outcomes) {
    this.#outcomes = outcomes;
  }

  /** False for a request that is about something else. @param {Request} request @param {Response} response @param {string} text */
  async serve(request, response, text) {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://loopback');
    const [, kind, id, act] = /^\/v1\/(files|batches)(?:\/([\w-]+))?(?:\/(content|cancel))?$/.exec(pathname) ?? [];
    if (kind === undefined || this.#outcomes[0] === 'unsupported') return false;
    const post = request.method === 'POST';
    if (kind === 'files' && post && id === undefined) await this.#upload(request, response, text);
    else if (kind === 'files' && act === 'content') this.#content(response, String(id));
    else if (kind === 'files' && request.method === 'DELETE') this.#delete(response, String(id));
    else if (kind === 'batches' && post && id === undefined) this.#create(response, JSON.parse(text));
    else if (kind === 'batches' && !post && id === undefined) this.#list(response, searchParams);
    else if (kind === 'batches') this.#look(response, String(id), act === 'cancel');
    else return false;
    return true;
  }

  /** @param {Request} request @param {Response} response @param {string} text */
  async #upload(request, response, text) {
    const headers = { 'content-type': request.headers['content-type'] ?? '' };
    const form = await new globalThis.Response(text, { headers }).formData();
    const file = /** @type {File} */ (form.get('file'));
    const content = await file.text();
    const id = this.#file(content);
    sendJson(response, 200, {
      ...{ id, object: 'file', bytes: content.length, created_at: seconds(), filename: file.name },
      ...{ purpose: form.get('purpose'), status: 'processed', expires_at: seconds() + 30 * 86_400 },
    });
  }

  /** @param {string} content */
  #file(content) {
    const id = `file-${++this.#written}`;
    this.files.set(id, content);
    return id;
  }

  /** @param {Response} response @param {string} id */
  #delete(response, id) {
    const text = this.files.get(id);
    if (text === undefined) return missing(response, `No such File object: ${id}`);
    this.deleted.set(id, text);
    this.files.delete(id);
    sendJson(response, 200, { id, object: 'file', deleted: true });
  }

  /** @param {Response} response @param {string} id */
  #content(response, id) {
    const text = this.files.get(id);
    if (text === undefined) return missing(response, `No such File object: ${id}`);
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(text);
  }

  /** @param {Response} response @param {any} asked */
  #create(response, { input_file_id, endpoint, completion_window, metadata }) {
    const text = this.files.get(input_file_id);
    if (text === undefined) return missing(response, `No such File object: ${input_file_id}`);
    const outcome = /** @type {BatchOutcome} */ (
      this.#outcomes.length > 1 ? this.#outcomes.shift() : this.#outcomes[0]
    );
    if (outcome === 'notMade') return sendJson(response, 400, { error: { message: 'Invalid request.', code: null } });
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => /** @type {Line} */ (JSON.parse(line)));
    const batch = {
      ...{ id: `batch_${this.made.length + 1}`, outcome, lines, left: this.#options.looks, metadata, endpoint },
      ...{ completion_window, input_file_id, status: 'validating', output_file_id: null, error_file_id: null },
      ...{ errors: null, completed: 0, failed: 0, created_at: seconds() },
    };
    this.made.push(batch);
    // Made, but the one who asked does not hear of it.
    if (outcome === 'replyLost') return response.socket?.resetAndDestroy();
    sendJson(response, 200, shown(batch));
  }

  /** @param {Response} response @param {URLSearchParams} query */
  #list(response, query) {
    const all = this.made.toReversed();
    const from = query.get('after') === null ? 0 : all.findIndex(({ id }) => id === query.get('after')) + 1;
    const data = all.slice(from, from + Number(query.get('limit') ?? 20));
    const has_more = from + data.length < all.length;
    sendJson(response, 200, {
      ...{
        object: 'list',
        data: data.map(shown),
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more,
      },
    });
  }

  /** @param {Response} response @param {string} id @param {boolean} cancel */
  #look(response, id, cancel) {
    const batch = this.made.find((one) => one.id === id);
    if (batch === undefined) return missing(response, `No batch found with id '${id}'.`);
    if (batch.outcome === 'lookLost') {
      batch.outcome = 'good';
      return response.socket?.resetAndDestroy();
    }
    if (cancel) {
      batch.outcome = 'cancelled';
      batch.status = 'cancelling';
      batch.left = 1;
    } else if (batch.left > 0) {
      batch.left--;
      if (batch.status === 'validating') batch.status = 'in_progress';
    } else if (batch.output_file_id === null && batch.error_file_id === null && batch.errors === null) {
      this.#end(batch);
    }
    sendJson(response, 200, shown(batch));
  }

  /** @param {LoopbackBatch} batch */
  #end(batch) {
    const { outcome, lines } = batch;
    if (outcome === 'refused' || outcome === 'tokenLimit') {
      const [code, message] =
        outcome === 'refused'
          ? ['model_not_found', "The provided model 'x' is not supported by the Batch API."]
          : ['token_limit_exceeded', 'Enqueued token limit reached for gpt-4o in organization org-1. Limit: 90,000.'];
      batch.status = 'failed';
      batch.errors = { object: 'list', data: [{ code, message, line: null, param: null }] };
      return;
    }
    /** @type {string[]} */ const output = [];
    /** @type {string[]} */ const errors = [];
    for (const [at, { custom_id, body }] of lines.entries()) {
      const one = this.#result(outcome, at, body);
      if (one === null) continue;
      const line = `${JSON.stringify({ id: `batch_req_${batch.id}_${at}`, custom_id, response: null, error: null, ...one.line })}\n`;
      (one.ok ? output : errors).push(outcome === 'damaged' && at % 2 === 1 ? `${line.slice(0, 60)}\n` : line);
    }
    // Results come in any order.
    if (output.length > 0) batch.output_file_id = this.#file(output.reverse().join(''));
    if (errors.length > 0) batch.error_file_id = this.#file(errors.join(''));
    batch.completed = output.length;
    batch.failed = errors.length;
    batch.status = outcome === 'expired' || outcome === 'cancelled' ? outcome : 'completed';
  }

  /** @param {BatchOutcome} outcome @param {number} at @param {any} body */
  #result(outcome, at, body) {
    const answered = (/** @type {number} */ status_code, /** @type {unknown} */ said) => ({
      ok: status_code === 200,
      line: { response: { status_code, request_id: `req_${at}`, body: said } },
    });
    const second = at % 2 === 1;
    if (second && outcome === 'dropped') return null;
    if (second && outcome === 'someFail')
      return answered(500, { error: { message: 'The server had an error', code: null } });
    if (second && outcome === 'someTooLong') {
      return answered(400, { error: { message: 'maximum context length is 8', code: 'context_length_exceeded' } });
    }
    if (second && (outcome === 'expired' || outcome === 'cancelled')) {
      const message =
        outcome === 'expired'
          ? 'This request could not be executed before the completion window expired.'
          : 'Cancelled.';
      return { ok: false, line: { error: { code: `batch_${outcome}`, message } } };
    }
    const completion = this.#options.answer(body);
    return answered(200, outcome === 'noUsage' ? { ...Object(completion), usage: undefined } : completion);
  }
}

/** @param {LoopbackBatch} batch */
function shown({ outcome: _outcome, lines, completed, failed, ...batch }) {
  const { left: _left, ...plain } = /** @type {typeof batch & { left?: number }} */ (batch);
  return { object: 'batch', ...plain, request_counts: { total: lines.length, completed, failed } };
}

/** @param {Response} response @param {string} message */
function missing(response, message) {
  sendJson(response, 404, { error: { message, type: 'invalid_request_error', param: null, code: null } });
}

function seconds() {
  return Math.floor(Date.now() / 1000);
}
