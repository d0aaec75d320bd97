/**
 * @file Replaces ops by others that ONNX Runtime's GPU kernels have and compute correctly. Which ones need it shows when the
 * tests of all ops run on the device (`npm run test:webgpu`).
 */

import { emit, type Node, type Tensor, type Trace } from '../graph/trace.ts';
import { abs, cast, exp, greater, less, log, sqrt, square, where } from '../ops/arithmetic.ts';
import { controlDependency } from '../ops/control-dependency.ts';
import { add, mul, reshape, sub, sum } from '../ops/core.ts';
import { matmul, transposeLast } from '../ops/matmul.ts';
import { max } from '../ops/reduce.ts';
import { concat, slice, transpose } from '../ops/shape.ts';
import { softmax } from '../ops/softmax.ts';
import { inPlaceOf } from './rewrite.ts';
import type { NodeGraph, Target } from './target.ts';

/** What is emitted in place of a node; `x` is its first operand. */
type Rule = (x: Tensor, node: Node) => Tensor;

/** CUDA's provider lacks these ops, and WebGPU's language guarantees little precision for them. */
const RULES: Readonly<Record<string, Rule>> = {
  Asin: (x) => arcSine(x),
  Acos: (x) => sub(Math.PI / 2, arcSine(x)),
};

const WEBGPU_RULES: Readonly<Record<string, Rule>> = {
  ...RULES,
  Sin: (x) => sine(x),
  Cos: (x) => cosine(x),
  Sign: (x) => sub(cast(greater(x, 0), 'float32'), cast(less(x, 0), 'float32')),
  LogSoftmax: logSoftmax,
  // ONNX Runtime's own kernel is off by one percent.
  MultiHeadAttention: (_, node) => attentionInPieces(node),
};

/** Replaces ops that the device has no kernel for, or an inexact one. */
export function lowerForGpu(graph: NodeGraph, { device }: Pick<Target, 'device'>): NodeGraph {
  if (device === 'cpu') return graph;
  const { trace } = graph;
  const rules = device === 'webgpu' ? WEBGPU_RULES : RULES;
  const nodes = graph.nodes.flatMap((node) => {
    const rule = rules[node.op];
    return rule ? inPlaceOf(trace, node, () => rule(operand(node), node)) : [node];
  });
  return { ...graph, nodes: device === 'webgpu' ? withoutSpareOutputs(gatheredWide(trace, nodes)) : nodes };
}

function operand({ op, inputs: [x] }: Node): Tensor {
  if (!x) throw new Error(`lowerForGpu: ${op} has no operand`);
  return x;
}

/**
 * `asin(x)` as `pi/2 - sqrt(1 - |x|) p(|x|)` with the sign of x, exact to 2e-8.
 *
 * Reference: Abramowitz and Stegun 1964, 4.4.46.
 */
function arcSine(x: Tensor): Tensor {
  const size = abs(x);
  const p = polynomial(
    size,
    [
      1.570796305, -0.2145988016, 0.0889789874, -0.0501743046, 0.030891881, -0.0170881256, 0.0066700901,
      -0.0012624911,
    ],
  );
  const positive = sub(Math.PI / 2, mul(sqrt(sub(1, size)), p));
  return where(less(x, 0), mul(positive, -1), positive);
}

/** Terms in the series of sine and cosine. The next one is less than 3e-8 anywhere between -pi and pi. */
const TERMS = 10;

/** `1/first! - x/(first+2)! + x²/(first+4)! - ...` */
function alternatingSeries(x: Tensor, first: 0 | 1): Tensor {
  let term = 1;
  const coefficients = Array.from({ length: TERMS }, (_, i) => {
    if (i > 0) term /= -(2 * i + first) * (2 * i + first - 1);
    return term;
  });
  return polynomial(x, coefficients);
}

function sine(x: Tensor): Tensor {
  const angle = withinOneTurn(x);
  return mul(angle, alternatingSeries(square(angle), 1));
}

function cosine(x: Tensor): Tensor {
  return alternatingSeries(square(withinOneTurn(x)), 0);
}

/** A whole turn in two parts. Products of the first with integers up to 2^16 are exact. */
const TURN = 6.28125;
const REST_OF_TURN = 2 * Math.PI - TURN;

/** The angle between -pi and pi that points the same way. */
function withinOneTurn(x: Tensor): Tensor {
  const turns = emit('Floor', [add(mul(x, 1 / (2 * Math.PI)), 0.5)], x.dtype, x.shape);
  return sub(sub(x, mul(turns, TURN)), mul(turns, REST_OF_TURN));
}

/** `c0 + c1 x + c2 x² + ...`, by Horner's rule. */
function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  const [last, next, ...others] = coefficients.toReversed();
  return others.reduce((value, c) => add(mul(value, x), c), add(mul(x, last), next));
}

function logSoftmax(x: Tensor, { attributes }: Node): Tensor {
  const along = { axes: [attributes.axis as number], keepDims: true };
  const shifted = sub(x, max(x, along));
  return sub(shifted, log(sum(exp(shifted), along)));
}

/** Bytes of probabilities that exist at once. Not every device gives buffers of more than 128 MB. */
const PIECE_BYTES = 2 ** 26;

/** `softmax(q kᵀ scale) v` of a MultiHeadAttention, a few heads or a few queries of one head at a time. */
function attentionInPieces({ inputs, attributes }: Node): Tensor {
  const heads = attributes.num_heads as number;
  const scale = (attributes.scale as { float: number }).float;
  const operands = inputs as readonly [Tensor, Tensor, Tensor];
  const [q, k, v] = operands.map((t) => {
    const [batch, tokens, width] = t.shape as [number, number, number];
    const apart = transpose(reshape(t, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
    return reshape(apart, [batch * heads, tokens, width / heads]);
  }) as [Tensor, Tensor, Tensor];
  const [groups, queries] = q.shape as [number, number];
  const rows = Math.max(1, Math.floor(PIECE_BYTES / (4 * k.shape[1])));
  const together = Math.max(1, Math.floor(rows / queries));

  const done: Tensor[] = [];
  for (let g = 0; g < groups; g += together) {
    const [qs, ks, vs] = [q, k, v].map((t) =>
      slice(t, [{ axis: 0, start: g, end: Math.min(g + together, groups) }]),
    ) as [Tensor, Tensor, Tensor];
    const pieces: Tensor[] = [];
    for (let r = 0; r < queries; r += rows) {
      const piece = slice(qs, [{ axis: 1, start: r, end: Math.min(r + rows, queries) }]);
      const waiting = controlDependency(
        mul(piece, scale),
        [pieces.at(-1) ?? done.at(-1)].filter((t) => t !== undefined),
      );
      pieces.push(matmul(softmax(matmul(waiting, transposeLast(ks))), vs));
    }
    done.push(concat(pieces, 1));
  }
  const [batch] = operands[0].shape;
  const width = v.shape[2];
  const apart = reshape(concat(done, 0), [batch, heads, queries, width]);
  return reshape(transpose(apart, [0, 2, 1, 3]), [batch, queries, heads * width]);
}

/**
 * Casts tables of half precision before rows are taken from them, not after: a GPU need not know float16, and a constant is
 * cast once, when the program is compiled.
 */
function gatheredWide(trace: Trace, live: readonly Node[]): Node[] {
  const rows = new Map(
    live.flatMap((node) => {
      const isHalf = node.op === 'Gather' && /float16/.test(node.outputs[0].dtype);
      return isHalf ? [[node.outputs[0], node] as const] : [];
    }),
  );
  return live.flatMap((node) => {
    if (rows.has(node.outputs[0])) return [];
    const [source] = node.inputs;
    const taken = node.op === 'Cast' && source ? rows.get(source) : undefined;
    if (!taken) return [node];
    const [table, indices] = taken.inputs as readonly [Tensor, Tensor];
    const axis = taken.attributes.axis as number;
    return inPlaceOf(trace, node, () => {
      const wide = emit('Cast', [table], node.outputs[0].dtype, table.shape, node);
      return emit('Gather', [wide, indices], wide.dtype, node.outputs[0].shape, { attributes: { axis } });
    });
  });
}

/** WebGPU's MaxPool gives no indices. They stay where the backward pass needs them. */
function withoutSpareOutputs(live: readonly Node[]): Node[] {
  const used = new Set(live.flatMap(({ inputs }) => inputs));
  return live.map((node) =>
    node.op === 'MaxPool' && !used.has(node.outputs[1])
      ? { ...node, outputs: node.outputs.slice(0, 1) }
      : node,
  );
}
