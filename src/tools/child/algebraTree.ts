/** The tree of an algebraic problem, which goes to Python as JSON: data, of which nothing is ever evaluated as text. */

/** A node: its kind, then its parts. Numbers are their digits, so that decimals stay exact. */
export type Node =
  | readonly ['num', string]
  | readonly ['sym' | 'const', string]
  | readonly ['+' | '-' | '*' | '/' | '^', Node, Node]
  | readonly ['neg' | '!', Node]
  | readonly ['list', ...Node[]]
  | readonly ['rel', string, Node, Node]
  | readonly ['call', string, readonly Node[]]
  /** An option of a call: a value, or for `dir` a side of a limit. */
  | readonly ['kw', string, Node | string]
  /** The nth derivative of an unknown function, at a point or as it stands. */
  | readonly ['prime', string, number, Node | null]
  | readonly ['congruences', ...Congruence[]]
  | Congruence;
/** Left ≡ right (mod n). */
export type Congruence = readonly ['cong', Node, Node, Node];

/** A problem as Python gets it. */
export interface Problem {
  readonly trees: readonly [Node];
  /** Names of unknown functions, as of `y` in `y'' + y = 0`. */
  readonly unknown: readonly string[];
  /** The variable of unknown functions. */
  readonly var: string | null;
  /** Whether a single solution is shown without its name, as when `solve(…, x)` says it. */
  readonly bare: boolean;
  /** What was understood, in words. */
  readonly notes: readonly string[];
}

const LEVEL: Readonly<Record<string, number>> = { rel: 0, '+': 1, '-': 1, neg: 1, '*': 2, '/': 2, '^': 4, '!': 5 };
const level = (node: Node): number => LEVEL[node[0]] ?? 9;

/** The tree as text, with the names of operations. */
export function written(node: Node): string {
  const within = (part: Node, least: number): string => (level(part) < least ? `(${written(part)})` : written(part));
  switch (node[0]) {
    case 'num':
    case 'sym':
      return node[1];
    case 'const':
      return node[1] === 'oo' ? 'infinity' : node[1];
    case '+':
      return `${within(node[1], 1)} + ${within(node[2], 2)}`;
    case '-':
      return `${within(node[1], 1)} - ${within(node[2], 2)}`;
    case '*':
    case '/':
      return `${within(node[1], 2)}${node[0]}${within(node[2], 3)}`;
    case '^':
      return `${within(node[1], 5)}^${within(node[2], 5)}`;
    case 'neg':
      return `-${within(node[1], 2)}`;
    case '!':
      return `${within(node[1], 5)}!`;
    case 'rel':
      return `${written(node[2])} ${node[1]} ${written(node[3])}`;
    case 'list':
      return `[${node
        .slice(1)
        .map((one) => written(one as Node))
        .join(', ')}]`;
    case 'call':
      return `${node[1]}(${node[2].map(written).join(', ')})`;
    case 'kw':
      return `${node[1]} = ${typeof node[2] === 'string' ? node[2] : written(node[2])}`;
    case 'prime':
      return `${node[1]}${"'".repeat(node[2])}${node[3] === null ? '' : `(${written(node[3])})`}`;
    case 'cong':
      return `${written(node[1])} ≡ ${written(node[2])} (mod ${written(node[3])})`;
    case 'congruences':
      return node
        .slice(1)
        .map((one) => written(one as Node))
        .join(', ');
  }
}

/** All nodes of a tree, it first. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const part of node.slice(1)) {
    if (!Array.isArray(part)) continue;
    if (typeof part[0] === 'string') yield* nodesOf(part as unknown as Node);
    else for (const one of part as unknown as Node[]) yield* nodesOf(one);
  }
}
