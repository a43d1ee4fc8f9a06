/**
 * Grades finished outputs, ours or anyone's, under every published protocol, and says how far each protocol agrees with
 * the predictions published in the same file.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SparkError, toSparkError } from '../errors.js';
import { jsonlRows } from '../jsonl/foreign.js';
import { checkKeys } from '../options.js';
import { type Extraction, extractAnswer, PROTOCOLS, type Protocol } from '../questions/extraction.js';
import { letteredOptions, type Question } from '../questions/question.js';
import { type Accuracy, accuracyByCategory, accuracyOf, type CategoryAccuracy } from './accuracy.js';

/** One line of an outputs file. In files of MMLU-Pro's own scripts `generated_text` is called `model_outputs`. */
const outputSchema = z.object({
  question_id: z.number().int(),
  answer: z.string().regex(/^[A-J]$/),
  category: z.string().min(1),
  generated_text: z.string(),
  pred: z.string().nullish(),
});

type Output = z.infer<typeof outputSchema>;

export interface Agreement {
  /** Outputs that carry a published prediction. */
  readonly compared: number;
  readonly agreed: number;
  readonly rate: number;
  readonly differences: readonly {
    readonly questionId: number;
    readonly ours: string | null;
    readonly published: string;
    readonly how: Extraction['how'];
  }[];
}

export interface ProtocolResult extends Accuracy {
  readonly perCategory: readonly CategoryAccuracy[];
  /** Number of outputs by what found their letter. */
  readonly how: Readonly<Record<Extraction['how'], number>>;
  /** Right answers that were guesses. They are part of `correct`, because the published protocol counts them. */
  readonly guessedCorrect: number;
  /** Null when the file has no published predictions. */
  readonly published: Agreement | null;
}

export interface Replay {
  readonly path: string;
  readonly outputs: number;
  readonly protocols: Readonly<Record<Protocol, ProtocolResult>>;
  /** Guesses of official-api that were drawn among ten options, because their question was not given. */
  readonly guessesAmongTen: number;
  /** Accuracy of the published predictions themselves; null when the file has none. */
  readonly published: Accuracy | null;
}

export interface ReplayOptions {
  /** The questions the outputs answer. Only a guess needs them: official-api draws among a question's own options. */
  readonly questions?: readonly Question[];
}

export async function replay(path: string, options: ReplayOptions = {}): Promise<Replay> {
  checkKeys(options, { questions: true }, 'replay: options');
  const outputs = await readOutputs(path);
  const optionCounts = new Map(
    (options.questions ?? []).map((question) => [question.question_id, letteredOptions(question).length]),
  );
  const unknown = outputs.filter(({ question_id }) => !optionCounts.has(question_id));
  const guesses = unknown.filter(({ generated_text }) => extractAnswer(generated_text, 'official-api').how === 'guess');
  const results = PROTOCOLS.map((name) => [name, gradeUnder(name, outputs, optionCounts)]);
  return {
    path,
    outputs: outputs.length,
    protocols: Object.fromEntries(results) as Record<Protocol, ProtocolResult>,
    guessesAmongTen: guesses.length,
    published: publishedAccuracy(outputs),
  };
}

function gradeUnder(
  protocol: Protocol,
  outputs: readonly Output[],
  optionCounts: ReadonlyMap<number, number>,
): ProtocolResult {
  const found = outputs.map((output) => ({
    output,
    ...extractAnswer(output.generated_text, protocol, optionCounts.get(output.question_id)),
  }));
  const graded = found.map(({ output, letter, how }) => ({
    category: output.category,
    correct: letter === output.answer,
    parsed: how !== 'guess' && how !== 'none',
  }));
  const how = { pattern1: 0, pattern2: 0, pattern3: 0, guess: 0, none: 0 };
  for (const one of found) how[one.how] += 1;
  return {
    ...accuracyOf(graded),
    how,
    guessedCorrect: found.filter((one) => one.how === 'guess' && one.letter === one.output.answer).length,
    published: agreement(found),
    perCategory: accuracyByCategory(graded),
  };
}

function agreement(found: readonly (Extraction & { readonly output: Output })[]): Agreement | null {
  const differences: Agreement['differences'][number][] = [];
  let compared = 0;
  for (const { output, letter, how } of found) {
    if (output.pred === undefined || output.pred === null) continue;
    compared += 1;
    if (letter === output.pred) continue;
    differences.push({ questionId: output.question_id, ours: letter, published: output.pred, how });
  }
  if (compared === 0) return null;
  const agreed = compared - differences.length;
  return { compared, agreed, rate: agreed / compared, differences };
}

function publishedAccuracy(outputs: readonly Output[]): Accuracy | null {
  const published = outputs.filter((output) => output.pred !== undefined && output.pred !== null);
  if (published.length === 0) return null;
  return accuracyOf(
    published.map(({ category, pred, answer }) => ({ category, correct: pred === answer, parsed: true })),
  );
}

async function readOutputs(path: string): Promise<Output[]> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new SparkError('io_error', `cannot read outputs from ${path}: ${toSparkError(error).message}`, {
      cause: error,
    });
  });
  const seen = new Map<number, string>();
  const outputs = jsonlRows(bytes, path, 'invalid_file').map(({ where, value }) => {
    const { model_outputs: text, ...rest } = value as Record<string, unknown>;
    const parsed = outputSchema.safeParse(text === undefined ? value : { generated_text: text, ...rest });
    if (!parsed.success) {
      const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw new SparkError(
        'invalid_file',
        `${path}: ${where}: expected question_id, answer, category, generated_text and perhaps pred; ${problems.join('; ')}`,
      );
    }
    const id = parsed.data.question_id;
    if (seen.has(id)) {
      throw new SparkError(
        'invalid_file',
        `${path}: ${where}: expected one output a question, got question_id ${id} again after ${seen.get(id)}; remove one of the two`,
      );
    }
    seen.set(id, where);
    return parsed.data;
  });
  if (outputs.length === 0) throw new SparkError('no_data', `${path}: expected at least one output, got an empty file`);
  return outputs;
}
