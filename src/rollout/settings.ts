/** What a rollout is made with: parts and settings, named as in the configuration. */
import { renderChat } from '../inference/chatTemplate.js';
import type { Generator, PromptTokenizer } from '../inference/generator.js';
import type { Judge } from '../judge/judge.js';
import type { KeysOf } from '../options.js';
import type { Grader } from '../questions/grade.js';
import type { ActionInfo, ToolContext, ToolResult } from '../tools/tool.js';
import type { Step, Trajectory } from '../trajectory/trajectory.js';
import type { Audit } from './audit.js';
import { type ANSWER_FORMS, type InstructionSettings, type PromptSettings, renderInstructions } from './prompt.js';

/** The part of the tool registry that a rollout uses. */
export interface Tools {
  /** The tools, then `think`. */
  actions(): readonly ActionInfo[];
  run(name: string, input: string, context: ToolContext): Promise<ToolResult>;
  /** Leave it out, and a call is left behind at `timeoutMs`; true: `run` sees to that itself. */
  readonly keepsDeadlines?: boolean;
  /** Ends what the tools hold. A run calls it for tools that a function of its parts module made for it. */
  dispose?(): Promise<void>;
}

export interface RolloutDeps {
  readonly generator: Generator;
  /** Null in an evaluation, where nobody scores; the selection then has to be `policy`. */
  readonly judge: Judge | null;
  readonly tools: Tools;
  /** Says whether an answer is right; absent: `createGrader()`, which has no verifier of the user's own. */
  readonly grade?: Grader;
  /** Called with every step once its observation is there; its verdict is not yet. */
  readonly onStep?: (step: Step) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface RolloutSettings {
  /** How the action is chosen: by a rule over the judge's scores, or (`policy`) by the model itself. */
  readonly selection: Trajectory['selection'];
  /** τ */
  readonly tau: number;
  readonly maxSteps: number;
  /** Before so many steps the policy may not answer. */
  readonly minSteps: number;
  readonly temperature: number;
  readonly maxThoughtTokens: number;
  readonly maxInputTokens: number;
  readonly maxAnswerTokens: number;
  readonly stepRetries: number;
  /** Whether choices in doubt are scored again (default `off`), and how many points of 0 to 10 make a doubt (1). */
  readonly audit?: Audit;
  readonly auditMargin?: number;
  readonly toolTimeoutMs: number;
  readonly maxObservationChars: number;
  /** Whether the instructions end with a worked example. A model that wants no instructions gets none either way. */
  readonly example: boolean;
  /**
   * `letter`: the answer is one of the letters shown, in our sentence. `text`: the model writes what it likes. `auto`:
   * `text` for a model that was trained on the format and gets no instructions, else `letter`.
   */
  readonly answer: (typeof ANSWER_FORMS)[number];
  readonly seed: number;
  /** Tells several rollouts of one question apart; 0 for the first. */
  readonly attempt: number;
  /** Of the rollout set: the stage whose adapter the generator has, for the trajectories' ids; absent: none */
  readonly by?: string;
  /** What the rollout is for, where its trajectory's id does not say it: `evaluate sft`. Failures of tools are recorded by it. */
  readonly work?: string;
}

export const ROLLOUT_SETTINGS = {
  by: true,
  work: true,
  selection: true,
  tau: true,
  maxSteps: true,
  minSteps: true,
  temperature: true,
  maxThoughtTokens: true,
  maxInputTokens: true,
  maxAnswerTokens: true,
  stepRetries: true,
  audit: true,
  auditMargin: true,
  toolTimeoutMs: true,
  maxObservationChars: true,
  example: true,
  answer: true,
  seed: true,
  attempt: true,
} as const satisfies KeysOf<RolloutSettings>;

/** How the head of the prompt is rendered for this model. */
export function promptSettings(
  generator: PromptTokenizer,
  actions: readonly ActionInfo[],
  settings: InstructionSettings,
): PromptSettings {
  const { bosText, eosText, chatTemplate, wantsInstructions } = generator;
  return {
    bosText,
    chat: chatTemplate === null ? null : renderChat(chatTemplate, bosText, eosText),
    instructions: wantsInstructions ? renderInstructions(actions, settings) : null,
  };
}
