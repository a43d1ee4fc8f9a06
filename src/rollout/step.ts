/**
 * Writes one step of a rollout: thought, scores, action, input, observation. Its tokens are appended to the transcript
 * (prompt.ts has the format).
 */
import { signalOf } from '../abortable.js';
import { SparkError } from '../errors.js';
import type { GenerateOptions, Tokenizer } from '../inference/generator.js';
import type { JudgedStep } from '../judge/judge.js';
import type { Question } from '../questions/question.js';
import { mixSeeds, seededRandom } from '../random.js';
import { inTime } from '../tools/inTime.js';
import { type ActionInfo, checkResult, THINK, type ToolContext } from '../tools/tool.js';
import type { ActionTokens } from '../trajectory/choices.js';
import { trajectoryId } from '../trajectory/rolloutSet.js';
import type { Score, SegmentKind, Step } from '../trajectory/trajectory.js';
import { type AuditedVerdict, askAudited } from './audit.js';
import { neutralizeTags, TAG } from './prompt.js';
import { type Selection, selectAction } from './select.js';
import type { RolloutDeps, RolloutSettings } from './settings.js';
import type { Transcript } from './transcript.js';

/** What random numbers are drawn for; each has its own seeded stream. */
const DRAW = { opening: 0, thought: 1, selection: 2, action: 3, input: 4, answer: 5, audit: 6 } as const;

export interface RolloutState {
  readonly question: Question;
  readonly deps: RolloutDeps;
  readonly settings: RolloutSettings;
  readonly transcript: Transcript;
  /** Finished steps. The verdict on the last one comes with the next request to the judge. */
  readonly steps: Step[];
}

export function sampling(
  { question, deps, settings }: RolloutState,
  step: number,
  draw: keyof typeof DRAW,
): Omit<GenerateOptions, 'stop' | 'maxTokens'> {
  const seed = mixSeeds(settings.seed, question.question_id, settings.attempt, step, DRAW[draw]);
  return { temperature: settings.temperature, seed, ...signalOf(deps) };
}

export function judgedSteps(steps: readonly Step[]): JudgedStep[] {
  return steps.map(({ thought, action, input, observation }) => ({ thought, action, input, observation }));
}

/** Writes a step whose opening tag `<thought>` is already there. */
export async function writeStep(state: RolloutState, stateEnd: number): Promise<void> {
  const { transcript, steps } = state;
  const index = steps.length;
  const thought = await writeBlock(state, 'thought', index, state.settings.maxThoughtTokens);
  const verdict = await judgeStep(state, thought.text);
  transcript.template(TAG.action, index);
  const chosen = await chooseAction(state, index, verdict?.scores ?? null);
  transcript.template(TAG.input, index);
  const input = await writeBlock(state, 'input', index, state.settings.maxInputTokens);
  const { observation, toolError } = await observe(state, index, chosen.action, input.text);
  const written: Step = {
    index,
    stateEnd,
    thought: thought.text,
    scores: verdict?.scores ?? null,
    ...(verdict !== null && verdict.verdicts.length > 1 ? { verdicts: verdict.verdicts } : {}),
    action: chosen.action,
    choice: chosen.choice,
    input: input.text,
    observation,
    toolError,
    truncated: thought.truncated || input.truncated,
    processOk: null,
  };
  steps.push(written);
  state.deps.onStep?.(written);
}

/** The model writes up to the closing tag; if it does not write that in time, the template closes the block. */
async function writeBlock(
  state: RolloutState,
  kind: Extract<SegmentKind, 'thought' | 'input'>,
  step: number,
  maxTokens: number,
): Promise<{ text: string; truncated: boolean }> {
  const closing = kind === 'thought' ? TAG.thoughtEnd : TAG.inputEnd;
  const options = { ...sampling(state, step, kind), stop: [closing], maxTokens };
  const { text, finish } = await state.transcript.generate(kind, step, options);
  const truncated = finish !== 'stop';
  if (truncated) state.transcript.template(closing, step);
  return { text, truncated };
}

/** The scores for the open step; the same verdict says whether the step before it was coherent, which is stored there. */
async function judgeStep(state: RolloutState, thought: string): Promise<AuditedVerdict | null> {
  const { deps, question, settings, steps } = state;
  if (deps.judge === null) return null;
  const request = { question, steps: judgedSteps(steps), thought, answer: null, actions: deps.tools.actions() };
  const { selection, tau, auditMargin: margin = 1, stepRetries: retries } = settings;
  // Where the policy chooses, no score does.
  const [rule, audit] = selection === 'policy' ? (['max-score', 'off'] as const) : [selection, settings.audit ?? 'off'];
  const { seed } = sampling(state, steps.length, 'audit');
  const verdict = await askAudited(deps.judge, request, { rule, tau, margin, audit, retries, seed }, deps.signal);
  const last = steps.pop();
  if (last !== undefined) steps.push({ ...last, processOk: verdict.processOk });
  return verdict;
}

/**
 * Picks the action and writes its name, as a segment `action` even when the scores and not the model chose it: this is
 * the a_t whose probability PPO is to change. Names are tokenised the same way in both cases.
 */
async function chooseAction(
  state: RolloutState,
  step: number,
  scores: Readonly<Record<string, Score>> | null,
): Promise<Selection | { action: string; choice: 'policy' }> {
  const { deps, settings, steps, transcript } = state;
  const names = deps.tools.actions().map(({ name }) => name);
  const texts = names.map(nameText);
  if (scores === null || settings.selection === 'policy') {
    const index = await transcript.choose('action', step, texts, sampling(state, step, 'action'));
    return { action: names[index]!, choice: 'policy' };
  }
  const selection = selectAction(names, scores, {
    rule: settings.selection,
    tau: settings.tau,
    used: (action) => steps.filter((taken) => taken.action === action).length,
    random: seededRandom(sampling(state, step, 'selection').seed),
  });
  if (selection === null) throw new SparkError('internal', 'expected a verdict with at least one score, got none');
  transcript.write('action', step, texts[names.indexOf(selection.action)]!, true);
  return selection;
}

/** An action's name as it is written: with the closing tag, which says that the name is not the start of a longer one. */
function nameText(name: string): string {
  return `${name}${TAG.actionEnd}`;
}

/** The actions with the tokens that `chooseAction` writes, or lets the model choose among. */
export function actionTokens(
  actions: readonly Pick<ActionInfo, 'name'>[],
  tokenizer: Pick<Tokenizer, 'tokenize'>,
): ActionTokens[] {
  return actions.map(({ name }) => ({ name, tokens: tokenizer.tokenize(nameText(name), true) }));
}

async function observe(
  { question, deps, settings, transcript }: RolloutState,
  index: number,
  action: string,
  input: string,
): Promise<Pick<Step, 'observation' | 'toolError'>> {
  if (action === THINK) return { observation: null, toolError: null };
  const { toolTimeoutMs: timeoutMs, maxObservationChars, work, attempt } = settings;
  const step = [...(work === undefined ? [] : [work]), trajectoryId(question.question_id, settings, attempt), index];
  // The registry has checked it; other Tools may be the user's own.
  const context = { timeoutMs, maxObservationChars, step: step.join(' '), ...signalOf(deps) };
  const call = (given: ToolContext) => deps.tools.run(action, input, given);
  const result = checkResult(
    action,
    await (deps.tools.keepsDeadlines === true ? call(context) : inTime(call, context)),
  );
  const observation = neutralizeTags(result.observation);
  transcript.template(TAG.observation, index);
  transcript.write('observation', index, observation, false);
  transcript.template(TAG.observationEnd, index);
  return { observation, toolError: result.ok ? null : result.code };
}
