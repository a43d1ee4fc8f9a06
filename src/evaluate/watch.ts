/**
 * Looks for failure signs in a training, row by row. The same rows give the same signs at the same steps, so a training that
 * goes on, or a report, learns from the file what was seen before.
 */
import type { Thresholds } from './signLimits.js';
import { SIGN_CODES, SIGNS, type SignCode } from './signs.js';
import { TrainingHistory, type TrainingRow } from './trainingHistory.js';

export interface SeenSign {
  readonly code: SignCode;
  /** What was seen at first, and what to do. */
  readonly message: string;
  /** Optimizer steps that were done when it was seen first, and last. */
  readonly step: number;
  readonly lastStep: number;
}

export class TrainingWatch {
  readonly #limits: Thresholds;
  readonly #seen = new Map<SignCode, SeenSign>();
  #history = new TrainingHistory();
  #standing: readonly SignCode[] = [];

  constructor(limits: Thresholds) {
    this.#limits = limits;
  }

  /** Takes the training's next row; returns the signs that were not seen before it. A fresh start forgets all. */
  add(row: TrainingRow): SeenSign[] {
    if (row.event === 'start' && row.afterStep === undefined) {
      this.#history = new TrainingHistory();
      this.#seen.clear();
    }
    this.#history.add(row);
    const found = SIGN_CODES.flatMap((code) => {
      const message = SIGNS[code].ofTraining?.(this.#history, this.#limits) ?? null;
      return message === null ? [] : [{ code, message: `${message}: ${SIGNS[code].remedy}` }];
    });
    this.#standing = found.map(({ code }) => code);
    return found.flatMap((sign) => this.#keep(sign));
  }

  /** All signs, in the order in which they were seen. */
  get seen(): readonly SeenSign[] {
    return [...this.#seen.values()];
  }

  /** Those that the last row still shows. */
  get standing(): readonly SignCode[] {
    return this.#standing;
  }

  #keep({ code, message }: Pick<SeenSign, 'code' | 'message'>): SeenSign[] {
    const { step: lastStep } = this.#history;
    const known = this.#seen.get(code);
    const sign = { ...(known ?? { code, message, step: lastStep }), lastStep };
    this.#seen.set(code, sign);
    return known === undefined ? [sign] : [];
  }
}
