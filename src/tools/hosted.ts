import { builtinTool } from './builtin.js';
import type { ToolHost } from './host.js';
import type { Tool } from './tool.js';

/** What prompts say of a built-in tool. */
export function describeHosted(name: string): { readonly description: string; readonly inputHint: string } {
  const { description, inputHint } = builtinTool(name)!;
  return { description, inputHint };
}

/**
 * A tool whose work happens in `host`, a sandboxed child: parsing, running and looking up what a model wrote may take any
 * time.
 */
export function hostedTool(name: string, host: ToolHost): Tool {
  return { name, ...describeHosted(name), run: (input, context) => host.run(name, input, context) };
}
