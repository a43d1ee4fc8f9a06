/** The `watch` section of the configuration: what follows from each failure sign, and where it begins. */
import { z } from 'zod';
import { signLimits } from '../evaluate/signLimits.js';
import { SIGN_CODES, SIGN_RULES, type SignCode } from '../evaluate/signs.js';

const rule = z.enum(SIGN_RULES).default('warn');

export const watchSettings = z.strictObject({
  /** By code: `warn`, `stop` (end the training, keeping its checkpoint), `off`. */
  rules: z
    .strictObject(Object.fromEntries(SIGN_CODES.map((code) => [code, rule])) as Record<SignCode, typeof rule>)
    .prefault({}),
  limits: signLimits.prefault({}),
});

export type WatchSettings = z.infer<typeof watchSettings>;
