/** What the nodes of mathjs' trees hold; which of it is there depends on `type`. */
import type { MathNode } from 'mathjs';

export type TreeNode = MathNode & {
  readonly name: string;
  readonly value: unknown;
  /** Of an operator mathjs' name, `add`; of a function a node. */
  readonly fn: string & TreeNode;
  readonly op: string;
  readonly args: TreeNode[];
  readonly content: TreeNode;
  readonly items: TreeNode[];
  readonly blocks: readonly { readonly node: TreeNode }[];
  readonly object: TreeNode;
  readonly index: (TreeNode & { readonly dimensions: readonly TreeNode[] }) | null;
  readonly start: TreeNode;
  readonly end: TreeNode;
  readonly step: TreeNode | null;
  /** A product without a sign. */
  readonly implicit?: boolean;
};
