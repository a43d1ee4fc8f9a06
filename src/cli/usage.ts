/** One line for a command line that yargs cannot understand: what is wrong with it, and where the help is. */
import { SparkError } from '../errors.js';
import { commands } from './commands.js';

/** The same in singular and plural, of which yargs' types know nothing. */
const both = (words: string) => ({ one: words, other: words }) as unknown as string;

const TOO_FEW = 'expected more arguments';

/** For `yargs.updateStrings`. What stands in braces are names, which `usageError` spells as they were typed. */
export const WORDS: Readonly<Record<string, string>> = {
  'Unknown argument: %s': both('unknown: {%s}'),
  'Unknown command: %s': both('no such command: %s'),
  'Did you mean %s?': 'no such command. Did you mean %s?',
  'Not enough arguments following: %s': '{%s}: expected a value, got none',
  'Missing required argument: %s': both('expected --%s, got none'),
  'Not enough non-option arguments: got %s, need at least %s': both(`${TOO_FEW}, got %s of %s`),
  'Invalid values:': ' ', // each stands on a line of its own
  'Argument: %s, Given: %s, Choices: %s': '{%s}: got %s, expected one of %s',
};

/** `message`: what yargs says, in `WORDS`; `args`: the command line without node and program. */
export function usageError(message: string, args: readonly string[]): SparkError {
  const usage = commands.map(({ command }) => String(command)).find((one) => one.split(' ')[0] === args[0]);
  const words = message.replace(/\{(.*?)\}/g, (_, names: string) => typed(names.split(', '), args)).trim();
  const where = usage === undefined ? 'spark-rl --help' : `spark-rl ${args[0]} --help`;
  const how = words.startsWith(TOO_FEW) ? `; usage: spark-rl ${usage}` : '';
  return new SparkError('invalid_argument', `${words.replace(/\s*\n\s*/g, '; ')}${how}; see ${where}`);
}

/** yargs names an option without its dashes, and `dry-run` as `dryRun`, too. */
function typed(names: readonly string[], args: readonly string[]): string {
  const words = args.map((arg) => arg.split('=')[0]!);
  const found = words.filter((word) => names.includes(word.replace(/^-+/, '')));
  return (found.length === 0 ? names : [...new Set(found)]).join(', ');
}
