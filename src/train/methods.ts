/** All training methods by name. No other file lists them. */
import type { z } from 'zod';
import { ppo } from './ppo.js';
import { sft } from './sft.js';

export const methods = { sft, ppo } as const;

export type MethodName = keyof typeof methods;
export const METHOD_NAMES = Object.keys(methods) as readonly MethodName[];

/** The methods' sections of the configuration. */
export type MethodSettings = { readonly [Name in MethodName]: z.infer<(typeof methods)[Name]['settings']> };
