/**
 * A PPO training that is one iteration of several, each from rollouts of its own (`ablate online`): where it starts, what it
 * carries on, and what it leaves for the next. Only data that the very adapter it starts from has written is learned from.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Adapter } from '../engine/types.js';
import { SparkError, writeError } from '../errors.js';
import { type Facts, hashOfPath } from '../run/freshness.js';
import { noStage, type Run } from '../run/run.js';
import type { Trainables } from '../train/method.js';
import type { TrainedPart } from '../train/trainer.js';

/** Of a training's specification. */
export interface Continued {
  /** From 0 */
  readonly iteration: number;
  /** How many there are in all: the schedule of learning rates is over them. */
  readonly of: number;
  /** The stage of the iteration before; absent in the first, which starts from `init` with a fresh critic. */
  readonly after?: string;
}

interface Spec {
  readonly name: string;
  readonly method: string;
  readonly init: string;
  readonly by?: string;
  readonly online?: Continued;
}

/** The stage, path or `base` whose adapter a training starts from. */
export function startOf({ init, online }: Spec): string {
  return online?.after ?? init;
}

/** Throws `invalid_argument` for a specification that contradicts itself. */
export function checkContinued(spec: Spec): void {
  const { name, method, by, online } = spec;
  const refuse = (expected: string, got: unknown) => {
    throw new SparkError('invalid_argument', `trainStage ${name}: expected ${expected}, got ${got}`);
  };
  if (by !== undefined && by !== startOf(spec))
    refuse(`rollouts by the adapter it starts from (${startOf(spec)})`, `by: ${by}`);
  if (online === undefined) return;
  const { iteration, of, after } = online;
  if (method !== 'ppo') refuse('method ppo with online', method);
  if (!Number.isInteger(iteration) || iteration < 0 || iteration >= of)
    refuse(`online.iteration from 0 to ${of - 1}`, iteration);
  if ((iteration === 0) !== (after === undefined))
    refuse('online.after in every iteration but the first', after ?? 'none');
  if (after !== undefined && by === undefined)
    refuse(`by: ${after}, as an iteration learns from rollouts by the adapter it goes on from`, 'none');
}

/** What else the training depends on. */
export async function continuedFacts(run: Run, spec: Spec, start: string | null): Promise<Facts> {
  const { by, online } = spec;
  if (by === undefined && online === undefined) return {};
  if (online === undefined) return { by };
  const { iteration, of, after } = online;
  const before = after === undefined ? {} : { before: await hashOfPath(stateOf(run, after), run.signal) };
  return { by, online: { iteration, of, start: start === null ? null : await hashOfPath(start), ...before } };
}

/** The weights, moments and critic that the stage has left. */
function stateOf(run: Run, stage: string): string {
  const folder = run.folder.stateFolder(stage);
  if (run.adapterOf(stage) === null) throw noStage(run, stage);
  if (existsSync(folder)) return folder;
  throw new SparkError(
    'no_data',
    `${folder}: expected what the training "${stage}" left for the next, got none; remove its adapter, and it is trained again`,
  );
}

/** Reads what the iteration before has left, so that critic and moments carry on. */
export async function continueFrom(run: Run, { online }: Spec, trainables: Trainables): Promise<void> {
  if (online?.after === undefined) return;
  const folder = stateOf(run, online.after);
  for (const [name, trainable] of Object.entries(trainables)) await trainable.loadState(stateFile(folder, name));
}

/** Which part of the training this is; absent: all of it. `reference` opens the policy that its first iteration began with. */
export async function partOf(
  { online }: Spec,
  reference: () => Promise<Adapter>,
): Promise<{ readonly part?: TrainedPart }> {
  if (online === undefined) return {};
  const { iteration, after } = online;
  return { part: { iteration, reference: after === undefined ? null : await reference() } };
}

/** Keeps what the next iteration goes on from; the files, none after the last. */
export async function leaveState(run: Run, spec: Spec, trainables: Trainables): Promise<string[]> {
  if (!leavesState(spec)) return [];
  const folder = run.folder.stateFolder(spec.name);
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [key, trainable] of Object.entries(trainables)) await trainable.saveState(stateFile(folder, key));
  } catch (error) {
    throw writeError(error, folder);
  }
  return Object.keys(trainables).map((key) => stateFile(folder, key));
}

export function leavesState({ online }: Spec): boolean {
  return online !== undefined && online.iteration < online.of - 1;
}

function stateFile(folder: string, name: string): string {
  return path.join(folder, `${name}.safetensors`);
}
