/** `tools.mcp` of the configuration: the MCP servers whose tools a run may use. */
import { z } from 'zod';
import { hasReferences } from '../../secrets/references.js';
import { namesSecret, secretsInArguments } from '../../secrets/sources.js';

const texts = z.record(z.string().min(1), z.string());

const server = z.strictObject({
  /** Begins the names of its actions: `fs` makes `fs_read_file`. */
  name: z.string().regex(/^[a-z][a-z0-9_]{0,15}$/, 'expected a short name like fs (a-z, 0-9, _; 16 at most)'),
  /** Program that speaks MCP on its standard input and output, found as a shell finds it. */
  command: z.string().min(1).nullable().default(null),
  args: z.array(z.string()).default([]),
  /** Added to the few variables that every program needs (PATH, HOME, …); `$NAME` is a variable of this process. */
  env: texts.default({}),
  /** Folder it is started in; null: the one that the command was given in. */
  cwd: z.string().min(1).nullable().default(null),
  /** Address of a server that speaks streamable HTTP. */
  url: z
    .string()
    .refine((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol), 'expected an http or https URL')
    .nullable()
    .default(null),
  /** Sent with every request; `$NAME` is a variable of this process. */
  headers: texts.default({}),
  /** The only tools to take of it, by the server's own names; null: all. */
  tools: z.array(z.string().min(1)).min(1).nullable().default(null),
  /** Most milliseconds from its start to its list of tools. */
  startTimeoutMs: z.number().int().positive().max(600_000).default(60_000),
});

/** One server: `command` (stdio) or `url` (streamable HTTP). */
export const mcpServerSettings = server.superRefine(({ command, url, args, env, cwd, headers }, context) => {
  const wrong = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  if ((command === null) === (url === null)) {
    wrong('command', 'expected either command (a program) or url (a server), got both or neither');
  }
  if (command === null && (args.length > 0 || Object.keys(env).length > 0 || cwd !== null)) {
    wrong('url', 'args, env and cwd belong to a command; a url takes headers');
  }
  if (url === null && Object.keys(headers).length > 0) wrong('command', 'headers belong to a url; a command takes env');
  if (secretsInArguments(args).length > 0) {
    wrong('args', 'holds a secret (not shown), which every process list shows; give it in env, as $NAME');
  }
});

export const mcpSettings = z.array(mcpServerSettings).superRefine((servers, context) => {
  servers.forEach(({ name }, at) => {
    if (servers.findIndex((one) => one.name === name) === at) return;
    context.addIssue({ code: 'custom', path: [at, 'name'], message: `expected another name, "${name}" is taken` });
  });
});

/** A server with everything said. */
export type McpServerSettings = z.infer<typeof mcpServerSettings>;
/** A server as a configuration gives it: what is left out has its default. */
export type McpServerOptions = z.input<typeof mcpServerSettings>;

/**
 * What of a server decides its answers, without anything secret: of `env` and `headers` only what is not hidden anyway. Where its
 * program is started is another folder on every machine; how long that may take and which tools are taken change no answer.
 */
export function decisiveOfServer({ name, command, args, env, url, headers }: McpServerSettings) {
  return { server: name, command, args, env: shownOf(env), url, headers: shownOf(headers) };
}

function shownOf(values: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const shown = Object.entries(values).filter(([key, text]) => !namesSecret(key) && !hasReferences(text));
  return shown.sort(([a], [b]) => (a < b ? -1 : 1));
}
