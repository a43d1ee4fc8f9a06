/** `spark-rl train <method>`: trains one adapter on a rollout set of a run. */
import { bestText } from '../../run/best.js';
import { withRun } from '../../run/run.js';
import { perform } from '../../stages/stage.js';
import { type TrainSpec, trainStage } from '../../stages/train.js';
import { METHOD_NAMES, type MethodName, methods } from '../../train/methods.js';
import { SELECTION_RULES } from '../../trajectory/trajectory.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, parityOptions } from '../options.js';

export default defineCommand({
  positionals: { method: { choices: METHOD_NAMES, demandOption: true } },
  options: {
    ...configOptions,
    ...parityOptions,
    stage: { type: 'string', describe: 'name in files and tables (default: sft; ppo at ρ = 0, spark above)' },
    selection: { choices: SELECTION_RULES, describe: 'learn from the rollouts of this selection' },
    tau: { type: 'number', describe: 'τ of those rollouts' },
    rho: { type: 'number', describe: 'ρ: weight of rarity against coherence; 0 is PPO without diversity' },
    init: {
      type: 'string',
      describe: 'for ppo: base, a trained stage of the run (default: sft), or the path of an adapter',
    },
    by: {
      type: 'string',
      describe: 'learn from the rollouts by this stage’s adapter, from which the training then has to start (--init)',
    },
    epochs: { type: 'number', describe: 'passes over the data (ppo: per iteration)' },
    'eval-every': {
      type: 'number',
      describe:
        'measure the adapter on validation questions every so many steps, and keep the best as STAGE-best; 0: not',
    },
    patience: { type: 'number', describe: 'end after so many measures without a better one; 0: never' },
    'learning-rate': { type: 'number', describe: 'peak of the schedule' },
  },
  examples: [
    ['$0 train sft --run my', 'on right, coherent max-score trajectories'],
    ['$0 train ppo --run my --selection max-score --rho 0', 'PPO without diversity'],
    ['$0 train ppo --run my', 'SPaRK'],
    ['$0 train ppo --run my --eval-every 20 --patience 3', 'measured while it trains; eval --stage spark-best'],
  ],
  async run(args, { log, signal }) {
    const method = args.method as MethodName;
    const config = await configFromArgs(
      { ...args, selection: undefined },
      {
        reward: { rho: args.rho },
        eval: { every: args['eval-every'], patience: args.patience },
        [method]: {
          epochs: args.epochs,
          learningRate: args['learning-rate'],
          ...(args.init === undefined ? {} : { init: args.init }),
        },
      },
    );
    const { rho } = config.reward;
    const defaults = methods[method].with(config[method]).stage(rho);
    const spec: TrainSpec = {
      name: args.stage ?? defaults.name,
      method,
      selection: args.selection ?? defaults.selection,
      tau: config.rollout.tau,
      rho,
      init: defaults.init,
      ...(args.by === undefined ? {} : { by: args.by }),
    };
    return withRun(config, { log, signal }, async (run) => {
      const summary = await perform(run, trainStage(spec));
      const adapter = run.adapterOf(spec.name);
      const best = summary.validation === undefined ? [] : [bestText(spec.name, summary.validation)];
      return { json: { stage: spec.name, ...summary, adapter }, text: [`${adapter}`, ...best].join('\n') };
    });
  },
});
