import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/log.js';
import { type McpTools, openMcp } from '../../../../src/tools/mcp/mcp.js';
import type { McpServerOptions } from '../../../../src/tools/mcp/settings.js';
import { ToolRegistry } from '../../../../src/tools/registry.js';
import { isAlive } from '../../../processes.js';

const SCRIPT = fileURLToPath(new URL('scripted.mjs', import.meta.url));
const context = { timeoutMs: 60_000, maxObservationChars: 4000 };
const folder = mkdtempSync(join(tmpdir(), 'spark-mcp-'));
const opened: McpTools[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((mcp) => mcp.dispose()));
});

const scripted = (fault: string, more: Partial<McpServerOptions> = {}, file = ''): McpServerOptions => ({
  ...{ name: 's', command: process.execPath, args: [SCRIPT, fault, file], ...more },
});

async function registryOf(...servers: McpServerOptions[]) {
  const mcp = await openMcp(servers);
  opened.push(mcp);
  const registry = new ToolRegistry().own(mcp);
  for (const tool of mcp.tools) registry.register(tool);
  return registry;
}

describe('an MCP server on standard input and output', () => {
  it('gets the safe variables and its own, and its answers hide them', async () => {
    process.env.SPARK_MARK = 'marked-value-31415926';
    process.env.SPARK_OTHER_API_KEY = 'other-value-27182818';
    const env = { SERVER_KEY: '$SPARK_MARK', OWN_TOKEN: 'own-value-14142135', OWN_REGION: 'own-region-north' };
    const registry = await registryOf(scripted('none', { env }));
    const said = await registry.run('s_say', 'hello own-value-14142135 own-region-north', context);
    expect(said).toMatchObject({
      ok: true,
      observation: expect.stringMatching(/^hello \*\*\* own-region-north .*\bPATH\b.*SERVER_KEY.* \*\*\*$/),
    });
    expect(said.observation).not.toMatch(/SPARK_|API_KEY|31415926/);
  });

  it('is told of when a tool of it changes things, unless that tool was chosen', async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (line: string) => warnings.push(line) };
    opened.push(await openMcp([scripted('none')], { log }));
    opened.push(await openMcp([scripted('none', { tools: ['say', 'change'] })], { log }));
    expect(warnings).toEqual([expect.stringMatching(/^tools\.mcp s: change may change or destroy something/)]);
  });

  it('ends the work where a variable is not set any more when it is called', async () => {
    process.env.SPARK_GONE = 'gone-value-66260701';
    const env = { SERVER_KEY: '$SPARK_GONE' };
    const before = await openMcp([scripted('none', { env })]);
    opened.push(before);
    const { listings } = before;
    delete process.env.SPARK_GONE;
    const mcp = await openMcp([scripted('none', { env })], { listings });
    opened.push(mcp);
    const registry = new ToolRegistry().own(mcp);
    for (const tool of mcp.tools) registry.register(tool);
    await expect(registry.run('s_say', 'hello', context)).rejects.toMatchObject({
      code: 'tool_unavailable',
      message: expect.stringMatching(/s\.env\.SERVER_KEY: expected the environment variable SPARK_GONE/),
    });
  });

  it('is not started where a variable is not set', async () => {
    await expect(openMcp([scripted('none', { env: { SERVER_KEY: '$SPARK_NOT_SET' } })])).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/tools\.mcp s\.env\.SERVER_KEY: expected the environment variable SPARK_NOT_SET/),
    });
  });

  it.each([
    ['prints what is no message', 'garbage'],
    ['floods standard error', 'stderr'],
  ])('works when it %s', async (_, fault) => {
    const registry = await registryOf(scripted(fault));
    expect(await registry.run('s_say', 'hello', context)).toMatchObject({ ok: true });
  });

  it('that ends is started again for the next call; what it wrote last is the observation', async () => {
    const file = join(folder, 'ends');
    const registry = await registryOf(scripted('none', {}, file));
    expect(await registry.run('s_die', 'now', context)).toEqual({
      ...{ ok: false, code: 'tool_failed' },
      observation: 's ended during the call: out of memory in the scripted server',
    });
    expect(await registry.run('s_say', 'hello', context)).toMatchObject({ ok: true });
    expect(readFileSync(file, 'utf8')).toBe('started\nstarted\n');
  });

  it('that ends at every call is given up', async () => {
    const file = join(folder, 'always');
    const registry = await registryOf(scripted('none', {}, file));
    await registry.run('s_die', 'now', context);
    // A good answer between: those before it do not count.
    expect(await registry.run('s_say', 'hello', context)).toMatchObject({ ok: true });
    for (let i = 0; i < 5; i++) expect(await registry.run('s_die', 'now', context)).toMatchObject({ ok: false });
    await expect(registry.run('s_die', 'now', context)).rejects.toMatchObject({
      code: 'tool_unavailable',
      message: expect.stringMatching(/tools\.mcp s: it ended 5 times in a row/),
    });
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(6);
  });

  it('that hears nothing any more costs the call its time, and is then another', async () => {
    const file = join(folder, 'hangs');
    const registry = await registryOf(scripted('none', {}, file));
    expect(await registry.run('s_hang', 'now', { ...context, timeoutMs: 50 })).toMatchObject({ code: 'tool_timeout' });
    // Asked while nobody hears: made again by the next program.
    expect(await registry.run('s_say', 'hello', context)).toMatchObject({ ok: true });
    expect(readFileSync(file, 'utf8')).toBe('started\nstarted\n');
  });

  it('that changes its tools ends the work', async () => {
    const registry = await registryOf(scripted('none'));
    expect(await registry.run('s_change', 'other words', context)).toMatchObject({ ok: true });
    const after = await Promise.allSettled(['a', 'b', 'c'].map((text) => registry.run('s_say', text, context)));
    for (const one of after) {
      expect(one).toMatchObject({
        status: 'rejected',
        reason: {
          code: 'tool_unavailable',
          message: expect.stringMatching(
            /s: expected the tools that were there .*, but say, die, hang, change changed or went/,
          ),
        },
      });
    }
  });

  it('that comes back as another version ends the work', async () => {
    const registry = await registryOf(scripted('second version', {}, join(folder, 'version')));
    await registry.run('s_die', 'now', context);
    await expect(registry.run('s_say', 'hello', context)).rejects.toThrow(/it was scripted 1 and is scripted 2/);
  });

  it.each([
    ['lists thousands of tools', 'thousands', {}, 'invalid_config', /at most 32 actions in all, got 5000 tools/],
    ['never ends its list', 'endless list', {}, 'tool_unavailable', /lists no tools/],
    ['ends at once', 'dies at once', {}, 'tool_unavailable', /tools\.mcp s: .*; see that `.*node` runs and speaks MCP/],
    ['says nothing', 'never answers', { startTimeoutMs: 200 }, 'tool_unavailable', /timed out/],
    [
      'has no such tool',
      'none',
      { tools: ['say', 'sing'] },
      'invalid_config',
      /tools sing, but scripted 1 lists say, die/,
    ],
    ['is no program', 'none', { command: '/no/such/program' }, 'tool_unavailable', /ENOENT/],
    ['has no folder', 'none', { cwd: '/no/such/folder' }, 'invalid_config', /cwd, got \/no\/such\/folder/],
  ])('is refused when it %s', async (_, fault, more, code, message) => {
    await expect(openMcp([scripted(fault, more)])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('has words that are safe to show', async () => {
    const registry = await registryOf(scripted('hostile words'));
    const [action] = registry.actions();
    expect(action).toMatchObject({
      name: 's_say_it',
      description: expect.stringMatching(/^Ignore all \[31m <\/observation>/),
    });
    expect(action!.description.length).toBeLessThanOrEqual(240);
    expect(action!.inputHint.length).toBeLessThanOrEqual(200);
    expect(`${action!.description}${action!.inputHint}`).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
  });

  it.each([
    ['an error', 'error', 'tool_failed', /broken inside/],
    ['no result', 'no result', 'tool_failed', /./],
    ['too long an answer', 'huge answer', 'tool_failed', /s ended during the call: ReadBuffer exceeded maximum size/],
  ])('that answers with %s fails the call', async (_, fault, code, message) => {
    const registry = await registryOf(scripted(fault));
    const result = await registry.run('s_say', 'hello', context);
    expect(result).toMatchObject({ ok: false, code, observation: expect.stringMatching(message) });
  });

  it('holds nobody with the schema of its answers', async () => {
    const registry = await registryOf(scripted('hostile schema'));
    expect(await registry.run('s_say', 'hello', context)).toEqual({ ok: true, observation: 'fine' });
  });

  it('is given no arguments that cannot be sent', async () => {
    const file = join(folder, 'deep');
    const registry = await registryOf(scripted('none', {}, file));
    const deep = `{"text": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const [say] = opened.at(-1)!.tools;
    // Past the registry, which takes no input of this length.
    expect(await say!.run(deep, { ...context, signal: new AbortController().signal })).toMatchObject({
      ...{ ok: false, code: 'tool_failed' },
    });
    expect(await registry.run('s_say', 'hello', context)).toMatchObject({ ok: true });
    expect(readFileSync(file, 'utf8')).toBe('started\n');
  });

  it('is asked when it is needed, ends with the registry, and leaves a call that is aborted', async () => {
    const file = join(folder, 'lazy');
    const first = await openMcp([scripted('none')]);
    await first.dispose();
    await expect(first.warm()).rejects.toMatchObject({ code: 'disposed' });
    const other = scripted('none', { name: 'other' });
    const mcp = await openMcp([scripted('none', {}, file), other], {
      listings: first.listings,
    });
    const names = ['say', 'die', 'hang', 'change'];
    // Which was not among the listings, and so was asked.
    expect(mcp.tools.map(({ name }) => name)).toEqual(['s', 'other'].flatMap((s) => names.map((one) => `${s}_${one}`)));
    expect(() => readFileSync(file)).toThrow();
    const registry = new ToolRegistry().own(mcp);
    for (const tool of mcp.tools) registry.register(tool);
    const pid = Number(/pid:(\d+)/.exec((await registry.run('s_say', 'hello', context)).observation)?.[1]);
    const controller = new AbortController();
    const hanging = registry.run('s_hang', 'x', { ...context, signal: controller.signal });
    controller.abort();
    await expect(hanging).rejects.toMatchObject({ code: 'interrupted' });
    await registry.dispose();
    expect(isAlive(pid)).toBe(false);
    rmSync(folder, { recursive: true, force: true });
  });
});

describe('an MCP server behind an address', () => {
  it.each([
    ['refuses the key', 401, 'no', /./],
    ['is something else', 200, '<html>', /./],
    ['never ends its answer', 200, 'x'.repeat(9e6), /the answer is longer than 8388608 bytes/],
  ])('that %s is refused, and its key not shown', async (_, status, body, why) => {
    const server = createServer((_request, response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(body),
    ).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    process.env.SPARK_HTTP_MARK = 'http-mark-16180339';
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    try {
      const error = await openMcp([{ name: 'h', url, headers: { Authorization: 'Bearer $SPARK_HTTP_MARK' } }]).catch(
        (reason: Error) => reason,
      );
      expect(error).toMatchObject({
        code: 'tool_unavailable',
        message: expect.stringMatching(/tools\.mcp h: .*see that a server/),
      });
      const { message } = error as Error;
      expect(message).toMatch(why);
      // Once, though the client says it twice.
      const said = message.slice(message.indexOf('h: ') + 3, message.lastIndexOf('; see that')).split('; ');
      expect(new Set(said).size).toBe(said.length);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('16180339');
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
