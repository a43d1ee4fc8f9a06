/** What an MCP tool answered, as the text of an observation. What is no text is left out, and said to be. */
import type { CallToolResult } from '@modelcontextprotocol/client';
import { visible } from '../schemaInput.js';
import type { ToolResult } from '../tool.js';

type Block = CallToolResult['content'][number];

/** `isError` is a failed call. Of structured content only that is taken which no text says. */
export function resultOf({ content, structuredContent, isError }: CallToolResult): ToolResult {
  const parts = content.map(textOf);
  const said = content.some((block) => block.type === 'text' && block.text.trim() !== '');
  if (!said && structuredContent !== undefined) parts.unshift(JSON.stringify(structuredContent));
  const observation = parts.join('\n').trim() || '(no content)';
  if (isError !== true) return { ok: true, observation };
  // Servers of the SDK check arguments themselves, and say so like this.
  return { ok: false, code: /^MCP error -32602\b/.test(observation) ? 'tool_input' : 'tool_failed', observation };
}

function textOf(block: Block): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'image':
    case 'audio':
      return leftOut(`${block.type} ${block.mimeType}`, block.data);
    case 'resource': {
      const { resource } = block;
      if ('text' in resource) return resource.text;
      return leftOut(`resource ${resource.uri} ${resource.mimeType ?? ''}`, resource.blob);
    }
    case 'resource_link':
      return `[link ${visible(`${block.name} ${block.uri}`, 160)}, not followed]`;
    default:
      return `[${visible(String((block as { type: unknown }).type), 40)}, left out]`;
  }
}

/** `data`: base64, three bytes in four characters. */
function leftOut(what: string, data: string): string {
  return `[${visible(what, 120)}, ${Math.ceil((data.length * 3) / 4 / 1024)} KB, left out]`;
}
