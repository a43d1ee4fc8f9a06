/** `spark-rl ask`: a trained policy, or any model, answers a question with tools, step by step on the screen. */
import path from 'node:path';
import { type Config, resolveConfig } from '../../config/index.js';
import { SparkError } from '../../errors.js';
import type { Log } from '../../log.js';
import { LETTERS } from '../../questions/question.js';
import { runRoot } from '../../run/folder.js';
import { openConfiguredMcp } from '../../run/mcp.js';
import { Parts } from '../../run/parts.js';
import { noStage, Run, trainName } from '../../run/run.js';
import { loadParts } from '../../run/userParts.js';
import { askPolicy } from '../../stages/ask.js';
import { BASE_TOOLS } from '../../stages/evaluate.js';
import { printable } from '../../tools/observation.js';
import type { Step, Trajectory } from '../../trajectory/trajectory.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, rolloutOptions, serverOptions } from '../options.js';

export default defineCommand({
  positionals: { question: { type: 'string', demandOption: true, describe: 'the question, in quotes' } },
  options: {
    ...configOptions,
    ...serverOptions,
    steps: rolloutOptions.steps,
    stage: {
      type: 'string',
      describe: 'a trained stage of the run (default: its last), or base-tools for the model alone',
    },
    adapter: { type: 'string', describe: 'a GGUF LoRA file instead of a stage’s own' },
    answer: {
      type: 'string',
      describe: 'the right answer: says whether the policy’s is (without options: --verifier)',
    },
    option: { type: 'string', array: true, describe: 'an answer to choose from (repeatable); without: free text' },
  },
  examples: [
    ['$0 ask "What is 37 * 24?" --run my --option 864 --option 888', 'the last trained stage of the run'],
    ['$0 ask "Which gas do plants take in?" --model m.gguf --adapter a.gguf', 'no run at all'],
  ],
  async run(args, { log, signal }) {
    const config = oneSequence(await configFromArgs(args, {}, args.run === undefined ? 'none' : 'run'));
    const policy = await policyOf(config, args, log, signal);
    const { question, answer, option: options = [] } = args;
    try {
      const started = performance.now();
      const onStep = (step: Step) => log.info(stepText(step));
      const asked = { question, options, answer, adapter: policy.adapter };
      const trajectory = await askPolicy(asked, { config, parts: policy.parts, signal, onStep });
      const seconds = (performance.now() - started) / 1000;
      const { stage, adapter } = policy;
      const correct = answer === undefined ? null : trajectory.correct;
      const json = { ...answerOf(trajectory, options), correct, question, options, stage, adapter, seconds };
      return { json: { ...json, model: config.model.path }, text: answerText(trajectory, options) + verdict(correct) };
    } finally {
      policy.parts.close();
    }
  },
});

/** One question needs one sequence, and memory for no other. */
function oneSequence(config: Config): Config {
  return resolveConfig({ ...config, inference: { ...config.inference, sequences: 1 } });
}

interface Policy {
  readonly parts: Parts;
  /** GGUF file; null: the model alone */
  readonly adapter: string | null;
  /** Of the run; null: not a stage's */
  readonly stage: string | null;
}

interface Given {
  readonly run: string | undefined;
  readonly stage: string | undefined;
  readonly adapter: string | undefined;
}

async function policyOf(config: Config, given: Given, log: Log, signal: AbortSignal): Promise<Policy> {
  const { stage, adapter } = given;
  if (stage !== undefined && adapter !== undefined) {
    throw new SparkError('invalid_argument', 'expected --stage or --adapter, got both; leave one out');
  }
  if (given.run === undefined) {
    if (stage !== undefined && stage !== BASE_TOOLS.name)
      throw new SparkError('invalid_argument', `--stage ${stage} is one of a run: name it with --run`);
    const { parts: user, ownsTools } = await loadParts(config);
    const mcp = await openConfiguredMcp(config, user, { log, signal });
    const parts = new Parts({ config, judgeCacheFolder: '', user, mcp, ownsTools, log, signal });
    return { parts, adapter: adapter === undefined ? null : path.resolve(adapter), stage: null };
  }
  const root = runRoot(given.run);
  const run = await Run.inspect(config, root, { log, signal });
  if (run === null) throw new SparkError('no_data', `expected a run at ${root}, got none; spark-rl runs list`);
  if (adapter !== undefined) return { parts: run.parts, adapter: path.resolve(adapter), stage: null };
  const name = stage ?? lastTrained(run) ?? BASE_TOOLS.name;
  if (name === BASE_TOOLS.name) return { parts: run.parts, adapter: null, stage: name };
  const trained = run.adapterOf(name);
  if (trained === null) throw noStage(run, name);
  log.info(`${path.basename(root)}: ${name} (${path.basename(trained)})`);
  return { parts: run.parts, adapter: trained, stage: name };
}

function lastTrained(run: Run): string | null {
  const prefix = trainName('');
  const done = Object.entries(run.records.all()).filter(([name, { finished }]) => name.startsWith(prefix) && finished);
  return done.at(-1)?.[0].slice(prefix.length) ?? null;
}

function stepText({ index, thought, action, input, observation, toolError }: Step): string {
  const failed = toolError === null ? '' : ` [${toolError}]`;
  const lines = [`${index + 1}. ${thought.trim()}`, `   ${action}: ${input.trim()}`];
  if (observation !== null) lines.push(`   → ${observation.trim()}${failed}`);
  return printable(lines.join('\n'));
}

/** What `--json` says of the answer. */
function answerOf({ steps, answer, answerText: text, end, tokens }: Trajectory, options: readonly string[]) {
  const lettered = options.length > 0 && answer !== null;
  return {
    answer,
    option: lettered ? (options[LETTERS.indexOf(answer)] ?? null) : null,
    answerText: text,
    end,
    tokens: tokens.length,
    steps: steps.map(({ index, thought, action, input, observation, toolError, truncated }) => ({
      ...{ index, thought, action, input, observation, toolError, truncated },
    })),
  };
}

function verdict(correct: boolean | null): string {
  return correct === null ? '' : correct ? ' (right)' : ' (wrong)';
}

function answerText(trajectory: Trajectory, options: readonly string[]): string {
  const { option } = answerOf(trajectory, options);
  const said = printable(trajectory.answerText.trim());
  return option === null ? said : `${said} ${option}`;
}
