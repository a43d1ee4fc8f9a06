/**
 * The parts a run works with: generator (writes), engine (trains), judge (scores), tools, reward and verifier. Each is made from
 * the configuration, or is the user's own object.
 */
import { type Config, inFlightOf, type OtherJudge } from '../config/index.js';
import { openModel } from '../engine/index.js';
import type { Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import type { Generator, PromptTokenizer } from '../inference/generator.js';
import { openLlamaCpp, openTokenizer } from '../inference/llamaCpp.js';
import { type Log, silentLog } from '../log.js';
import { createGrader, type Grader } from '../questions/grade.js';
import { type Reward, stepReward } from '../reward.js';
import type { Tools } from '../rollout/settings.js';
import type { McpListing } from '../tools/mcp/listing.js';
import type { McpTools } from '../tools/mcp/mcp.js';
import type { Recorder } from '../tools/recorder.js';
import { createBuiltinRegistry, type ToolRegistry } from '../tools/registry.js';
import type { ActionInfo } from '../tools/tool.js';
import { webTools } from '../tools/web/web.js';
import type { Step } from '../trajectory/trajectory.js';
import { RunFolder } from './folder.js';
import {
  type ClosableJudge,
  type JudgeSurroundings,
  judgeNameOf,
  type OpenedJudge,
  openJudge,
  uncounted,
} from './judge.js';
import { openConfiguredMcp } from './mcp.js';
import { loadParts, type UserParts } from './userParts.js';
import { ownTools, type Recordings, recorderOf } from './web.js';

export type GeneratorUse = 'learn' | 'answer' | 'answer here';

interface PartsOptions {
  readonly config: Config;
  readonly judgeCacheFolder: string;
  readonly user: UserParts;
  /** The tools of the configured MCP servers, which end with the parts; absent or null: none. */
  readonly mcp?: McpTools | null;
  /** Where answers from the web and of MCP servers are kept; absent: nowhere. */
  readonly recordings?: Recordings;
  /** Whether the user's tools were made for these parts, and so end with them. */
  readonly ownsTools?: boolean;
  /** Whether `user` is without the module that the configuration names: a run is read whose module is not there. */
  readonly lacksOwn?: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export class Parts {
  readonly #options: PartsOptions;
  #judge: Promise<ClosableJudge> | null = null;
  #tools: ToolRegistry | null = null;
  #closed = false;

  constructor(options: PartsOptions) {
    this.#options = options;
  }

  /**
   * `adapterPath` null: the base model alone. `use`: what it writes is to be learned from, or answers questions, or does so with
   * an adapter that is new and so on this machine alone. The caller disposes of it.
   */
  async generator(adapterPath: string | null, use: GeneratorUse): Promise<Generator> {
    this.#requireOpen('generator');
    const { config, user, signal } = this.#options;
    const generator = await (user.generator?.(adapterPath, signal) ?? openGenerator(config, adapterPath, use, signal));
    if (use !== 'learn' || generator.tokenised === undefined) return generator;
    await generator.dispose();
    throw noIds(generator);
  }

  /** The vocabulary of the run's generator. The caller disposes of it. */
  async tokenizer(): Promise<PromptTokenizer> {
    this.#requireOpen('generator');
    const { config, user, signal } = this.#options;
    return user.generator?.(null, signal) ?? openTokenizer(config.model.path, signal);
  }

  /** The training engine on the configured model. The caller disposes of it. */
  async engine(): Promise<Model> {
    this.#requireOpen('engine');
    const { config, user, signal } = this.#options;
    return user.engine?.(signal) ?? openEngine(config, signal);
  }

  /** Opened at the first call. There is one judge, and so one budget, for all work of this process on the run. */
  async judge(): Promise<OpenedJudge> {
    this.#requireOpen('judge');
    if (this.#judge === null) {
      const opening = this.#openJudge();
      this.#judge = opening;
      // What failed may be mended, and is then tried again.
      opening.catch(() => {
        if (this.#judge === opening) this.#judge = null;
      });
    }
    return this.#judge;
  }

  async #openJudge(): Promise<ClosableJudge> {
    const { config, user, judgeCacheFolder: cacheFolder, log, signal } = this.#options;
    if (user.judge !== undefined) return uncounted(user.judge);
    return openJudge(config.judge, config, { cacheFolder, actions: () => this.actions(), log, signal });
  }

  /**
   * The tools, the same for all stages of the run: their processes take seconds to start, so each starts at the first
   * call that needs it and stays until `close`.
   */
  tools(): Tools {
    this.#requireOpen('tools');
    const { config, user, mcp, recordings, log } = this.#options;
    const own = ownTools(config, user);
    if (own !== undefined) return own;
    this.#tools ??= openTools(config, mcp, log, recorderOf(config, recordings));
    return this.#tools;
  }

  /** The actions of the run, as prompts describe them. Starts no tool. */
  actions(): readonly ActionInfo[] {
    this.#requireOwn('tools');
    const { config, user, mcp } = this.#options;
    return actionsOf(config, user, mcp);
  }

  /** What the configured MCP servers list; empty without any. */
  mcpListings(): readonly McpListing[] {
    return this.#options.mcp?.listings ?? [];
  }

  /** Whether the module that the configuration names did not load or was not asked for; most parts are then refused. */
  get lost(): boolean {
    return this.#options.lacksOwn ?? false;
  }

  /** Whether it is another than `stepReward`, or may be. */
  get ownReward(): boolean {
    return this.lost || this.#options.user.reward !== undefined;
  }

  /** Where the user's own may be another and is not there, no step has a known one. */
  reward(rho: number): (step: Step) => Reward | null {
    if (this.lost) return () => null;
    const { reward = stepReward } = this.#options.user;
    return (step) => reward(step, rho);
  }

  /** Says whether answers are right, by the questions' verifiers. */
  grader(): Grader {
    const { config, user } = this.#options;
    return createGrader({ verifier: user.verifier, verifierTimeoutMs: config.questions.verifierTimeoutMs });
  }

  /**
   * The judge's name as a fact of rollouts: of a local judge its id, and so the content of its file. Opens nothing, so it
   * needs no key.
   */
  async judgeName(): Promise<string> {
    this.#requireOwn('judge');
    const { config, user, signal } = this.#options;
    return user.judge?.id ?? (await judgeNameOf(config.judge, config, signal));
  }

  #requireOpen(part: keyof UserParts): void {
    if (this.#closed)
      throw new SparkError('disposed', `parts.${part}: expected an open run, got one that was closed; open it again`);
    this.#requireOwn(part);
  }

  /** Those of the configuration in place of the user's would be others without a word. */
  #requireOwn(part: keyof UserParts): void {
    const { config } = this.#options;
    if (!this.lost) return;
    throw new SparkError(
      'no_data',
      `parts.${part}: expected what ${config.parts} exports, got a run that was read without it; put the module back there ` +
        '(in a program: open with Run.readWithParts, or give parts to Run.read)',
    );
  }

  close(): void {
    this.#closed = true;
    // Nobody asks it any more; that its model is gone is not awaited either.
    this.#judge?.then((judge) => judge.close()).catch(() => undefined);
    this.#judge = null;
    // The processes are killed at once; only their end is not awaited.
    const { user, ownsTools, mcp, log } = this.#options;
    for (const held of [this.#tools, mcp, ownsTools === true ? user.tools : null]) {
      held?.dispose?.().catch((error: Error) => log.warn(error.message));
    }
    this.#tools = null;
  }
}

/** A judge beside the run's own. Throws `invalid_config` for a module that exports none. The caller closes it. */
export async function openOtherJudge(
  config: Config,
  other: OtherJudge,
  surroundings: JudgeSurroundings,
): Promise<ClosableJudge> {
  if (!('parts' in other)) return openJudge(other, config, surroundings);
  const { parts } = await loadParts({ ...config, parts: other.parts });
  if (parts.judge !== undefined) return uncounted(parts.judge);
  throw new SparkError('invalid_config', `${other.parts}: expected a module that exports a judge, got none`);
}

/** The training engine on the configured model. */
export function openEngine({ model }: Config, signal: AbortSignal): Promise<Model> {
  const { path: file, backend, device, threads, compute, recompute, memoryLimitGb } = model;
  const memoryLimit = memoryLimitGb === null ? 0 : Math.round(memoryLimitGb * 1e9);
  return openModel(file, { backend, device, threads, compute, recompute, memoryLimit, signal });
}

/** The actions of a run: the user's tools or else the configured ones, then `think`. Starts no tool. */
function actionsOf(config: Config, user: UserParts, mcp?: McpTools | null): readonly ActionInfo[] {
  return (ownTools(config, user) ?? openTools(config, mcp)).actions();
}

/**
 * The actions of a configuration. Of MCP servers they are what the run at `root` knows, where it does; else the servers are
 * asked, and ended.
 */
export async function listActions(
  config: Config,
  user: UserParts,
  { root, signal = new AbortController().signal }: { readonly root?: string; readonly signal?: AbortSignal } = {},
): Promise<readonly ActionInfo[]> {
  const file = root === undefined ? {} : { file: RunFolder.planned(root).mcpFile };
  const mcp = await openConfiguredMcp(config, user, { ...file, log: silentLog, signal });
  try {
    return actionsOf(config, user, mcp);
  } finally {
    await mcp?.dispose();
  }
}

/** Starts no process; the first call does. */
export function openTools(
  config: Config,
  mcp: McpTools | null = null,
  log: Log = silentLog,
  recorder: Recorder | null = null,
): ToolRegistry {
  const { enabled, names, corpus, python, web } = config.tools;
  const registry = createBuiltinRegistry({
    tools: enabled,
    names,
    log,
    python,
    ...(corpus === null ? {} : { corpus }),
  });
  for (const tool of webTools(web, recorder === null ? {} : { recorder })) registry.register(tool);
  if (recorder !== null) registry.own(recorder);
  if (mcp === null && config.tools.mcp.length > 0) throw unknownMcp();
  if (mcp === null) return registry;
  for (const tool of recorder === null ? mcp.tools : mcp.recorded(recorder)) registry.register(tool);
  return registry.own(mcp);
}

/** Without them the actions would be others than those of the trajectories. */
function unknownMcp(): SparkError {
  return new SparkError(
    'no_data',
    "tools.mcp: expected what the servers listed, in the run's mcp-tools.json, which is gone or of other settings; a command " +
      'that works on the run asks them again: spark-rl generate, evaluate or ladder',
  );
}

async function openGenerator(
  config: Config,
  adapterPath: string | null,
  use: GeneratorUse,
  signal: AbortSignal,
): Promise<Generator> {
  if (config.server.baseUrl !== null && use !== 'answer here') return openServed(config, adapterPath, use, signal);
  const { sequences, contextSize, gpu, kvCacheType } = config.inference;
  const { deterministic } = config.generation;
  const inFlight = inFlightOf(config);
  return openLlamaCpp({
    modelPath: config.model.path,
    adapterPath: adapterPath ?? undefined,
    sequences: Math.min(sequences, inFlight),
    inFlight,
    deterministic,
    ...(contextSize === 'auto' ? {} : { contextSize }),
    threads: config.model.threads,
    gpu,
    kvCacheType,
    signal,
  });
}

/** A generator over the configured server. `adapterPath` null: the base model. */
export async function openServed(
  config: Config,
  adapterPath: string | null,
  use: GeneratorUse,
  signal: AbortSignal,
): Promise<Generator> {
  const { server, model, inference } = config;
  const { baseUrl, model: name, timeoutMs, maxRetries } = server;
  if (use === 'learn' && adapterPath !== null) {
    throw new SparkError(
      'invalid_config',
      'server.baseUrl: expected null for rollouts by a trained adapter, which has to be the very file that is trained on; a ' +
        'server does not say which it has. Generate these here, in a run that generates here: --set server.baseUrl=null --set ' +
        'server.model=null',
    );
  }
  const { contextSize } = inference;
  const sequences = inFlightOf(config);
  // Its client takes a quarter of a second to load.
  const { openServer } = await import('../inference/server.js');
  return openServer({
    ...{ baseUrl: baseUrl!, model: name!, timeoutMs, maxRetries, modelPath: model.path, sequences, signal },
    ...(adapterPath === null ? {} : { adapterPath }),
    ...(contextSize === 'auto' ? {} : { contextSize }),
  });
}

function noIds({ id }: Generator): SparkError {
  return new SparkError(
    'server_no_ids',
    `${id} gives texts without token ids: expected the tokens that the model drew, as training learns from them; texts tokenised ` +
      'again are other tokens. Use vLLM (0.10.2 or later), llama-server, or llama.cpp here (--set server.baseUrl=null --set ' +
      'server.model=null); for evaluations texts will do',
  );
}
