/**
 * A trajectory as a transcript for a terminal. What models, tools and files wrote is not to be trusted: control characters
 * are replaced, and every line of it is indented, so that none can pass for one of ours.
 */
import { styleText } from 'node:util';
import { LETTERS } from '../../questions/question.js';
import { printable } from '../../tools/observation.js';
import type { StepView, TrajectoryView } from '../../trajectory/view.js';

type Format = Parameters<typeof styleText>[0];
/** Colours a text, or leaves it as it is. */
export type Paint = (format: Format, text: string) => string;

export const plain: Paint = (_format, text) => text;

/** Colour where a person looks: on a terminal that has it, unless NO_COLOR says otherwise. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return stream.isTTY === true && stream.hasColors() ? styleText : plain;
}

/** `set`: where it stands. Ends with a line break. */
export function transcript(view: TrajectoryView, set: string, paint: Paint): string {
  const { id, category, steps, tokens, written, judge, generator, end } = view;
  const rule = view.tau === null ? view.selection : `${view.selection}, τ ${view.tau}`;
  const lines = [
    paint('bold', `── ${line(id)} ── ${line(set)} · ${line(category)} · ${rule}`),
    paint('dim', `generator ${short(generator)}, judge ${judge === null ? 'none' : short(judge)}, seed ${view.seed}`),
    ...questionLines(view, paint),
    ...steps.flatMap((step) => stepLines(step, paint)),
    ...answerLines(view, paint),
    paint(
      'dim',
      `${steps.length} ${steps.length === 1 ? 'step' : 'steps'}, ${tokens} tokens, ${written} of them the model’s; ${end.replace('_', ' ')}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function questionLines({ question, questionId, answer }: TrajectoryView, paint: Paint): string[] {
  if (question === null) return ['', `question ${questionId}, whose text is not known here`];
  const options = question.options.flatMap((option, at) => {
    const letter = LETTERS[at] ?? '?';
    if (option === 'N/A') return [];
    const text = indented(`${letter}. ${option}`, '   ');
    if (letter === question.answer) return [paint('green', `${text}  ← right`)];
    return [letter === answer && question.answer !== null ? paint('red', `${text}  ← chosen`) : text];
  });
  return ['', indented(question.question, '  '), ...options];
}

function stepLines(step: StepView, paint: Paint): string[] {
  const { index, thought, action, input, observation, toolError, truncated, choice } = step;
  const failed = toolError === null ? '' : paint('red', `  [${line(toolError)}]`);
  const how = choice === 'fallback' ? paint('yellow', '  (nothing was viable)') : '';
  const cut = truncated ? paint('yellow', '  (cut at its limit)') : '';
  return [
    '',
    paint('bold', `step ${index + 1}`) + cut,
    indented(thought.trim(), '  '),
    ...scoreLines(step, paint),
    `  ${paint('cyan', line(action))}${how}`,
    indented(input.trim(), '    > '),
    ...(observation === null ? [] : [indented(observation.trim(), '    = ') + failed]),
    ...judgedLines(step, paint),
  ];
}

function scoreLines({ scores, chosen, best, pair }: StepView, paint: Paint): string[] {
  if (scores === null) return pair === undefined ? [] : [`  score ${points(chosen)}, the best ${points(best)}`];
  const known = scores.filter(({ score }) => score !== null).length;
  const cells = scores.map(({ action, score, rank, taken }) => {
    const text = `${line(action)} ${points(score)}`;
    return taken ? paint('inverse', `▶${text} (${rank === null ? 'no rank' : `rank ${rank} of ${known}`})`) : text;
  });
  return [`  ${cells.join('  ')}`];
}

function judgedLines({ processOk, reward, scores, pair }: StepView, paint: Paint): string[] {
  if (processOk === null && scores === null && pair === undefined) return [];
  const verdict =
    processOk === null
      ? paint('yellow', 'no verdict on coherence')
      : processOk
        ? paint('green', 'coherent')
        : paint('red', 'incoherent');
  const terms =
    reward === null
      ? 'no reward'
      : `reward ${signed(reward.reward)} = rarity ${signed(reward.diversity)}, coherence ${signed(reward.coherence)}`;
  return [`  ${verdict}; ${terms}`];
}

function answerLines({ answerText, answer, correct, question }: TrajectoryView, paint: Paint): string[] {
  const right = question?.answer == null ? '' : `, right is ${question.answer}`;
  const graded = correct
    ? paint('green', 'right')
    : paint('red', answer === null ? `no letter to be read${right}` : `wrong${right}`);
  const said = answerText.trim() === '' ? [] : [indented(answerText.trim(), '  ')];
  return ['', `${paint('bold', 'answer')} ${answer ?? '–'}: ${graded}`, ...said];
}

function points(score: number | null): string {
  return score === null ? '–' : String(Number(score.toFixed(2)));
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
}

// Marks that turn the direction of what follows: with them a text can show another order than it has.
const DIRECTION = /[\u202a-\u202e\u2066-\u2069]/g;

function harmless(text: string): string {
  return printable(text).replace(DIRECTION, '\ufffd');
}

function line(text: string): string {
  return harmless(text).replace(/[\s\u2028\u2029]+/g, ' ');
}

function indented(text: string, by: string): string {
  return harmless(text)
    .split(/[\n\u2028\u2029]/)
    .map((one) => (by + one).trimEnd())
    .join('\n');
}

/** A hash by its beginning. */
function short(id: string): string {
  return line(id).replace(/([0-9a-f]{12})[0-9a-f]{20,}/g, '$1…');
}
