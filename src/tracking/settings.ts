/** The `tracking` section of the configuration: where a training's metrics are shown beside metrics.jsonl. */
import { z } from 'zod';

export const trackingSettings = z.strictObject({
  /** Event files for TensorBoard in the run's folder. */
  tensorboard: z.boolean().default(true),
  mlflow: z
    .strictObject({
      /** Of an MLflow server, without credentials; null: MLFLOW_TRACKING_URI, if that is one. */
      url: z
        .url({ protocol: /^https?$/, error: 'expected the http or https URL of an MLflow server' })
        .nullable()
        .default(null),
      /** Created where there is none. */
      experiment: z.string().min(1).default('spark-rl'),
    })
    .prefault({}),
});

export type TrackingSettings = z.infer<typeof trackingSettings>;
