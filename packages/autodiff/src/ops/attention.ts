/** @file Scaled dot-product attention. Reference: torch.nn.functional.scaled_dot_product_attention. */
import { broadcastShape, show } from '../shape.ts';
import { differentiable, type Tensor } from '../trace.ts';
import { add, mul, sub } from './arithmetic.ts';
import { matmul, transposeLast } from './matmul.ts';
import { sum } from './reduce.ts';
import { softmax } from './softmax.ts';

export interface AttentionOptions {
  /** 1 / sqrt(width of a head) unless given. */
  readonly scale?: number;
  /** Added to the scores before the softmax; broadcasts to [batch, heads, queries, keys]. A constant: no gradient. */
  readonly mask?: Tensor;
}

export interface AttentionResult {
  /** [batch, heads, queries, valueWidth] */
  readonly output: Tensor;
  /** [batch, heads, queries, keys], rows sum to 1; differentiable too. */
  readonly probabilities: Tensor;
}

/**
 * `softmax(q kᵀ scale + mask) v`, with its probabilities.
 *
 * @param q [batch, heads, queries, width]
 * @param k [batch, heads, keys, width]
 * @param v [batch, heads, keys, valueWidth]
 */
export function attentionWithProbabilities(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale = 1 / Math.sqrt(q.shape[q.rank - 1]!), mask }: AttentionOptions = {},
): AttentionResult {
  check(q, k, v, mask);
  const [output, probabilities] = differentiable(
    'attention',
    [q, k, v],
    () => {
      const p = scores(q, k, scale, mask);
      return [matmul(p, v), p] as const;
    },
    ([dOutput, dProbabilities], [o, p]) => {
      const along = { axes: [-1], keepDims: true };
      let dp = dProbabilities;
      let mean = dProbabilities && sum(mul(dProbabilities, p!), along);
      if (dOutput) {
        const throughOutput = matmul(dOutput, transposeLast(v));
        // sum(dp * p) over the keys equals sum(dOutput * output) over the value's width, which is far smaller.
        const meanOfOutput = sum(mul(dOutput, o!), along);
        dp = dp ? add(dp, throughOutput) : throughOutput;
        mean = mean ? add(mean, meanOfOutput) : meanOfOutput;
      }
      if (!dp || !mean) return [];
      const ds = mul(p!, sub(dp, mean));
      return [
        matmul(ds, mul(k, scale)),
        matmul(transposeLast(ds), mul(q, scale)),
        dOutput && matmul(transposeLast(p!), dOutput),
      ];
    },
  );
  return { output: output!, probabilities: probabilities! };
}

/** `softmax(q kᵀ scale + mask) v`; see `attentionWithProbabilities` for shapes. */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  return attentionWithProbabilities(q, k, v, options).output;
}

function scores(q: Tensor, k: Tensor, scale: number, mask: Tensor | undefined): Tensor {
  const raw = matmul(mul(q, scale), transposeLast(k));
  return softmax(mask ? add(raw, mask) : raw);
}

function check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | undefined): void {
  const fits =
    q.rank === 4 &&
    k.rank === 4 &&
    v.rank === 4 &&
    q.shape[3] === k.shape[3] &&
    k.shape[2] === v.shape[2] &&
    [0, 1].every((axis) => q.shape[axis] === k.shape[axis] && k.shape[axis] === v.shape[axis]);
  if (!fits) {
    throw new RangeError(
      `attention: needs q [b,h,n,d], k [b,h,m,d], v [b,h,m,e], got ${show(q.shape)}, ${show(k.shape)}, ${show(v.shape)}`,
    );
  }
  const target = [q.shape[0]!, q.shape[1]!, q.shape[2]!, k.shape[2]!];
  const reached = mask && broadcastShape(mask.shape, target);
  if (mask && (!reached || reached.some((length, i) => length !== target[i]))) {
    throw new RangeError(`attention: mask ${show(mask.shape)} does not broadcast to ${show(target)}`);
  }
}
