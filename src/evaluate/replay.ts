/**
 * Grades finished outputs, ours or anyone's, under every published protocol, and says how far each protocol agrees with
 * the predictions published in the same file. Those to questions without options are graded by the questions' verifiers.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SparkError, toSparkError } from '../errors.js';
import { jsonlRows } from '../jsonl/foreign.js';
import { checkKeys, type KeysOf } from '../options.js';
import { type Extraction, extractAnswer, PROTOCOLS, type Protocol } from '../questions/extraction.js';
import { createGrader, type Grader } from '../questions/grade.js';
import { isFree, letteredOptions, type Question } from '../questions/question.js';
import type { Verifier } from '../questions/verifier.js';
import { type Accuracy, accuracyByCategory, accuracyOf, type CategoryAccuracy, type Graded } from './accuracy.js';

/** One line of an outputs file. In files of MMLU-Pro's own scripts `generated_text` is called `model_outputs`. */
const outputSchema = z.object({
  question_id: z.number().int(),
  answer: z.string(),
  category: z.string().min(1),
  generated_text: z.string(),
  pred: z.string().nullish(),
});

type Output = z.infer<typeof outputSchema>;

/** Of an output to a question without options, which knows the answer and the category. */
const freeSchema = outputSchema.pick({ question_id: true, generated_text: true });
const letteredSchema = outputSchema.extend({ answer: z.string().regex(/^[A-J]$/) });

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
  /** Outputs to questions without options, by the questions' verifiers; null when there are none. The protocols leave them out. */
  readonly verified: (Accuracy & { readonly perCategory: readonly CategoryAccuracy[] }) | null;
}

export interface ReplayOptions {
  /**
   * The questions the outputs answer. A guess needs them, as official-api draws among a question's own options, and every output
   * to a question without options.
   */
  readonly questions?: readonly Question[];
  /** The user's own verifier, for questions that name it. */
  readonly verifier?: Verifier;
  /** As in `createGrader`. */
  readonly verifierTimeoutMs?: number;
}

const OPTIONS = { questions: true, verifier: true, verifierTimeoutMs: true } as const satisfies KeysOf<ReplayOptions>;

export async function replay(path: string, options: ReplayOptions = {}): Promise<Replay> {
  checkKeys(options, OPTIONS, 'replay: options');
  const { questions = [], ...grading } = options;
  const free = new Map(questions.filter(isFree).map((question) => [question.question_id, question]));
  const all = await readOutputs(path, free);
  const outputs = all.filter(({ question_id: id }) => !free.has(id));
  const optionCounts = new Map(questions.map((question) => [question.question_id, letteredOptions(question).length]));
  const unknown = outputs.filter(({ question_id }) => !optionCounts.has(question_id));
  const guesses = unknown.filter(({ generated_text }) => extractAnswer(generated_text, 'official-api').how === 'guess');
  const results = PROTOCOLS.map((name) => [name, gradeUnder(name, outputs, optionCounts)]);
  return {
    path,
    outputs: all.length,
    protocols: Object.fromEntries(results) as Record<Protocol, ProtocolResult>,
    guessesAmongTen: guesses.length,
    published: publishedAccuracy(outputs),
    verified: await verifiedOf(all, free, createGrader(grading)),
  };
}

async function verifiedOf(
  outputs: readonly Output[],
  free: ReadonlyMap<number, Question>,
  grade: Grader,
): Promise<Replay['verified']> {
  const graded: Graded[] = [];
  for (const { question_id: id, generated_text: text } of outputs) {
    const question = free.get(id);
    if (question === undefined) continue;
    // One line may be nothing but the answer; more of them are a chain of thought.
    const { answer, correct } = await grade(question, text, text.trim().includes('\n') ? 'chain' : 'block');
    graded.push({ category: question.category, correct, parsed: answer !== null });
  }
  return graded.length === 0 ? null : { ...accuracyOf(graded), perCategory: accuracyByCategory(graded) };
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

async function readOutputs(path: string, free: ReadonlyMap<number, Question>): Promise<Output[]> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new SparkError('io_error', `cannot read outputs from ${path}: ${toSparkError(error).message}`, {
      cause: error,
    });
  });
  const seen = new Map<number, string>();
  const outputs = jsonlRows(bytes, path, 'invalid_file').map(({ where, value }) => {
    const { model_outputs: text, ...rest } = value as Record<string, unknown>;
    const named = text === undefined ? rest : { generated_text: text, ...rest };
    const question = free.get(rest.question_id as number);
    const parsed =
      question === undefined
        ? letteredSchema.safeParse(named)
        : freeSchema.transform((output) => ({ ...question, ...output, pred: null })).safeParse(named);
    if (!parsed.success) {
      const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw new SparkError(
        'invalid_file',
        `${path}: ${where}: expected question_id, answer (a letter), category, generated_text and perhaps pred; ${problems.join('; ')}` +
          '; for questions without options name their file (--questions)',
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
