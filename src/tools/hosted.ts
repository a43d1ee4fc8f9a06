/** Built-in tools as `Tool` objects that run in sandboxed children. */
import { builtinTool } from './builtin.js';
import type { ToolHost } from './host.js';
import type { ActionExample, Tool } from './tool.js';

/** What prompts say about a built-in tool. */
export function describeHosted(name: string): Pick<Tool, 'description' | 'inputHint'> & { example: ActionExample } {
  const { description, inputHint, worked } = builtinTool(name)!;
  return { description, inputHint, example: worked };
}

/**
 * A tool that works in the sandboxed children of `host`, because evaluating what a model wrote may be dangerous or take
 * for ever.
 */
export function hostedTool(name: string, host: ToolHost): Tool {
  const run: Tool['run'] = (input, context) => host.run(name, input, context);
  return { name, ...describeHosted(name), keepsDeadlines: true, run };
}
