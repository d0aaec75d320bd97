/** @file What networks read of a prompt. */

/** Text conditioning: hidden states of one or two prompts, `[prompts, tokens, width]`. */
export interface TextContext {
  readonly tokens: number;
  readonly width: number;
  readonly data: Float32Array;
  /** Embeddings of zeros that follow those of each prompt and are not in `data`. Default 0. */
  readonly emptyTokens?: number;
  /** The prompts as a whole, `[prompts, pooledWidth]`, for networks that read that too. */
  readonly pooled?: Float32Array;
}

/** Two prompts as a batch; both have as many tokens. */
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
