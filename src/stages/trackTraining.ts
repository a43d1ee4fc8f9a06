/** The places where a training is shown beside metrics.jsonl, as the configuration says. */
import path from 'node:path';
import { toSparkError } from '../errors.js';
import type { TrainingRow } from '../evaluate/trainingHistory.js';
import type { Run } from '../run/run.js';
import { redactKnown } from '../secrets/redact.js';
import { MlflowTracker } from '../tracking/mlflow.js';
import { mlflowEndpoint } from '../tracking/mlflowClient.js';
import { TensorboardTracker } from '../tracking/tensorboard.js';
import type { Outcome, Tracker } from '../tracking/tracker.js';

/** All of them as one. Closed before it has begun it shows nothing. */
export class Trackers implements Tracker {
  readonly #all: readonly Tracker[];
  #begun = false;

  constructor(all: readonly Tracker[]) {
    this.#all = all;
  }

  begin(kept: readonly TrainingRow[]): void {
    this.#begun = true;
    for (const tracker of this.#all) tracker.begin(kept);
  }

  add(row: TrainingRow): void {
    if (this.#begun) for (const tracker of this.#all) tracker.add(row);
  }

  async close(outcome: Outcome): Promise<void> {
    if (this.#begun) await Promise.all(this.#all.map((tracker) => tracker.close(outcome)));
    this.#begun = false;
  }
}

/** `params`: plain values by name, which say what is trained. */
export function trackersOf(run: Run, stage: string, params: Readonly<Record<string, unknown>>): Trackers {
  const { folder, log, config } = run;
  const { tensorboard } = config.tracking;
  const files = tensorboard ? [new TensorboardTracker({ folder: folder.tensorboardFolder(stage), stage, log })] : [];
  return new Trackers([...files, ...mlflowOf(run, stage, params)]);
}

function mlflowOf({ folder, log, config }: Run, stage: string, params: Readonly<Record<string, unknown>>): Tracker[] {
  const { url, experiment } = config.tracking.mlflow;
  try {
    const endpoint = mlflowEndpoint(url, process.env);
    if (endpoint === null) return [];
    const runName = `${shortName(folder.root)}/${stage}`;
    const shown = Object.entries(params).map(([name, value]) => [name, redactKnown(String(value))]);
    const remember = (row: TrainingRow) => folder.metrics.append(row);
    const options = { endpoint, experiment, runName, stage, params: Object.fromEntries(shown), log, remember };
    return [new MlflowTracker(options)];
  } catch (error) {
    log.warn(`${stage} is not shown in MLflow: ${toSparkError(error).message}`);
    return [];
  }
}

/** As `--run` names it; of a run elsewhere its folder alone, as a path is nobody's business. */
function shortName(root: string): string {
  const inside = path.relative(path.resolve('runs'), root);
  return inside.startsWith('..') || path.isAbsolute(inside) ? path.basename(root) : inside;
}
