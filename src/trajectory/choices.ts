/**
 * Where a pass reads the probabilities of all actions in the states of a sample (docs/algorithm.md, The probability of an
 * action). The names' tokens form a trie; every node of it with several children is a choice of the engine. A node that the
 * trajectory passes through lies in its own tokens. For any other node a state with that node's tokens behind it becomes a
 * sequence of its own, a branch: names that differ in their first tokens have none.
 */
import { SparkError } from '../errors.js';
import { buildTrie, type TrieNode } from '../inference/tokenTrie.js';
import type { Decisions } from './decision.js';

/** An action's name as the model writes it: its tokens with those of the closing tag. */
export interface ActionTokens {
  readonly name: string;
  readonly tokens: readonly number[];
}

/** A node of the names' trie at which several tokens may come next. */
interface BranchingNode {
  /** Tokens from the root to it */
  readonly prefix: readonly number[];
  /** `below`: indices of the actions whose names go on with this token */
  readonly children: readonly { readonly token: number; readonly below: readonly number[] }[];
}

export interface ActionTrie {
  /** (K) */
  readonly actions: readonly ActionTokens[];
  readonly nodes: readonly BranchingNode[];
}

/** Of one sample; G choices with J alternatives in all. Its block in a batch: its tokens, then its branches. */
export interface Choices {
  readonly trie: ActionTrie;
  readonly branches: readonly Int32Array[];
  /** (G) positions in the block, ascending */
  readonly positions: Int32Array;
  /** (G + 1) */
  readonly offsets: Int32Array;
  /** (J) */
  readonly tokens: Int32Array;
  /** (G) index of each choice's state among the sample's decisions */
  readonly states: Int32Array;
  /** (G) index of its node in the trie */
  readonly nodes: Int32Array;
}

/** What choices are made from: a Sample, for example. */
interface Chosen {
  readonly id: string;
  readonly tokens: Int32Array;
  readonly decisions?: Decisions;
}

/** Throws `invalid_argument` for fewer than two actions, and for names of which one is the start of another. */
export function actionTrie(actions: readonly ActionTokens[]): ActionTrie {
  const nodes: BranchingNode[] = [];
  const walk = (node: TrieNode, prefix: readonly number[]): number[] => {
    if (node.option !== null) return [node.option];
    const at = nodes.length;
    const children = [...node.children].map(([token, child]) => ({ token, below: walk(child, [...prefix, token]) }));
    if (children.length > 1) nodes.splice(at, 0, { prefix, children });
    return children.flatMap(({ below }) => below);
  };
  walk(buildTrie(actions.map(({ tokens }) => tokens)), []);
  if (nodes.length > 0) return { actions, nodes };
  throw new SparkError('invalid_argument', `expected two actions or more to choose from, got ${actions.length}`);
}

/**
 * The sample with its choices. Throws `invalid_file` when the name that was taken is not written with the tokens that it has
 * in the trie: probabilities would be read at the wrong place.
 */
export function withChoices<T extends Chosen>(sample: T, trie: ActionTrie): T & { readonly choices: Choices } {
  const states = sample.decisions?.states ?? [];
  const inOwn: { position: number; state: number; node: number }[] = [];
  const inBranch: { branch: Int32Array; state: number; node: number }[] = [];
  states.forEach(({ position, taken }, state) => {
    checkName(sample, position, trie.actions[taken]);
    trie.nodes.forEach(({ prefix }, node) => {
      const passes = prefix.every((token, depth) => sample.tokens[position + 1 + depth] === token);
      if (passes) inOwn.push({ position: position + prefix.length, state, node });
      else inBranch.push({ branch: Int32Array.of(...sample.tokens.subarray(0, position + 1), ...prefix), state, node });
    });
  });
  inOwn.sort((a, b) => a.position - b.position);
  let end = sample.tokens.length;
  const ofBranches = inBranch.map(({ branch, state, node }) => {
    end += branch.length;
    return { position: end - 1, state, node };
  });
  const all = [...inOwn, ...ofBranches];
  const children = all.map(({ node }) => trie.nodes[node]!.children);
  const offsets = new Int32Array(all.length + 1);
  children.forEach((of, g) => {
    offsets[g + 1] = offsets[g]! + of.length;
  });
  const choices = {
    trie,
    branches: inBranch.map(({ branch }) => branch),
    positions: Int32Array.from(all, ({ position }) => position),
    offsets,
    tokens: Int32Array.from(children.flatMap((of) => of.map(({ token }) => token))),
    states: Int32Array.from(all, ({ state }) => state),
    nodes: Int32Array.from(all, ({ node }) => node),
  };
  return { ...sample, choices };
}

function checkName({ id, tokens }: Chosen, position: number, name: ActionTokens | undefined): void {
  if (name === undefined) return;
  const written = [...tokens.subarray(position + 1, position + 1 + name.tokens.length)];
  if (written.every((token, index) => token === name.tokens[index])) return;
  throw new SparkError(
    'invalid_file',
    `${id}: expected the action ${name.name} to be written as the tokens ${name.tokens.join(' ')}, got ` +
      `${written.join(' ')}; its tokenizer is not this model's: generate the rollouts again with this model`,
  );
}

/** The sequences of the sample's block in a batch. */
export function blockSequences({ tokens, choices }: Block): readonly Int32Array[] {
  return [tokens, ...(choices?.branches ?? [])];
}

/** Tokens of the sample's block in a batch; with a `prefix`, those behind it in each of its sequences. */
export function blockLength(sample: Block, prefix = 0): number {
  return blockSequences(sample).reduce((sum, sequence) => sum + sequence.length - prefix, 0);
}

type Block = Pick<Chosen, 'tokens'> & { readonly choices?: Choices };

/**
 * (S, K) log p(a | s) by state, from the (J) log-probs of the sample's choices: the sum over the nodes on the way to a. In
 * nats; the probabilities of a state add up to 1.
 */
export function actionLogprobs(choices: Choices, states: number, logprobs: Float32Array): Float64Array[] {
  const sums = Array.from({ length: states }, () => new Float64Array(choices.trie.actions.length));
  eachAlternative(choices, (j, state, below) => {
    for (const action of below) sums[state]![action]! += logprobs[j]!;
  });
  return sums;
}

/** (J) the mass below every alternative, from the (S, K) weights of actions: the targets of Σ −weight · log p(a | s). */
export function alternativeTargets(choices: Choices, weights: readonly Float64Array[]): Float32Array {
  const targets = new Float32Array(choices.tokens.length);
  eachAlternative(choices, (j, state, below) => {
    targets[j] = below.reduce((sum, action) => sum + weights[state]![action]!, 0);
  });
  return targets;
}

function eachAlternative(
  { trie, offsets, states, nodes }: Choices,
  visit: (j: number, state: number, below: readonly number[]) => void,
): void {
  nodes.forEach((node, g) => {
    trie.nodes[node]!.children.forEach(({ below }, child) => {
      visit(offsets[g]! + child, states[g]!, below);
    });
  });
}
