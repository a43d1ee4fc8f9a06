/** `spark-rl verify parity` and `verify resume`; what they find wrong makes the command fail. */
import type { Config } from '../../config/index.js';
import { resumeText, verifyResume } from '../../doctor/resume.js';
import { SparkError } from '../../errors.js';
import type { Log } from '../../log.js';
import { checkPrompts, noPrompts, type PromptCheck } from '../../parity/prompts.js';
import { someOf } from '../../parity/sequences.js';
import { parityText } from '../../parity/table.js';
import { type ParityTokens, verifyParity } from '../../parity/verify.js';
import { RunFolder, runRoot } from '../../run/folder.js';
import { readTrajectories } from '../../trajectory/store.js';
import type { Trajectory } from '../../trajectory/trajectory.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions } from '../options.js';
import { readTokens } from '../tokensFile.js';

export default defineCommand({
  positionals: { what: { choices: ['parity', 'resume'], demandOption: true } },
  options: {
    ...configOptions,
    adapter: { type: 'string', describe: 'for parity: GGUF LoRA file or PEFT folder (default: one made up)' },
    tokens: {
      type: 'string',
      describe: 'for parity: JSON file with lists of token ids (default: the run’s, else sampled)',
    },
    tolerance: { type: 'number', describe: 'for parity: most mean |Δ log-prob| on the file as it is served, in nats' },
    'skip-exact': {
      type: 'boolean',
      default: false,
      describe: 'for parity: no comparison on an F32 copy of the weights',
    },
  },
  examples: [
    ['$0 verify parity --model m-Q4_K_M.gguf', 'base and adapter, exact arithmetic and as served'],
    ['$0 verify parity --run my', 'on what the run’s policy wrote; and whether its prompts are still the model’s'],
    ['$0 verify resume', 'SFT and PPO, straight through against interrupted and against killed'],
  ],
  async run(args, { log, signal }) {
    const config = await configFromArgs(args, { parity: { tolerance: args.tolerance } });
    const trajectories = () => trajectoriesOf(args.run);
    if (args.what === 'resume') {
      const results = await verifyResume(config, trajectories, signal);
      return { json: { results }, text: resumeText(results), failed: results.some((result) => result.different > 0) };
    }
    const report = await verifyParity({
      config,
      tokens: await tokensFor(config, args.tokens, trajectories()),
      adapterPath: args.adapter,
      skipExact: args['skip-exact'],
      prompts: args.run === undefined ? null : await promptsOf(config, trajectories(), log, signal),
      signal,
    });
    return { json: report, text: parityText(report), failed: !report.ok };
  },
});

/** The trajectories of all the run's rollout sets; without a run, none. */
async function* trajectoriesOf(run: string | undefined): AsyncGenerator<Trajectory> {
  if (run === undefined) return;
  for (const file of RunFolder.existing(runRoot(run)).trajectoryFiles()) yield* readTrajectories(file);
}

/** Given tokens, else what the run's policy wrote, else what the served model writes now. */
async function tokensFor(
  config: Config,
  file: string | undefined,
  trajectories: AsyncIterable<Trajectory>,
): Promise<ParityTokens> {
  if (file !== undefined) return { from: 'file', probes: await readTokens(file) };
  const probes = await someOf(trajectories, 4 * config.parity.tokens);
  if (probes.length === 0) return { from: 'sampled' };
  return { from: 'run', probes, temperature: config.rollout.temperature };
}

/**
 * Null, after a warning, when the prompts cannot be checked: a run can outlive its question file, and its tokens
 * remain.
 */
async function promptsOf(
  config: Config,
  trajectories: AsyncIterable<Trajectory>,
  log: Log,
  signal: AbortSignal,
): Promise<PromptCheck | null> {
  try {
    const checked = await checkPrompts(config, trajectories, signal);
    return checked.compared === 0 ? null : checked;
  } catch (error) {
    const missing = error instanceof SparkError && ['io_error', 'no_data', 'invalid_config'].includes(error.code);
    if (!missing) throw error;
    log.warn(noPrompts(error as SparkError));
    return null;
  }
}
