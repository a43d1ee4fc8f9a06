/** The reference servers of MCP's authors: filesystem as a program, everything as a program and over streamable HTTP. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMcp } from '../../../../src/tools/mcp/mcp.js';
import type { McpServerOptions } from '../../../../src/tools/mcp/settings.js';
import { ToolRegistry } from '../../../../src/tools/registry.js';
import { full } from '../../full.js';

const context = { timeoutMs: 60_000, maxObservationChars: 1000 };
const require = createRequire(import.meta.url);
const packageOf = (name: string) => dirname(require.resolve(`@modelcontextprotocol/${name}/package.json`));
const folder = mkdtempSync(join(tmpdir(), 'spark-mcp-reference-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function opened(server: McpServerOptions) {
  const mcp = await openMcp([server]);
  const registry = new ToolRegistry().own(mcp);
  for (const tool of mcp.tools) registry.register(tool);
  return { registry, call: (name: string, input: string) => registry.run(name, input, context) };
}

describe('the filesystem server', () => {
  it('reads and lists what it may, and says what it may not', async () => {
    writeFileSync(join(folder, 'gallium.txt'), 'melts at 29.76 °C');
    const { registry, call } = await opened({
      ...{ name: 'fs', command: process.execPath, args: [join(packageOf('server-filesystem'), 'dist/index.js'), '.'] },
      ...{ cwd: folder, tools: ['read_text_file', 'list_directory'] },
    });
    expect(registry.actions().slice(0, 2)).toMatchObject([
      { name: 'fs_read_text_file', inputHint: 'path, or JSON {"path": string, "tail"?: number, "head"?: number}' },
      { name: 'fs_list_directory', inputHint: 'path' },
    ]);
    const file = join(folder, 'gallium.txt');
    expect(await call('fs_read_text_file', file)).toEqual({ ok: true, observation: 'melts at 29.76 °C' });
    expect(await call('fs_read_text_file', JSON.stringify({ path: file, head: 1 }))).toMatchObject({ ok: true });
    expect(await call('fs_list_directory', folder)).toEqual({ ok: true, observation: '[FILE] gallium.txt' });
    expect(await call('fs_read_text_file', '/etc/hostname')).toMatchObject({
      ...{ ok: false, code: 'tool_failed' },
      observation: expect.stringMatching(/^Access denied/),
    });
    expect(await call('fs_read_text_file', '{"path": 7}')).toMatchObject({
      ...{ ok: false, code: 'tool_input' },
      observation: expect.stringMatching(/expected string, received number.*; write path, or JSON/),
    });
    await registry.dispose();
  });
});

describe('the everything server', () => {
  const TOOLS = ['echo', 'get-sum', 'get-tiny-image', 'get-resource-links', 'get-structured-content'];

  async function checked(server: McpServerOptions) {
    const { registry, call } = await opened({ ...server, tools: TOOLS });
    expect(registry.names).toEqual(TOOLS.map((name) => `every_${name.replaceAll('-', '_')}`));
    expect(await call('every_echo', 'grüße')).toEqual({ ok: true, observation: 'Echo: grüße' });
    expect(await call('every_get_sum', '{"a": 2, "b": 3}')).toEqual({
      ok: true,
      observation: 'The sum of 2 and 3 is 5.',
    });
    expect(await call('every_get_sum', '2 + 3')).toEqual({
      ...{ ok: false, code: 'tool_input' },
      observation: 'expected a JSON object; write JSON {"a": number, "b": number}',
    });
    expect((await call('every_get_tiny_image', '{}')).observation).toMatch(
      /\n\[image image\/png, \d+ KB, left out\]\n/,
    );
    expect((await call('every_get_resource_links', '{}')).observation).toMatch(/\[link .* demo:\/\/.*, not followed\]/);
    expect((await call('every_get_structured_content', 'Chicago')).observation).toMatch(/"temperature":36/);
    const many = await Promise.all(Array.from({ length: 8 }, (_, i) => call('every_echo', `${i}`)));
    expect(many.map(({ observation }) => observation)).toEqual(many.map((_, i) => `Echo: ${i}`));
    await registry.dispose();
  }

  // What is checked over HTTP; that a program's standard streams carry it is shown above.
  it.runIf(full)('works as a program', () =>
    checked({
      name: 'every',
      command: process.execPath,
      args: [join(packageOf('server-everything'), 'dist/index.js')],
    }),
  );

  describe('over streamable HTTP', () => {
    let url = '';
    let sessions = new Map<string, Served>();
    const server = createServer((request, response) => void serve(request, response));

    interface Served {
      handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void>;
    }

    /** As the server's own script, which cannot be asked for a free port. */
    async function serve(request: IncomingMessage, response: ServerResponse) {
      if (request.headers['x-mark'] !== 'http-mark-57721566') return void response.writeHead(401).end();
      const id = request.headers['mcp-session-id'];
      const known = sessions.get(String(id));
      if (known !== undefined) return known.handleRequest(request, response);
      if (id !== undefined) return void response.writeHead(404).end('no such session');
      const sdk = await import('@modelcontextprotocol/sdk/server/streamableHttp.js');
      const main = join(packageOf('server-everything'), 'dist/server/index.js');
      const { createServer: createEverything } = (await import(main)) as {
        createServer(): { server: { connect(transport: unknown): Promise<void> } };
      };
      const transport = new sdk.StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (session) => void sessions.set(session, transport),
        onsessionclosed: (session) => void sessions.delete(session),
      });
      await createEverything().server.connect(transport);
      await transport.handleRequest(request, response);
    }

    beforeAll(async () => {
      // On a busy machine the client could send on a connection that the server is just closing for being idle.
      server.keepAliveTimeout = 0;
      server.listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
      process.env.SPARK_REFERENCE_MARK = 'http-mark-57721566';
    });
    afterAll(() => {
      server.close();
      server.closeAllConnections();
    });
    const headers = { 'x-mark': '$SPARK_REFERENCE_MARK' };

    it('works, and ends its session', async () => {
      await checked({ name: 'every', url, headers });
      expect(sessions.size).toBe(0);
    });

    it('that forgot its session costs one call', async () => {
      const { registry, call } = await opened({ name: 'every', url, headers, tools: ['echo'] });
      sessions = new Map();
      expect(await call('every_echo', 'a')).toMatchObject({ ok: false, code: 'tool_failed' });
      expect(await call('every_echo', 'b')).toEqual({ ok: true, observation: 'Echo: b' });
      await registry.dispose();
    });
  });
});
