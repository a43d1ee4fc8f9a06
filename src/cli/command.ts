/** A yargs module made from plain data, so that a command's file holds its options, its work and nothing else. */
import type { Argv, CommandModule, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import { type CommandContext, type CommandResult, type OutputOptions, runCommand } from './run.js';
import { asGiven, valuesOf } from './values.js';

type Named<T> = Record<string, T>;

export interface CommandSpec<P extends Named<PositionalOptions & Options>, O extends Named<Options>> {
  readonly positionals?: P;
  readonly options: O;
  readonly examples?: readonly (readonly [command: string, meaning: string])[];
  /** False where an interrupted call leaves nothing that the next could go on with. */
  readonly resumes?: boolean;
  run(args: InferredOptionTypes<O> & InferredOptionTypes<P>, context: CommandContext): Promise<CommandResult>;
}

/** What a command's file exports. */
export interface Command {
  builder(yargs: Argv): Argv;
  handler(args: Record<string, unknown>): Promise<void>;
}

export const outputOptions = {
  json: { type: 'boolean', default: false, describe: 'print one JSON document on stdout' },
  quiet: { type: 'boolean', default: false, describe: 'no progress on stderr' },
} as const satisfies Named<Options>;

export function defineCommand<const P extends Named<PositionalOptions & Options>, const O extends Named<Options>>(
  spec: CommandSpec<P, O>,
): Command {
  const options: Named<Options> = { ...spec.options, ...outputOptions };
  const positionals: Named<PositionalOptions> = spec.positionals ?? {};
  return {
    builder(yargs) {
      let parser: Argv = yargs;
      for (const [name, option] of Object.entries(options)) parser = parser.option(name, asGiven(option));
      for (const [name, positional] of Object.entries(positionals)) {
        parser = parser.positional(name, positional);
      }
      for (const [example, meaning] of spec.examples ?? []) parser = parser.example(example, meaning);
      return parser;
    },
    handler(args) {
      // yargs and `valuesOf` check the arguments against the same declarations that the type is inferred from.
      type Typed = InferredOptionTypes<O> & InferredOptionTypes<P>;
      return runCommand(
        args as unknown as OutputOptions,
        async (context) => spec.run(valuesOf(options, positionals, args) as Typed, context),
        { resumes: spec.resumes ?? true },
      );
    },
  };
}

/**
 * A command whose file and imports are loaded only when the command is called: loading all commands takes more than a
 * second. `usage` is the name with its positional arguments in yargs' notation: `train <method>`.
 */
export function lazyCommand(
  usage: string,
  describe: string,
  load: () => Promise<{ readonly default: Command }>,
): CommandModule {
  return {
    command: usage,
    describe,
    builder: async (yargs: Argv) => (await load()).default.builder(yargs),
    handler: async (args) => (await load()).default.handler(args),
  };
}
