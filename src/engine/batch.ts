/** What an engine call computes on: a packed batch, and the sizes of one. */

/**
 * B sequences packed without padding into N tokens. Entry i of every (N) array belongs to tokens[i]: log-prob i is the
 * log-prob of tokens[i] given the tokens before it in its sequence. The first token of a sequence has none.
 */
export interface Batch {
  /** (N) */
  readonly tokens: Int32Array;
  /** (B + 1), from 0 to N, strictly increasing */
  readonly cuSeqlens: Int32Array;
  /** (N) 1 where the policy wrote the token and it carries a loss; 0 at the first token of a sequence */
  readonly lossMask: Uint8Array;
  /** (N) natural log, read where lossMask is 1 */
  readonly oldLogprobs?: Float32Array;
  /** (N) */
  readonly refLogprobs?: Float32Array;
  /** (N) A_t of the step that the token belongs to */
  readonly advantages?: Float32Array;
  /** (N) index of the step a token belongs to, unique over the batch; needed for `ratio: 'step'` */
  readonly stepIds?: Int32Array;
  /** (T) packed positions at which V(s_t) is read, ascending */
  readonly valuePositions?: Int32Array;
  /** (T) R_t */
  readonly returns?: Float32Array;
  /**
   * (G) packed positions of the tokens after which one of a few tokens comes next, ascending. As with valuePositions, what
   * is read is the state at that token. Any token will do, a sequence's last one among them: so a state that no sequence
   * passes through can be appended as a sequence of its own.
   *
   * Log-probs of a choice are a log-softmax over the logits of its alternatives alone. That is how a generator's `choose`
   * draws, at temperature 1: it walks the tokens of the options as a trie, and draws at every node with more than one
   * child. Each such node is a choice, and log p(option) is the sum over the nodes on its way (docs/algorithm.md).
   */
  readonly choicePositions?: Int32Array;
  /**
   * (G + 1), from 0 to J, each at least 2 more than the one before: choice g is among choiceTokens from
   * choiceOffsets[g] to choiceOffsets[g + 1] − 1
   */
  readonly choiceOffsets?: Int32Array;
  /** (J) token ids, different ones within a choice */
  readonly choiceTokens?: Int32Array;
  /**
   * (J) finite, at least 0: the weight of each alternative in the loss −Σ target · lp, which every accumulate call of an
   * adapter adds to its own in the same pass. No normalizer divides it, so the targets hold it already. Without targets
   * choices have no loss, and accumulate calls do not read them.
   */
  readonly choiceTargets?: Float32Array;
}

/** The sizes of a batch that decide how much memory a pass over it takes. */
export interface BatchShape {
  /** N */
  readonly tokens: number;
  /** B, default 1 */
  readonly sequences?: number;
  /** Tokens of the longest sequence; default `tokens` */
  readonly longest?: number;
  /** N_a, default 0 */
  readonly lossTokens?: number;
  /** T, default 0 */
  readonly values?: number;
  /** G, default 0; counted as having targets */
  readonly choices?: number;
  /** J, default 2 for each choice */
  readonly alternatives?: number;
  /**
   * Tokens that all sequences begin with alike, before anything that is read, and after which each goes on; default 0. A
   * model that computes what is common once (ModelInfo.prefixUnit) takes that much less memory.
   */
  readonly prefix?: number;
}
