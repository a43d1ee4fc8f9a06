/** The options of a constrained choice as a tree of tokens, so that a common start of several options is evaluated once. */
import { SparkError } from '../errors.js';

export interface TrieNode {
  readonly children: ReadonlyMap<number, TrieNode>;
  /** Index of the option that ends here, or null on the way. */
  readonly option: number | null;
}

interface Growing {
  readonly children: Map<number, Growing>;
  option: number | null;
}

export function buildTrie(options: readonly (readonly number[])[]): TrieNode {
  const root: Growing = { children: new Map(), option: null };
  options.forEach((tokens, index) => {
    let node = root;
    for (const token of tokens) {
      let child = node.children.get(token);
      if (child === undefined) {
        child = { children: new Map(), option: null };
        node.children.set(token, child);
      }
      node = child;
    }
    if (node.option !== null || node === root) throw ambiguous(index, node.option);
    node.option = index;
  });
  // If one option were the start of another, the model could not say which of the two it means.
  const check = (node: Growing): void => {
    if (node.option !== null && node.children.size > 0) throw ambiguous(node.option, null);
    for (const child of node.children.values()) check(child);
  };
  if (options.length === 0) throw new SparkError('invalid_argument', 'expected at least one option, got none');
  check(root);
  return root;
}

function ambiguous(index: number, other: number | null): SparkError {
  const what = other === null ? 'is empty or the start of another' : `is the same as option ${other}`;
  return new SparkError(
    'invalid_argument',
    `expected options that can be told apart, but option ${index} ${what}; change it`,
  );
}
