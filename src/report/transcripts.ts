/** The section of a page with transcripts to read: each folded up, opened by a click and without a script. */
import { letteredOptions, type Question } from '../questions/question.js';
import type { Step, Trajectory } from '../trajectory/trajectory.js';
import { percent } from '../units.js';
import type { Picked } from './pick.js';
import { escapeHtml, oneLine } from './text.js';

export interface Transcripts {
  /** The stage whose answers they are */
  readonly stage: string;
  readonly picked: readonly Picked[];
  /** By question id; empty where the questions are no longer where the run has them from */
  readonly questions: ReadonlyMap<number, Question>;
  /** An action was viable from this score on */
  readonly tau: number;
}

/** Longest text that is shown of a block: observations may have thousands of characters. */
const MOST_CHARACTERS = 1200;

export function transcriptsSection({ stage, picked, questions, tau }: Transcripts): string {
  const items = picked.map((one) => transcript(one, questions.get(one.trajectory.questionId), tau));
  return `<p class="soft">Answers of ${escapeHtml(oneLine(stage))} to test questions. Best are right answers with the highest reward, worst
are wrong ones with the lowest, where an action below τ costs as an incoherent one does; where no judge gave scores, right ones by many different actions, and wrong ones after many failed
tools. Of actions and categories the first right answer, or the first where none is right.</p>
${items.join('\n')}`;
}

function transcript({ why, trajectory, reward }: Picked, question: Question | undefined, tau: number): string {
  const { questionId, correct, steps } = trajectory;
  const actions = steps.map(({ action }) => oneLine(action)).join(' → ') || 'no step';
  const sum = reward === null ? '' : ` · reward ${(Math.round(100 * reward) / 100 || 0).toFixed(2)}`;
  return `<details class="card transcript">
<summary><strong>${escapeHtml(why.map(oneLine).join(' · '))}</strong><br>
<span class="${correct ? 'fine' : 'wrong'}">${correct ? 'right' : 'wrong'}</span> · ${escapeHtml(actions)}${sum}</summary>
<div class="steps">
${asked(question, questionId)}
${steps.map((step) => stepBlock(step, tau)).join('\n')}
${answered(trajectory, question)}
</div>
</details>`;
}

function asked(question: Question | undefined, id: number): string {
  const head = `<h4>question ${id}</h4>`;
  if (question === undefined) return `${head}<p class="soft">Its text is not where the run had it from.</p>`;
  const options = letteredOptions(question).map((option) => `<li>${block(option)}</li>`);
  const list = options.length === 0 ? '' : `<ul class="options">${options.join('')}</ul>`;
  return `${head}<p class="said">${block(question.question)}</p>${list}`;
}

function stepBlock(step: Step, tau: number): string {
  const { index, thought, action, input, observation, toolError, truncated, processOk } = step;
  const notes = [
    scoreText(step, tau),
    truncated ? 'cut off at its limit' : '',
    processOk === false ? 'incoherent' : '',
    toolError === null ? '' : `failed: ${toolError}`,
  ].filter((note) => note !== '');
  const tail = notes.length === 0 ? '' : ` <span class="soft">${escapeHtml(oneLine(notes.join(' · ')))}</span>`;
  const saw = observation === null ? '' : `<p class="saw">${block(observation)}</p>`;
  return `<h4>step ${index + 1}: ${escapeHtml(oneLine(action))}${tail}</h4>
<p class="said">${block(thought)}</p><p class="did">${block(input)}</p>${saw}`;
}

/** The score of the action taken, its place among the scored ones and the highest score. */
function scoreText({ scores, action, choice }: Step, tau: number): string {
  const chosen = scores?.[action] ?? null;
  if (scores === null || chosen === null) return '';
  const known = Object.values(scores).filter((score) => score !== null);
  const place = 1 + known.filter((score) => score > chosen).length;
  const below = chosen < tau ? ', below τ' : '';
  const how = choice === 'fallback' ? ', nothing viable' : '';
  return `score ${number(chosen)}, number ${place} of ${known.length}, best ${number(Math.max(...known))}${below}${how}`;
}

const number = (score: number) => (Number.isInteger(score) ? String(score) : score.toFixed(1));

function answered({ answer, answerText, end }: Trajectory, question: Question | undefined): string {
  const wanted = question === undefined ? '' : `; right is ${question.answer}`;
  const how = end === 'answered' ? '' : ` (${end})`;
  return `<h4>answer ${escapeHtml(oneLine(answer ?? 'unparsed'))}${escapeHtml(`${wanted}${how}`)}</h4><p class="said">${block(answerText)}</p>`;
}

/** Text that anyone may have written: escaped, without characters that turn others' direction, cut where it is long. */
function block(text: string): string {
  const plain = text.replace(/\p{Bidi_Control}|\p{Cs}|(?![\n\t])\p{Cc}/gu, '�').trim();
  if (plain.length <= MOST_CHARACTERS) return escapeHtml(plain);
  const left = plain.length - MOST_CHARACTERS;
  const share = percent(left / plain.length);
  return `${escapeHtml(plain.slice(0, MOST_CHARACTERS))} <span class="soft">… ${left} more characters (${share})</span>`;
}
