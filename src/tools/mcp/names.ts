/** Names of actions for the tools of MCP servers: `server_tool`, fit for prompts, and the same whatever the order. */
import { createHash } from 'node:crypto';

const LONGEST = 32;
const MARK = 6;

interface Named {
  readonly server: string;
  /** The server's own name of it, which may be any text. */
  readonly tool: string;
}

/** A name for each. Those that would be too long, or that several would have, end with a mark made of the whole. */
export function actionNames(tools: readonly Named[]): string[] {
  const plain = tools.map(({ server, tool }) => `${server}_${snakeCase(tool)}`);
  const uses = new Map<string, number>();
  for (const name of plain) uses.set(name, (uses.get(name) ?? 0) + 1);
  return plain.map((name, at) => {
    if (name.length <= LONGEST && uses.get(name) === 1) return name;
    return `${name.slice(0, LONGEST - MARK - 1).replace(/_+$/, '')}_${markOf(tools[at]!)}`;
  });
}

function snakeCase(text: string): string {
  const words = text.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
  return words.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '') || 'tool';
}

function markOf({ server, tool }: Named): string {
  return createHash('sha256').update(`${server}\0${tool}`).digest('hex').slice(0, MARK);
}
