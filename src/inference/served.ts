/** What a server says that it serves: models, adapters, the length of its context. Which of them a run means is decided here. */
import path from 'node:path';
import { z } from 'zod';
import { SparkError } from '../errors.js';
import type { ServerClient } from './serverClient.js';
import type { Scales } from './serverDialects.js';

const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      /** vLLM: the path of what is served. */
      root: z.string().nullish().catch(null),
      /** vLLM: the base model of an adapter. */
      parent: z.string().nullish().catch(null),
      max_model_len: z.number().nullish().catch(null),
    }),
  ),
});

const propsSchema = z.object({ default_generation_settings: z.object({ n_ctx: z.number() }) });
const adaptersSchema = z.array(z.object({ id: z.number().int(), path: z.string() }));

export interface Served {
  /** What requests name as their model. */
  readonly model: string;
  /** llama-server, which has a completion of its own. */
  readonly isLlama: boolean;
  /** The adapters of llama-server and how much of each is wanted. */
  readonly scales: Scales;
  /** Tokens of one sequence; null where the server does not say. */
  readonly contextSize: number | null;
}

/**
 * Finds `client.model` and the adapter among what the server has. Throws `invalid_config` for a model that it does not have or
 * that is an adapter, and for an adapter that it does not serve.
 */
export async function findServed(
  client: ServerClient,
  adapterPath: string | null,
  signal: AbortSignal | undefined,
): Promise<Served> {
  const listed = modelsSchema.safeParse(await client.find('/models', signal)).data?.data ?? [];
  const own = listed.find(({ id }) => id === client.model);
  if (own === undefined && listed.length > 0) throw noModel(client, listed);
  if (own?.parent != null) throw isAdapter(client, own.parent);
  const props = propsSchema.safeParse(await client.find(`${client.root}/props`, signal)).data;
  if (props !== undefined) {
    const scales = await scalesOf(client, adapterPath, signal);
    return { model: client.model, isLlama: true, scales, contextSize: props.default_generation_settings.n_ctx };
  }
  const contextSize = own?.max_model_len ?? null;
  const card =
    adapterPath === null ? own : listed.find(({ root, parent }) => parent != null && isFile(root ?? '', adapterPath));
  if (adapterPath !== null && card === undefined) throw noAdapter(client, adapterPath);
  return { model: card?.id ?? client.model, isLlama: false, scales: [], contextSize };
}

/** All that llama-server has, each with the scale that it is to have: without a word it applies what it was started with. */
async function scalesOf(
  client: ServerClient,
  adapterPath: string | null,
  signal: AbortSignal | undefined,
): Promise<Scales> {
  const adapters = adaptersSchema.safeParse(await client.find(`${client.root}/lora-adapters`, signal)).data ?? [];
  const wanted = adapterPath === null ? undefined : adapters.find(({ path: file }) => isFile(file, adapterPath));
  if (adapterPath !== null && wanted === undefined) throw noAdapter(client, adapterPath);
  return adapters.map((adapter) => ({ id: adapter.id, scale: adapter === wanted ? 1 : 0 }));
}

/**
 * Whether a path of the server's is that of an adapter here, or of the PEFT folder beside it: by its last three names
 * (`RUN/adapters/NAME`), as the server may have the run's folder elsewhere.
 */
function isFile(served: string, adapterPath: string): boolean {
  const names = (file: string) => path.resolve(file).split(path.sep).slice(-3).join('/');
  const { dir, name } = path.parse(adapterPath);
  return served !== '' && [adapterPath, path.join(dir, `${name}-peft`)].some((own) => names(own) === names(served));
}

function noModel({ address, model }: ServerClient, listed: readonly { readonly id: string }[]): SparkError {
  const names = listed.map(({ id }) => id).join(', ');
  return new SparkError(
    'invalid_config',
    `server.model: expected a model that ${address} serves (${names}), got "${model}"`,
  );
}

function isAdapter({ address, model }: ServerClient, base: string): SparkError {
  return new SparkError(
    'invalid_config',
    `server.model: expected a base model, but "${model}" at ${address} is an adapter of "${base}": name that; an adapter of the ` +
      'run is found by its path',
  );
}

function noAdapter({ address }: ServerClient, adapterPath: string): SparkError {
  const { dir, name } = path.parse(adapterPath);
  return new SparkError(
    'invalid_config',
    `the server at ${address} does not serve the adapter ${adapterPath}: start vLLM with --enable-lora --lora-modules ` +
      `${name}=${path.join(dir, `${name}-peft`)}, or llama-server with --lora ${adapterPath}; or answer here, with llama.cpp: ` +
      '--set server.baseUrl=null --set server.model=null',
  );
}
