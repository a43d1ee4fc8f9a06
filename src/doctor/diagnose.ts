/** The checks of `spark-rl doctor`. Each really uses its part once, so that "ok" means it works. */
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import { abortable } from '../abortable.js';
import type { Config } from '../config/index.js';
import { type Model, openModel } from '../engine/index.js';
import { throwIfAborted, toSparkError } from '../errors.js';
import { openLlamaCpp } from '../inference/llamaCpp.js';
import { resolveEndpoint } from '../judge/endpoint.js';
import { createLog, silentLog } from '../log.js';
import { openConfiguredMcp } from '../run/mcp.js';
import { openEngine, openServed } from '../run/parts.js';
import { builtinTool } from '../tools/builtin.js';
import { createBuiltinRegistry, ToolRegistry } from '../tools/registry.js';
import { systemPython } from '../tools/system/python.js';
import { webTools } from '../tools/web/web.js';
import { readWheels } from '../tools/wheels.js';
import { byteText } from '../units.js';

export interface Finding {
  readonly name: string;
  /** `note`: not needed for the embedded default, but worth knowing. */
  readonly state: 'ok' | 'failed' | 'note';
  readonly detail: string;
}

/** Null: there is nothing of the kind to try. */
type Check = (config: Config, signal: AbortSignal) => Promise<Omit<Finding, 'name'> | null>;

const CHECKS: Readonly<Record<string, Check>> = {
  node: async () => ok(`${process.version}, ${os.cpus().length} cores, ${byteText(os.totalmem())} memory`),
  'disk space': diskSpace,
  'training engine': trainingEngine,
  'CUDA backend': cudaBackend,
  inference,
  server,
  tools,
  'own Python': ownPython,
  'judge key': judgeKey,
};

export async function diagnose(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    const found = await check(config, signal).catch((error: unknown) => {
      const failure = toSparkError(error);
      if (failure.code === 'interrupted') throw failure;
      return { state: 'failed' as const, detail: `[${failure.code}] ${failure.message}` };
    });
    if (found !== null) findings.push({ name, ...found });
  }
  return findings;
}

async function diskSpace(): Promise<Omit<Finding, 'name'>> {
  const { bavail, bsize } = await statfs(process.cwd());
  const free = bavail * bsize;
  const detail = `${byteText(free)} free here`;
  return free < 1e9 ? { state: 'failed', detail: `${detail}; a run needs about 1 GB: free some space` } : ok(detail);
}

async function trainingEngine(config: Config, signal: AbortSignal): Promise<Omit<Finding, 'name'>> {
  return tryModel(await openEngine(config, signal), signal);
}

/** A missing CUDA backend is a note with the reason, because the default runs without; one that fails is a failure. */
async function cudaBackend(config: Config, signal: AbortSignal): Promise<Omit<Finding, 'name'>> {
  let model: Model;
  try {
    model = await openModel(config.model.path, { backend: 'cuda', device: config.model.device, signal });
  } catch (error) {
    const { code, message } = toSparkError(error);
    if (code !== 'backend_unavailable') throw error;
    return { state: 'note', detail: message };
  }
  return tryModel(model, signal);
}

/** Computes the log-probs of three tokens, then closes the model. */
async function tryModel(model: Model, signal: AbortSignal): Promise<Omit<Finding, 'name'>> {
  try {
    const { info } = model;
    const tokens = Int32Array.of(1, 2, 3);
    const batch = { tokens, cuSeqlens: Int32Array.of(0, 3), lossMask: Uint8Array.of(0, 1, 1) };
    const logprobs = await model.logprobs(batch, null, { signal });
    const finite = logprobs.every((value) => Number.isFinite(value) && value <= 0);
    const size = `${(info.parameters / 1e6).toFixed(1)} M parameters, ${info.layers} layers`;
    return finite
      ? ok(`${size}; ${info.backend}, ${info.compute}, ${info.device}`)
      : { state: 'failed', detail: `${info.path}: log-probs are not finite: a broken model file?` };
  } finally {
    model.dispose();
  }
}

async function inference(config: Config, signal: AbortSignal): Promise<Omit<Finding, 'name'>> {
  const generator = await openLlamaCpp({
    modelPath: config.model.path,
    sequences: 1,
    contextSize: 128,
    threads: config.model.threads,
    gpu: config.inference.gpu,
    kvCacheType: config.inference.kvCacheType,
    signal,
  });
  try {
    const sequence = await generator.open(signal);
    sequence.append(generator.tokenize(`${generator.bosText}Question:`, true));
    const written = await sequence.generate({ stop: [], maxTokens: 4, temperature: 0, seed: 1, signal });
    sequence.dispose();
    return ok(`node-llama-cpp wrote ${written.tokens.length} tokens`);
  } finally {
    await generator.dispose();
  }
}

/** Opening it lets it write a few tokens. */
async function server(config: Config, signal: AbortSignal): Promise<Omit<Finding, 'name'> | null> {
  if (config.server.baseUrl === null) return null;
  const generator = await openServed(config, null, 'answer', signal);
  await generator.dispose();
  const what = `${generator.id}, ${generator.contextSize} tokens a sequence`;
  if (generator.tokenised === undefined) return ok(`${what}; gives token ids`);
  return { state: 'note', detail: `${what}; gives texts without token ids, which do for evaluations alone` };
}

async function tools(config: Config, signal: AbortSignal): Promise<Omit<Finding, 'name'>> {
  const { enabled, corpus, python } = config.tools;
  const where = corpus === null ? {} : { corpus };
  const registry = createBuiltinRegistry({ tools: enabled, log: createLog(), python, ...where });
  try {
    const broken: string[] = [];
    const ownCorpus = (name: string) => corpus !== null && builtinTool(name)!.host === 'corpus';
    for (const name of registry.names) {
      const { example } = builtinTool(name)!;
      // The first call of a sandboxed tool starts its process.
      const limits = { timeoutMs: 60_000, maxObservationChars: 200, signal };
      const failure = await registry.run(name, example, limits).then(
        // A corpus of the user's own need not know the example; that it says so is an answer.
        (result) => (result.ok || (ownCorpus(name) && result.code === 'tool_input') ? null : result.observation),
        (error: Error) => error.message,
      );
      throwIfAborted(signal);
      if (failure !== null) broken.push(`${name}: ${failure}`);
    }
    // With algebra its own call says it.
    if (enabled.includes('python') && python.engine === 'pyodide' && !enabled.includes('algebra'))
      await readWheels().catch((error: Error) => broken.push(`python: ${error.message}`));
    const served = await namesOfServers(config, signal).catch((error: Error) => {
      throwIfAborted(signal);
      broken.push(error.message);
      return [];
    });
    const names = [...registry.names, ...(await namesOfWeb(config, broken, signal)), ...served];
    return broken.length === 0 ? ok(names.join(' ')) : { state: 'failed', detail: broken.join('; ') };
  } finally {
    await registry.dispose();
  }
}

/** The actions that the servers of `tools.mcp` give. None of their tools is called, as it may do anything; a replay asks none of them. */
async function namesOfServers(config: Config, signal: AbortSignal): Promise<readonly string[]> {
  if (config.tools.record === 'replay') return config.tools.mcp.map(({ name }) => `${name}_…`);
  const mcp = await openConfiguredMcp(config, {}, { log: silentLog, signal });
  await mcp?.dispose();
  return mcp?.tools.map(({ name }) => name) ?? [];
}

/** The actions of `tools.web`. Each is asked its example once, which says whether address and key are right; a replay asks nobody. */
async function namesOfWeb({ tools: { web, record } }: Config, broken: string[], signal: AbortSignal) {
  const registry = new ToolRegistry();
  for (const tool of webTools(web)) registry.register(tool);
  if (record === 'replay') return registry.names;
  for (const { name, example } of registry.actions()) {
    if (example === undefined) continue;
    const limits = { timeoutMs: 30_000, maxObservationChars: 200, signal };
    const failure = await registry.run(name, example.input, limits).then(
      ({ ok, observation }) => (ok ? null : `${name}: ${observation}`),
      (error: Error) => error.message,
    );
    throwIfAborted(signal);
    if (failure !== null) broken.push(failure);
  }
  return registry.names;
}

/** Whether `tools.python.engine: system` works here; a note where it is not asked for. Starts a sandbox. */
async function ownPython({ tools: { python } }: Config, signal: AbortSignal): Promise<Omit<Finding, 'name'>> {
  try {
    const { interpreter, sandbox } = await abortable(systemPython(python), signal);
    const { executable, version, packages } = interpreter;
    const has = Object.entries(packages).map((pair) => `, ${pair.join(' ')}`);
    const moves =
      sandbox.setarch === null ? '; addresses of objects change from call to call, as setarch -R is not to be had' : '';
    return ok(`${version} (${executable})${has.join('')}, in bubblewrap ${sandbox.version}${moves}`);
  } catch (error) {
    const { code, message } = toSparkError(error);
    if (python.engine === 'system' || code !== 'tool_unavailable') throw error;
    return { state: 'note', detail: message };
  }
}

/** Resolves endpoint and key as a run does, so that a missing or malformed one fails here with the same message. */
async function judgeKey({ judge }: Config): Promise<Omit<Finding, 'name'>> {
  const key = process.env.OPENAI_API_KEY ? 'OPENAI_API_KEY is set' : 'OPENAI_API_KEY is not set';
  if (judge.kind !== 'api') return { state: 'note', detail: `${key}; the ${judge.kind} judge needs none` };
  const { local } = resolveEndpoint(judge.baseUrl, null, process.env);
  return ok(local ? `${key}; the judge is in this network and may need none` : key);
}

function ok(detail: string): Omit<Finding, 'name'> {
  return { state: 'ok', detail };
}
