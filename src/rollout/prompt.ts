/**
 * The format of a trajectory: one growing text. Every piece is added at its end, so each state is a prefix of the next,
 * and one pass over the tokens serves all steps.
 *
 *   {head}<thought>…</thought><action>calculator</action><input>37 * 24</input><observation>888</observation>\n
 *   <answer>The answer is (C).</answer>
 *
 * Who writes what: the model opens each step with `<thought>` or the end with `<answer>`, which is how it decides when
 * to answer. It also writes the thought, the name of the action, the input and the answer, each with its closing tag.
 * All other tags are template, written by us.
 */
import type { Tokenizer } from '../inference/generator.js';
import { isFree, LETTERS, letteredOptions, type Question, type WithOptions } from '../questions/question.js';
import { type ActionExample, type ActionInfo, THINK } from '../tools/tool.js';

export const TAG = {
  thought: '<thought>',
  thoughtEnd: '</thought>',
  action: '<action>',
  actionEnd: '</action>',
  input: '<input>',
  inputEnd: '</input>',
  observation: '<observation>',
  observationEnd: '</observation>\n',
  answer: '<answer>',
  answerEnd: '</answer>',
} as const;

/** How an answer is written (`RolloutSettings.answer`). */
export const ANSWER_FORMS = ['auto', 'letter', 'text'] as const;

/** What comes before the letter, in the sentence that graders look for. */
export const ANSWER_BEFORE = 'The answer is (';

/** The tags without line breaks; a tokenizer made for this format has one token for each. */
export const TAG_TEXTS = [
  '<thought>',
  '</thought>',
  '<action>',
  '</action>',
  '<input>',
  '</input>',
  '<observation>',
  '</observation>',
  '<answer>',
  '</answer>',
] as const;

/**
 * Changes the `<` of our tags to `‹` in text that a dataset, user or tool wrote, so that it cannot open or close a
 * block. A model also takes `</observation >`, `< / observation>` or `<answer id="1">` for one.
 */
export function neutralizeTags(text: string): string {
  return text.replace(/<(?=\s{0,8}\/?\s{0,8}(?:thought|action|input|observation|answer)(?:[\s/][^<>]*)?>)/gi, '‹');
}

/** What prompts show of a question. */
type AskedWords = Pick<Question, 'question'> & WithOptions;

/** `Question:` and `Options:` as MMLU-Pro prints them; a question without options has its first part alone. */
export function renderQuestion(question: AskedWords): string {
  if (isFree(question)) return `${QUESTION}${neutralizeTags(question.question)}\n`;
  const options = letteredOptions(question).map(neutralizeTags).join('\n');
  return `${QUESTION}${neutralizeTags(question.question)}${OPTIONS}${options}\n`;
}

/**
 * Question and options of a text that ends with what `renderQuestion` wrote; null where it holds none. The place of an option
 * that was not shown has `N/A`.
 */
export function readQuestion(text: string): { readonly question: string; readonly options: readonly string[] } | null {
  const start = text.lastIndexOf(QUESTION);
  if (start < 0) return null;
  const rest = text.slice(start + QUESTION.length);
  const at = rest.lastIndexOf(OPTIONS);
  if (at < 0) return { question: rest.trim(), options: [] };
  const options: string[] = [];
  // The official prompt goes on with the beginning of the answer.
  const listed = rest.slice(at + OPTIONS.length).split('\nAnswer:')[0]!;
  for (const line of listed.trimEnd().split('\n')) {
    const letter = LETTERS.indexOf(line[0] ?? ' ');
    // Another line of an option may begin like one, but not with a letter that is still to come.
    if (letter >= options.length && line.startsWith('. ', 1)) {
      while (options.length < letter) options.push('N/A');
      options.push(line.slice(3));
    } else if (options.length > 0) options.push(`${options.pop()}\n${line}`);
  }
  return { question: rest.slice(0, at), options };
}

const QUESTION = 'Question:\n';
const OPTIONS = '\nOptions:\n';

/** What the prompt has after the question: the end of a chat template, or nothing. */
export function promptTail(settings: PromptSettings): string {
  const last = renderHead(NO_QUESTION, settings).at(-1);
  return settings.chat !== null && last?.special === true ? last.text : '';
}

const NO_QUESTION: AskedWords = { question: 'x', options: [] };

export interface InstructionSettings {
  readonly maxSteps: number;
  readonly example: boolean;
  /** The question has no options, and this is asked for as its answer; absent: a letter is. */
  readonly wanted?: string;
}

/** The instructions for a general model; a model trained on the format does not get them. */
export function renderInstructions(
  actions: readonly ActionInfo[],
  { maxSteps, example, wanted }: InstructionSettings,
): string {
  const free = wanted !== undefined;
  const list = actions
    .map(({ name, description, inputHint }) => `- ${name}: ${description}${inputHint ? ` Input: ${inputHint}` : ''}`)
    // Of an MCP server the words are its own.
    .map(neutralizeTags)
    .join('\n');
  return `You answer ${free ? '' : 'multiple-choice '}questions step by step and may use tools.

A step is written like this, with nothing around it:
${TAG.thought}what to find out next, in one or two sentences${TAG.thoughtEnd}${TAG.action}name of one action${TAG.actionEnd}${TAG.input}input for that action${TAG.inputEnd}
The result then appears between ${TAG.observation} and </observation>. The actions:
${list}
The input of ${THINK} is your own reasoning; it has no observation.

After at most ${maxSteps} steps, or as soon as you know, finish with:
${free ? TAG.answer + wanted + TAG.answerEnd : LETTER_ANSWER}${example ? workedExample(actions, free) : ''}`;
}

const LETTER_ANSWER = `${TAG.answer}${ANSWER_BEFORE}X).${TAG.answerEnd}
where X is the letter of the correct option.`;

/**
 * Two steps and an answer, with the examples of the first and the last tool that have one: tools stand in the order of
 * prompts, in which neighbours are alike. Empty when no tool has one.
 */
function workedExample(actions: readonly ActionInfo[], free: boolean): string {
  const able = actions.filter((action) => action.example !== undefined);
  const first = able[0];
  if (first === undefined) return '';
  const last = able.at(-1)!;
  const wanted = first === last ? first.example!.wanted : `${first.example!.wanted} and ${last.example!.wanted}`;
  const second =
    first === last
      ? free
        ? renderStep(THINK, 'Now I see whether that is what was asked.', 'It is.', null)
        : renderStep(THINK, 'Now I compare it with the options.', 'It is the value of option B.', null)
      : renderExample(last.name, 'Now', last.example!);
  return `

An example, for a question that asks about ${wanted}:
${renderExample(first.name, 'First', first.example!)}${second}${TAG.answer}${free ? neutralizeTags(last.example!.observation) : `${ANSWER_BEFORE}B).`}${TAG.answerEnd}`;
}

function renderExample(name: string, when: 'First' | 'Now', { wanted, input, observation }: ActionExample): string {
  return renderStep(name, `${when} I need ${wanted}.`, input, observation);
}

function renderStep(action: string, thought: string, input: string, observation: string | null): string {
  const seen = observation === null ? '' : TAG.observation + neutralizeTags(observation) + TAG.observationEnd;
  return `${TAG.thought}${thought}${TAG.thoughtEnd}${TAG.action}${action}${TAG.actionEnd}${TAG.input}${input}${TAG.inputEnd}${seen}`;
}

/** A piece of the prompt. `special`: written by us or by the chat template, so control tokens in it are parsed. */
export interface PromptPiece {
  readonly text: string;
  readonly special: boolean;
}

export interface PromptSettings {
  readonly bosText: string;
  /** Renders the model's chat template; null for a completion model. */
  readonly chat: ((system: string, user: string) => string) | null;
  /** Null when the model needs no instructions. */
  readonly instructions: string | null;
}

// The chat template is rendered with these marks in place of the messages and then cut at the marks, so that the text
// of a question can be tokenised apart from the template, without control tokens.
const SYSTEM_MARK = 'SPARKSYSTEMTEXT';
const USER_MARK = 'SPARKUSERTEXT';

/** The prompt s_0 as pieces; `headTokens` makes tokens of them. */
export function renderHead(question: AskedWords, settings: PromptSettings): PromptPiece[] {
  // Many templates trim what a message says; trimmed already, it is the same in all of them.
  const user = settings.chat === null ? renderQuestion(question) : renderQuestion(question).trim();
  if (settings.chat === null) {
    const before = settings.instructions === null ? '' : `${settings.instructions}\n\n`;
    return pieces([
      { text: settings.bosText, special: true },
      { text: before + user, special: false },
    ]);
  }
  const marks = settings.instructions === null ? [USER_MARK] : [SYSTEM_MARK, USER_MARK];
  const contents = settings.instructions === null ? [user] : [settings.instructions, user];
  let rest = settings.chat(settings.instructions === null ? '' : SYSTEM_MARK, USER_MARK);
  const out: PromptPiece[] = [];
  marks.forEach((mark, index) => {
    const at = rest.indexOf(mark);
    // A template that drops the system message gets the instructions in front of the question, as in llama.cpp's chat.
    if (at < 0) return;
    out.push({ text: rest.slice(0, at), special: true }, { text: contents[index]!, special: false });
    rest = rest.slice(at + mark.length);
  });
  out.push({ text: rest, special: true });
  const systemDropped = settings.instructions !== null && !out.some((p) => p.text === settings.instructions);
  return pieces(
    systemDropped
      ? out.map((p) => (p.text === user ? { text: `${settings.instructions}\n${user}`, special: false } : p))
      : out,
  );
}

/**
 * The tokens of a prompt: those of the whole text, as llama.cpp's chat makes them. Tokenised one by one the pieces would
 * differ where a vocabulary joins a character of the template with one of the text, or writes a space before every text.
 * Only where a text holds a control token, the pieces are tokenised apart, so that it is none.
 */
export function headTokens(head: readonly PromptPiece[], tokenizer: Pick<Tokenizer, 'tokenize'>): number[] {
  const texts = head.filter(({ special }) => !special);
  // A completion model has no chat to be like: a token of the beginning and a text.
  const isChat = head.at(-1)?.special === true;
  if (!isChat || texts.some(({ text }) => holdsControl(text, tokenizer))) {
    return head.flatMap(({ text, special }) => tokenizer.tokenize(text, special));
  }
  return tokenizer.tokenize(head.map(({ text }) => text).join(''), true);
}

/**
 * Whether control tokens would be parsed in a text. A vocabulary that writes a space before every text may write it in one
 * case only, so the ends are compared, of texts that begin with the same token.
 */
function holdsControl(text: string, tokenizer: Pick<Tokenizer, 'tokenize'>): boolean {
  const [parsed, plain] = [true, false].map((special) => tokenizer.tokenize(`\n${text}`, special)) as [
    number[],
    number[],
  ];
  const length = Math.min(parsed.length, plain.length);
  const end = plain.slice(plain.length - length);
  return parsed.slice(parsed.length - length).some((token, index) => token !== end[index]);
}

function pieces(list: PromptPiece[]): PromptPiece[] {
  return list.filter((piece) => piece.text !== '');
}
