/** A tool of one's own whose input is an object by a schema, so that its code need not read text. */
import { z } from 'zod';
import { SparkError, shown } from '../errors.js';
import { type KeysOf, requireKeys } from '../options.js';
import { oneLine } from './observation.js';
import { argumentsOf, hintOf, shapeOf } from './schemaInput.js';
import type { Tool, ToolContext, ToolResult } from './tool.js';

export interface ToolDefinition<Input extends z.ZodObject>
  extends Pick<Tool, 'name' | 'description' | 'example' | 'dispose'> {
  /**
   * What the input has to be. The model writes it as JSON, or, where one text alone is required, as that text; anything else is
   * an error that it can read, and `run` is not called.
   */
  readonly input: Input;
  /** Default: made of the schema, `JSON {"a": number, "b": number}`. */
  readonly inputHint?: string;
  /** A text is the observation of a call that went well. */
  run(
    input: z.output<Input>,
    context: ToolContext & { readonly signal: AbortSignal },
  ): string | ToolResult | Promise<string | ToolResult>;
}

const DEFINITION = {
  ...{ name: true, description: true, inputHint: true, input: true, example: true, run: true, dispose: true },
} as const satisfies KeysOf<ToolDefinition<z.ZodObject>>;

/** For `ToolRegistry.register`, which checks the texts. Throws `invalid_argument` for a definition that cannot work. */
export function defineTool<Input extends z.ZodObject>(definition: ToolDefinition<Input>): Tool {
  requireKeys(definition, DEFINITION, 'defineTool: definition');
  checkDefinition(definition);
  const { name, description, example, input: schema } = definition;
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const shape = shapeOf(json);
  const inputHint = definition.inputHint ?? hintOf(json);
  const wrong = (why: string): ToolResult => ({
    ...{ ok: false, code: 'tool_input' },
    observation: `${why}; write ${inputHint}`,
  });
  return {
    ...{ name, description, inputHint },
    ...(example === undefined ? {} : { example }),
    async run(text, context) {
      const given = argumentsOf(text, shape);
      if (!given.ok) return wrong(given.why);
      const parsed = await schema.safeParseAsync(given.value);
      if (!parsed.success) {
        const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'input'}: ${message}`);
        return wrong(oneLine(problems.join('; ')));
      }
      const answer = await definition.run(parsed.data, context);
      return typeof answer === 'string' ? { ok: true, observation: answer } : answer;
    },
    ...(definition.dispose === undefined ? {} : { dispose: () => definition.dispose!() }),
  };
}

/** What `register` cannot see any more, as the tool that it is given has functions of ours. */
function checkDefinition(definition: ToolDefinition<z.ZodObject>): void {
  const { input, run, dispose } = Object(definition) as Partial<typeof definition>;
  const wrong = (expected: string, given: unknown) =>
    new SparkError('invalid_argument', `defineTool: expected ${expected}, got ${shown(given)}`);
  if (!(input instanceof z.ZodObject)) throw wrong('input to be a z.object of zod 4', input);
  if (typeof run !== 'function') throw wrong('a function run(input, context)', run);
  if (dispose !== undefined && typeof dispose !== 'function') throw wrong('a function dispose(), or none', dispose);
}
