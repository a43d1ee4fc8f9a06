/** What callers of a sequence give it, checked where they give it: what llama.cpp says of it later names no argument. */
import { SparkError, shown } from '../errors.js';
import { requireKeys } from '../options.js';
import { GENERATE_OPTIONS, type GenerateOptions, SAMPLING } from './generator.js';

export function checkGenerate(options: GenerateOptions): void {
  const what = 'sequence.generate: options';
  requireKeys(options, GENERATE_OPTIONS, what);
  const { stop, maxTokens } = options;
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== 'string')) {
    throw wrong(`${what}.stop`, 'a list of texts', stop);
  }
  if (typeof maxTokens !== 'number' || Number.isNaN(maxTokens)) throw wrong(`${what}.maxTokens`, 'a number', maxTokens);
  checkValues(options, what);
}

export function checkSampling(sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>): void {
  const what = 'sequence.choose: sampling';
  requireKeys(sampling, SAMPLING, what);
  checkValues(sampling, what);
}

export function checkTokens(tokens: readonly number[]): void {
  for (const token of tokens) {
    if (Number.isInteger(token) && token >= 0) continue;
    throw wrong('sequence.append: tokens', 'ids of tokens, which are whole numbers from 0 on', token);
  }
}

function checkValues({ temperature, seed }: Omit<GenerateOptions, 'stop' | 'maxTokens'>, what: string): void {
  if (!(typeof temperature === 'number' && temperature >= 0)) {
    throw wrong(`${what}.temperature`, 'a number of at least 0', temperature);
  }
  if (typeof seed !== 'number' || Number.isNaN(seed)) throw wrong(`${what}.seed`, 'a number', seed);
}

function wrong(what: string, expected: string, got: unknown): SparkError {
  return new SparkError('invalid_argument', `${what}: expected ${expected}, got ${shown(got)}`);
}
