/**
 * Finds the questions of trajectories, which have no more of them than ids and tokens. A run's questions count only where
 * they are, by content, those that the trajectories were made of; else the text is read from the tokens of the prompt.
 */
import { SparkError } from '../errors.js';
import type { PromptTokenizer } from '../inference/generator.js';
import type { Log } from '../log.js';
import type { Question } from '../questions/question.js';
import { promptTail, readQuestion } from '../rollout/prompt.js';
import { promptSettings } from '../rollout/settings.js';
import { RunFolder } from '../run/folder.js';
import type { Run } from '../run/run.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import type { AskedQuestion } from '../trajectory/view.js';
import { questionFacts } from './rolloutFacts.js';
import type { TrajectorySource } from './trajectorySources.js';

type Known = ReadonlyMap<number, Question>;

export interface AskedQuestionsOptions {
  readonly run: Run | null;
  /** Questions that the user names; they are taken at their word. */
  readonly given?: readonly Question[] | undefined;
  readonly log: Log;
}

export class AskedQuestions {
  readonly #run: Run | null;
  readonly #given: Known;
  readonly #log: Log;
  readonly #known = new Map<string, Promise<Known>>();
  #tokenizer: Promise<{ tokenizer: PromptTokenizer; tail: string } | null> | null = null;

  constructor({ run, given = [], log }: AskedQuestionsOptions) {
    this.#run = run;
    this.#given = byId(given);
    this.#log = log;
  }

  /** Null where it cannot be found. */
  async of(source: TrajectorySource, trajectory: Trajectory): Promise<AskedQuestion | null> {
    const { questionId, correct, answer } = trajectory;
    const found = this.#given.get(questionId) ?? (await this.#ofRun(source)).get(questionId);
    if (found !== undefined) {
      const { question, options, answer: right } = found;
      return { question, options, answer: right };
    }
    const read = await this.#fromTokens(trajectory);
    return read === null ? null : { ...read, answer: correct ? answer : null };
  }

  async dispose(): Promise<void> {
    await (await this.#tokenizer?.catch(() => null))?.tokenizer.dispose();
  }

  #ofRun(source: TrajectorySource): Promise<Known> {
    const known = this.#known.get(source.file) ?? this.#load(source);
    this.#known.set(source.file, known);
    return known;
  }

  async #load({ made }: TrajectorySource): Promise<Known> {
    const run = this.#run;
    if (run === null || made === null) return new Map();
    const { begun, finished } = run.records.get(made.stage);
    const hashes = { ...Object(finished?.dependsOn.questions), ...Object(begun?.questions) } as Record<string, unknown>;
    if (Object.keys(hashes).length === 0) return new Map();
    try {
      const questions = await run.questions.of(made.part);
      const facts = Object(questionFacts(questions).questions) as Record<string, unknown>;
      return byId(questions.filter(({ question_id: id }) => facts[id] === hashes[id]));
    } catch (error) {
      if (!(error instanceof SparkError)) throw error;
      this.#log.warn(`questions are read from the tokens, because the run's cannot be: ${error.message}`);
      return new Map();
    }
  }

  async #fromTokens(trajectory: Trajectory): Promise<Omit<AskedQuestion, 'answer'> | null> {
    if (this.#run === null || !isOfModel(this.#run, trajectory)) return null;
    this.#tokenizer ??= this.#open(this.#run);
    const opened = await this.#tokenizer;
    if (opened === null) return null;
    const { tokens, segments } = trajectory;
    const prompt = segments
      .filter(({ kind }) => kind === 'prompt')
      .flatMap(({ start, end }) => tokens.slice(start, end));
    const text = opened.tokenizer.detokenize(prompt).trimEnd();
    return readQuestion(text.endsWith(opened.tail) ? text.slice(0, text.length - opened.tail.length) : text);
  }

  async #open(run: Run) {
    try {
      const tokenizer = await run.parts.tokenizer();
      const tail = promptTail(promptSettings(tokenizer, [], { maxSteps: 1, example: false }));
      return { tokenizer, tail: tokenizer.detokenize(tokenizer.tokenize(tail, true)).trimEnd() };
    } catch (error) {
      if (!(error instanceof SparkError)) throw error;
      this.#log.warn(`no question is shown whose text stands in its tokens alone: ${error.message}`);
      return null;
    }
  }
}

function byId(questions: readonly Question[]): Known {
  return new Map(questions.map((question) => [question.question_id, question]));
}

/** Whether the run's model is the one whose tokens they are, as far as it is known. */
function isOfModel({ folder }: Run, { generator, tokenised }: Trajectory): boolean {
  const sha256 = RunFolder.peek(folder.root)?.run?.modelSha256;
  return tokenised === 'later' || (typeof sha256 === 'string' && generator.startsWith(`sha256:${sha256}`));
}
