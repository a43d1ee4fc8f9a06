/** The `server` section of the configuration: an OpenAI-compatible server that generates in place of llama.cpp here. */
import { z } from 'zod';

export const serverSettings = z.strictObject({
  /** Null: llama.cpp generates, on this machine. A URL with a name, password or key is refused (config/secrets.ts). */
  baseUrl: z.string().min(1).nullable().default(null),
  /** The server's name of the model. */
  model: z.string().min(1).nullable().default(null),
  /** Milliseconds for one HTTP request: a whole block of a step, and the wait for its turn. */
  timeoutMs: z.number().int().positive().default(600_000),
  maxRetries: z.number().int().min(0).default(4),
});

export type ServerSettings = z.infer<typeof serverSettings>;

/** What is wrong with the section: a key and what is expected of it. */
export function serverProblems({
  baseUrl,
  model,
}: ServerSettings): readonly (readonly [key: string, message: string])[] {
  if (baseUrl !== null && model === null) {
    return [
      ['model', 'expected the name that the server has for the model, got none; GET …/models of the server lists it'],
    ];
  }
  if (baseUrl === null && model !== null) {
    return [['model', `is a setting of a server, got "${model}" without server.baseUrl; give both, or leave it out`]];
  }
  return [];
}
