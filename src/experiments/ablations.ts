/** All ablations by name. No other file lists them. */
import type { Config } from '../config/index.js';
import type { Experiment } from './experiment.js';
import { heldoutExperiment } from './heldout.js';
import { judgeExperiment } from './judge.js';
import { onlineExperiment } from './online.js';
import { rhoExperiment } from './rho.js';
import { signalExperiment } from './signal.js';
import { tauExperiment } from './tau.js';

/** Takes an experiment whatever it collects, and gives what is wanted of it. */
export type With<Result> = <Collected, Summary extends object>(
  experiment: Experiment<Collected, Summary>,
) => Promise<Result>;

/** Makes the experiment of a configuration and hands it on. */
type Ablation = <Result>(config: Config, use: With<Result>) => Promise<Result>;

export const ablations = {
  tau: async (config, use) => use(tauExperiment(config)),
  rho: async (config, use) => use(rhoExperiment(config)),
  heldout: async (config, use) => use(await heldoutExperiment(config)),
  judge: async (config, use) => use(judgeExperiment(config)),
  online: async (config, use) => use(onlineExperiment(config)),
  signal: async (config, use) => use(signalExperiment(config)),
} as const satisfies Readonly<Record<string, Ablation>>;

export type AblationName = keyof typeof ablations;
