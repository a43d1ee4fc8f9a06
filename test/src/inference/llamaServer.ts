/** A real llama-server on a port of the system's choice. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** What `node scripts/build-llama.mjs llama-server` builds; LLAMA_SERVER names another. */
export const LLAMA_SERVER =
  process.env.LLAMA_SERVER ?? path.resolve('node_modules/.cache/llama.cpp/build/bin/llama-server');
export const hasLlamaServer = existsSync(LLAMA_SERVER);

export interface LlamaServer {
  readonly baseUrl: string;
  close(): Promise<void>;
}

/** Resolves when the model is loaded; rejects with what the server wrote when it ends before. */
export function startLlamaServer(args: readonly string[]): Promise<LlamaServer> {
  const child = spawn(LLAMA_SERVER, ['--host', '127.0.0.1', '--port', '0', '--no-webui', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return new Promise((resolve, reject) => {
    let log = '';
    const read = (chunk: string) => {
      log += chunk;
      const address = /listening on (http:\/\/[\d.:]+)/.exec(log)?.[1];
      if (address !== undefined && log.includes('model loaded')) resolve({ baseUrl: `${address}/v1`, close });
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.once('error', reject);
    void ended.then(() => reject(new Error(`llama-server ended:\n${log.slice(-4000)}`)));
  });
}
