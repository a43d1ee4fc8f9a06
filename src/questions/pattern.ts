/**
 * Verifier `regex`. Expressions run in RE2's automaton (re2js), whose time grows with the text and not with the ways to
 * match it: `(a+)+$` cannot hang a run, and the same answer gets the same verdict on a busy machine, which no time limit could
 * promise. For that there are no look-arounds and no back-references.
 */
import { RE2JS } from 're2js';

/** Longer expressions are refused. */
const MOST_PATTERN = 2000;

/** Compiled, to match whole texts. Throws an Error that says why not, for what is no expression or would match an empty answer. */
export function compilePattern(pattern: string, ignoreCase: boolean): (text: string) => boolean {
  if (pattern.length > MOST_PATTERN)
    throw new Error(`expected at most ${MOST_PATTERN} characters, got ${pattern.length}`);
  const compiled = compiledPattern(pattern, ignoreCase);
  const matches = (text: string) => compiled.matcher(text).matches();
  if (matches('')) throw new Error('it matches an empty answer');
  return matches;
}

function compiledPattern(pattern: string, ignoreCase: boolean): RE2JS {
  try {
    return RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}; write it in the syntax of RE2, without look-arounds and back-references`,
      {
        cause: error,
      },
    );
  }
}
