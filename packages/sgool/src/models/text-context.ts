/** @file What networks read of a prompt. */

/** Text conditioning: hidden states of one or two prompts, `[prompts, tokens, width]`. */
export interface TextContext {
  readonly tokens: number;
  /**
   * How many equal tokens the last one stands for, where a network reads that. Tokens of text have no places in Stable Diffusion 3, so that
   * equal ones stay equal through all of its blocks. Default 1.
   */
  readonly lastRepeats?: number;
  readonly width: number;
  readonly data: Float32Array;
  /** The prompts as a whole, `[prompts, pooledWidth]`, for networks that read that too. */
  readonly pooled?: Float32Array;
}

/** Two prompts as a batch; both have as many tokens, and the last of both stands for as many. */
export function joinContexts(first: TextContext, second: TextContext): TextContext {
  const joined = { ...first, data: joinNumbers(first.data, second.data) };
  if (first.pooled === undefined || second.pooled === undefined) return joined;
  return { ...joined, pooled: joinNumbers(first.pooled, second.pooled) };
}

function joinNumbers(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
