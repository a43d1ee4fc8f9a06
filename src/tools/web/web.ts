/** The engines of `tools.web` as tools. Each answer goes by the recorder, where there is one. */
import pLimit from 'p-limit';
import { abortable } from '../../abortable.js';
import { SparkError, throwIfAborted } from '../../errors.js';
import { checkKeys, type KeysOf } from '../../options.js';
import { noteSecret, redact } from '../../secrets/redact.js';
import { expandReferences } from '../../secrets/references.js';
import type { Environment } from '../../secrets/sources.js';
import { layOutPassages } from '../child/passages.js';
import { inTime } from '../inTime.js';
import { oneLine } from '../observation.js';
import type { Recorder } from '../recorder.js';
import type { Tool, ToolContext, ToolResult } from '../tool.js';
import { askEngine } from './client.js';
import { type CommonSettings, type WebEngine, WebFault } from './engine.js';
import { passagesIn } from './reply.js';
import { WEB_ENGINES, type WebOptions, type WebSettings, webSettings } from './settings.js';

/** Calls without an answer, one after the other, after which an engine is given up: rollouts would learn from its silence. */
const MOST_FAILURES = 20;

export interface WebToolOptions {
  /** Keeps answers, and gives those that it has; absent: every call asks. */
  readonly recorder?: Recorder;
  /** Where keys and proxies are; default `process.env`. */
  readonly env?: Environment;
}

const OPTIONS = { recorder: true, env: true } as const satisfies KeysOf<WebToolOptions>;

/** For `ToolRegistry.register`; in a run `tools.web` does this. Throws `invalid_config` for settings that are wrong. */
export function openWeb(engines: readonly WebOptions[], options: WebToolOptions = {}): readonly Tool[] {
  checkKeys(options, OPTIONS, 'openWeb: options');
  const settings = webSettings.safeParse(engines);
  if (settings.success) return webTools(settings.data, options);
  const problems = settings.error.issues.map(({ path, message }) => `${path.join('.') || 'engines'}: ${message}`);
  throw new SparkError('invalid_config', `openWeb: ${problems.join('; ')}`);
}

/** Of settings that were checked. They keep the deadlines themselves, as waiting for one's turn does not count. */
export function webTools(engines: readonly WebSettings[], options: WebToolOptions = {}): readonly Tool[] {
  return engines.map((settings) => toolOf<WebSettings>(WEB_ENGINES[settings.engine], settings, options));
}

/** Throws `tool_unavailable` for a key that is not there, so that a run ends before its first rollout. */
export function requireWebKeys(engines: readonly WebSettings[], env: Environment): void {
  for (const settings of engines) keyOf(settings, env);
}

/** What of an engine decides its answers: the address and all settings but the key and how it is asked. */
export function decisiveSettings(settings: WebSettings): Readonly<Record<string, unknown>> {
  const indecisive = ['name', 'key', 'inFlight', 'contact'];
  const { baseUrl: _given, ...others } = settings;
  const kept = Object.entries(others).filter(([key]) => !indecisive.includes(key));
  return { ...Object.fromEntries(kept), address: addressOf<WebSettings>(WEB_ENGINES[settings.engine], settings) };
}

function addressOf<Settings extends CommonSettings>(engine: WebEngine<Settings>, settings: Settings): string {
  return settings.baseUrl ?? engine.address(settings);
}

function toolOf<Settings extends WebSettings>(
  engine: WebEngine<Settings>,
  settings: Settings,
  { recorder, env = process.env }: WebToolOptions,
): Tool {
  const { name, inFlight } = settings;
  const turn = pLimit(inFlight);
  let failures = 0;
  const ask = async (query: string, context: ToolContext & { readonly signal: AbortSignal }): Promise<ToolResult> => {
    const key = keyOf(settings, env);
    const result = await abortable(
      turn(async () => {
        throwIfAborted(context.signal);
        return inTime((timed) => answerOf(query, { engine, settings, key, env }, timed), context);
      }),
      context.signal,
    );
    failures = result.ok || result.code === 'tool_input' ? 0 : failures + 1;
    if (failures < MOST_FAILURES) return result;
    failures = 0;
    const message = `${MOST_FAILURES} calls in a row had no answer, the last: ${result.observation}; see that it can be reached`;
    throw new SparkError('tool_unavailable', `tools.web ${name}: ${message}, then run the same command, which goes on`);
  };
  return {
    ...{ name, ...engine.words, keepsDeadlines: true },
    async run(input, context) {
      // As it is sent and recorded: what differs by spaces alone is the same question.
      const query = oneLine(input.normalize('NFC'), Number.POSITIVE_INFINITY);
      const { longestQuery: most = 2000 } = engine;
      if (query.length > most) return wrong(`query too long: ${query.length} characters, at most ${most}`);
      if (recorder === undefined) return ask(query, context);
      const { maxObservationChars, step } = context;
      const asked = {
        tool: name,
        settings: { ...decisiveSettings(settings), maxObservationChars },
        input: query,
        step,
      };
      return recorder.answer(asked, () => ask(query, context));
    },
  };
}

interface Asking<Settings extends WebSettings> {
  readonly engine: WebEngine<Settings>;
  readonly settings: Settings;
  readonly key: string | null;
  readonly env: Environment;
}

async function answerOf<Settings extends WebSettings>(
  query: string,
  { engine, settings, key, env }: Asking<Settings>,
  { signal, maxObservationChars }: ToolContext & { readonly signal: AbortSignal },
): Promise<ToolResult> {
  const contact = 'contact' in settings ? settings.contact : null;
  try {
    const request = engine.request(query, settings, key);
    const reply = await askEngine(addressOf(engine, settings), request, { env, signal, contact });
    const passages = passagesIn(reply, engine, settings);
    if (passages.length === 0) return wrong(`nothing found for ${oneLine(query, 40)}`);
    return { ok: true, observation: layOutPassages(passages, maxObservationChars) };
  } catch (error) {
    if (!(error instanceof WebFault)) throw error;
    return failed(error, settings, engine.remedy);
  }
}

function failed(
  { kind, message }: WebFault,
  { name, engine, key }: WebSettings,
  remedy = `that the address is that of ${engine}`,
): ToolResult {
  const what = redact(oneLine(message, 400));
  const end = (advice: string) =>
    new SparkError('tool_unavailable', `tools.web ${name} (${engine}): ${what}; ${advice}`);
  switch (kind) {
    case 'key':
      throw end(
        key === null ? 'give it a key: key: $NAME, the variable that holds it' : `expected a valid key in ${key}`,
      );
    case 'credit':
      throw end('its plan is used up: raise it or wait, then run the same command, which goes on');
    case 'settings':
      throw end(`see ${remedy}, and tools.web in docs/tools.md`);
    case 'input':
      return wrong(`${engine} does not understand this input: ${what}`);
    case 'passing':
      return { ok: false, code: 'tool_failed', observation: `${engine} gave no answer: ${what}` };
  }
}

function keyOf({ name, key }: WebSettings, env: Environment): string | null {
  if (key === null) return null;
  const { text, missing } = expandReferences(key, env);
  if (missing.length > 0) {
    throw new SparkError(
      'tool_unavailable',
      `tools.web ${name}: expected the environment variable ${missing.join(', ')} with its key, which is not set; set it, or ` +
        'answer from a record alone: tools.record=replay',
    );
  }
  noteSecret(text);
  if (/^[\x21-\x7e]+$/.test(text.trim())) return text.trim();
  throw new SparkError(
    'tool_unavailable',
    `tools.web ${name}: expected a key of visible ASCII characters in ${key} (it is not shown); copy it again, as one line`,
  );
}

function wrong(observation: string): ToolResult {
  return { ok: false, code: 'tool_input', observation };
}
