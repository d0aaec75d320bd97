/** @file Scaled dot-product attention. Reference: torch.nn.functional.scaled_dot_product_attention. */

import { broadcastShape, show } from '../graph/shape.ts';
import { differentiable, differentiableOne, emit, type Tensor } from '../graph/trace.ts';
import { controlDependency } from './control-dependency.ts';
import { add, mul, reshape, sub, sum } from './core.ts';
import { matmul, transposeLast } from './matmul.ts';
import { concat, slice, transpose } from './shape.ts';
import { softmax } from './softmax.ts';

/** Options of `attention` and `attentionWithProbabilities`. */
export interface AttentionOptions {
  /** Factor of the scores. Default 1 / sqrt(width of a head). */
  readonly scale?: number;
  /**
   * Probabilities of more bytes than this are not kept: the backward pass computes them again, in pieces of this size, one
   * after the other. A mask, or `attentionWithProbabilities`, keeps them all. Default 64 MiB.
   */
  readonly pieceBytes?: number;
  /** Added to the scores before the softmax; broadcasts to [batch, heads, queries, keys]. It gets no gradient. */
  readonly mask?: Tensor;
}

/** Results of `attentionWithProbabilities`. */
export interface AttentionResult {
  /** [batch, heads, queries, valueWidth] */
  readonly output: Tensor;
  /** [batch, heads, queries, keys]; each row sums to 1. Differentiable too. */
  readonly probabilities: Tensor;
}

/**
 * Scaled dot-product attention with its probabilities: `softmax(q kᵀ scale + mask) v`.
 *
 * @param q [batch, heads, queries, width]
 * @param k [batch, heads, keys, width]
 * @param v [batch, heads, keys, valueWidth]
 * @throws RangeError where the shapes do not fit
 */
export function attentionWithProbabilities(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale = 1 / Math.sqrt(q.shape[q.rank - 1]), mask }: AttentionOptions = {},
): AttentionResult {
  check(q, k, v, mask);
  const [output, probabilities] = differentiable(
    'attention',
    [q, k, v],
    () => {
      const p = scores(q, k, scale, mask);
      return [matmul(p, v), p] as const;
    },
    // With dP = dO vᵀ + dProbabilities and dS = P (dP - rowsum(dP P)):
    // dq = scale dS k, dk = scale dSᵀ q, dv = Pᵀ dO
    ([dOutput, dProbabilities], [o, p]) => {
      const along = { axes: [-1], keepDims: true };
      let dp = dProbabilities;
      let mean = dProbabilities && sum(mul(dProbabilities, p), along);
      if (dOutput) {
        const throughOutput = matmul(dOutput, transposeLast(v));
        // rowsum(dP P) over the keys equals rowsum(dO O) over the width of the values, which is far smaller.
        const meanOfOutput = sum(mul(dOutput, o), along);
        dp = dp ? add(dp, throughOutput) : throughOutput;
        mean = mean ? add(mean, meanOfOutput) : meanOfOutput;
      }
      if (!dp || !mean) return [];
      const ds = mul(p, sub(dp, mean));
      return [
        matmul(ds, mul(k, scale)),
        matmul(transposeLast(ds), mul(q, scale)),
        dOutput && matmul(transposeLast(p), dOutput),
      ];
    },
  );
  return { output, probabilities };
}

/**
 * Scaled dot-product attention: `softmax(q kᵀ scale + mask) v`.
 *
 * @param q [batch, heads, queries, width]
 * @param k [batch, heads, keys, width]
 * @param v [batch, heads, keys, valueWidth]
 * @returns [batch, heads, queries, valueWidth]
 * @throws RangeError where the shapes do not fit
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { scale = 1 / Math.sqrt(q.shape[q.rank - 1]), mask, pieceBytes = 2 ** 26 } = options;
  check(q, k, v, mask);
  const [batch, heads, queries] = q.shape as [number, number, number];
  const keys = k.shape[2];
  const kept = 4 * batch * heads * queries * keys <= pieceBytes;
  if (kept || mask) return attentionWithProbabilities(q, k, v, options).output;
  return differentiableOne(
    'attention',
    [q, k, v],
    () => fused(q, k, v, scale),
    (dOutput, output) => pullbackInPieces({ q, k, v, dOutput, output, scale, pieceBytes }),
  );
}

/** ONNX Runtime's fused kernel, which never holds all probabilities. It takes [batch, tokens, heads * width]. */
function fused(q: Tensor, k: Tensor, v: Tensor, scale: number): Tensor {
  const [batch, heads, queries] = q.shape as [number, number, number];
  const merged = (t: Tensor) => reshape(transpose(t, [0, 2, 1, 3]), [batch, t.shape[2], heads * t.shape[3]]);
  const width = v.shape[3];
  const out = emit('MultiHeadAttention', [q, k, v].map(merged), q.dtype, [batch, queries, heads * width], {
    domain: 'com.microsoft',
    attributes: { num_heads: heads, scale: { float: scale } },
  });
  return transpose(reshape(out, [batch, queries, heads, width]), [0, 2, 1, 3]);
}

interface Pieces {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly dOutput: Tensor;
  readonly output: Tensor;
  readonly scale: number;
  readonly pieceBytes: number;
}

/**
 * The gradient, with the probabilities of a few heads, or of a few queries of one head, at a time. Each piece depends on the
 * one before, or ONNX Runtime would hold several at once.
 *
 * Reference: Dao et al. 2022, FlashAttention, appendix B.4: `dS = P (dP - rowsum(dO O))`.
 */
function pullbackInPieces({ q, k, v, dOutput, output, scale, pieceBytes }: Pieces): Tensor[] {
  const flat = (t: Tensor) => reshape(t, [t.shape[0] * t.shape[1], t.shape[2], t.shape[3]]);
  const [qs, ks, vs, dos] = [flat(mul(q, scale)), flat(k), flat(v), flat(dOutput)];
  const means = sum(mul(dos, flat(output)), { axes: [-1], keepDims: true });
  const [groups, queries] = qs.shape as [number, number];
  const keys = ks.shape[1];
  const rows = Math.max(1, Math.floor(pieceBytes / (4 * keys)));
  const heads = Math.max(1, Math.floor(rows / queries));

  let before: readonly Tensor[] = [dOutput];
  const collected: { readonly dq: Tensor; readonly dk: Tensor; readonly dv: Tensor }[] = [];
  for (let g = 0; g < groups; g += heads) {
    const ofHeads = (t: Tensor) => slice(t, [{ axis: 0, start: g, end: Math.min(g + heads, groups) }]);
    const [kh, vh] = [ofHeads(ks), ofHeads(vs)];
    const dqs: Tensor[] = [];
    const dks: Tensor[] = [];
    const dvs: Tensor[] = [];
    for (let r = 0; r < queries; r += rows) {
      const ofRows = (t: Tensor) =>
        slice(ofHeads(t), [{ axis: 1, start: r, end: Math.min(r + rows, queries) }]);
      const [qp, dop] = [controlDependency(ofRows(qs), before), ofRows(dos)];
      const p = softmax(matmul(qp, transposeLast(kh)));
      const ds = mul(p, sub(matmul(dop, transposeLast(vh)), ofRows(means)));
      const dq = mul(matmul(ds, kh), scale);
      const dk = matmul(transposeLast(ds), qp);
      const dv = matmul(transposeLast(p), dop);
      dqs.push(dq);
      dks.push(dks.length === 0 ? dk : add(dks[dks.length - 1], dk));
      dvs.push(dvs.length === 0 ? dv : add(dvs[dvs.length - 1], dv));
      before = [dq, dks[dks.length - 1], dvs[dvs.length - 1]];
    }
    collected.push({ dq: concat(dqs, 1), dk: dks[dks.length - 1], dv: dvs[dvs.length - 1] });
  }
  const joined = (key: 'dq' | 'dk' | 'dv', like: Tensor) =>
    reshape(
      concat(
        collected.map((piece) => piece[key]),
        0,
      ),
      like.shape,
    );
  return [joined('dq', q), joined('dk', k), joined('dv', v)];
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
  const target = [q.shape[0], q.shape[1], q.shape[2], k.shape[2]];
  const reached = mask && broadcastShape(mask.shape, target);
  if (mask && (!reached || reached.some((length, i) => length !== target[i]))) {
    throw new RangeError(`attention: mask ${show(mask.shape)} does not broadcast to ${show(target)}`);
  }
}
