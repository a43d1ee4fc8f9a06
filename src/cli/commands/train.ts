import { withSession } from '../../experiment/session.js';
import { type StageSpec, trainStage } from '../../experiment/trainStage.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, parityOptions } from '../options.js';

export default defineCommand({
  positionals: { method: { choices: ['sft', 'ppo'], demandOption: true } },
  options: {
    ...configOptions,
    ...parityOptions,
    stage: { type: 'string', describe: 'name in files and tables (default: sft; ppo at ρ = 0, spark above)' },
    policy: { choices: ['min-score', 'max-score', 'least-used'], describe: 'learn from rollouts of this policy' },
    rho: { type: 'number', describe: 'ρ: weight of rarity against coherence; 0 is PPO without diversity' },
    init: { type: 'string', describe: 'for ppo: sft (the run’s own), base, or the path of an adapter' },
    epochs: { type: 'number', describe: 'passes over the data (ppo: per iteration)' },
    'learning-rate': { type: 'number', describe: 'peak of the schedule' },
  },
  examples: [
    ['$0 train sft --run my', 'on right, coherent max-score trajectories'],
    ['$0 train ppo --run my --policy max-score --rho 0', 'PPO without diversity'],
    ['$0 train ppo --run my', 'SPaRK'],
  ],
  async run(args, { log, signal }) {
    const method = args.method as StageSpec['method'];
    const optimizer = { epochs: args.epochs, learningRate: args['learning-rate'] };
    const config = await configFromArgs(
      { ...args, policy: undefined },
      { reward: { rho: args.rho }, [method]: method === 'ppo' ? { ...optimizer, init: args.init } : optimizer },
    );
    const { rho } = config.reward;
    const spec: StageSpec =
      method === 'sft'
        ? { name: args.stage ?? 'sft', method, policy: args.policy ?? config.sft.policy, rho, init: 'base' }
        : {
            name: args.stage ?? (rho === 0 ? 'ppo' : 'spark'),
            method,
            policy: args.policy ?? 'min-score',
            rho,
            init: config.ppo.init,
          };
    return withSession(config, { log, signal }, async (session) => {
      const record = await trainStage(session, spec);
      const adapter = await session.stageAdapter(spec.name);
      return { json: { stage: spec.name, ...record, adapter }, text: `${adapter}` };
    });
  },
});
