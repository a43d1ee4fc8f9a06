import type { PpoResult } from '../train/ppo.js';
import type { SftResult } from '../train/sft.js';

/** A finished stage, as `stages.json` remembers it. */
export interface StageRecord {
  /** GGUF file, relative to the run folder */
  readonly adapter: string;
  readonly dependsOn: string;
  readonly result: SftResult | PpoResult;
}
