/** @file The programs that show whether a device works and how fast it is: products of two square matrices. */
import { trace } from '../graph/trace.ts';
import { encodeModel } from '../onnx/encode.ts';
import { cast } from '../ops/arithmetic.ts';
import { matmul } from '../ops/matmul.ts';
import { max } from '../ops/reduce.ts';
import { liveNodes } from '../passes/dead-code.ts';

/** A model that returns the largest element of x x for a matrix x [side, side]; where all elements of x are 1 / side, so is it. */
export interface ProbeModel {
  readonly side: number;
  readonly model: Uint8Array;
}

function probeModel(side: number, precision: 'float32' | 'float16'): ProbeModel {
  const graph = trace({ x: { shape: [side, side] } }, ({ x }) => {
    const factor = cast(x, precision);
    return { y: max(cast(matmul(factor, factor), 'float32')) };
  });
  const { bytes } = encodeModel({ ...graph, nodes: liveNodes(graph) }, (file) => file);
  return { side, model: bytes };
}

export interface ProbeModels {
  /** Shows that the device works. */
  readonly small: ProbeModel;
  /** Large enough that a fast device is not limited by the overhead of a call. */
  readonly large: ProbeModel;
  /** In float16. */
  readonly half: ProbeModel;
}

export const probeModels = (): ProbeModels => ({
  small: probeModel(256, 'float32'),
  large: probeModel(1536, 'float32'),
  half: probeModel(256, 'float16'),
});

/** Operations per second below which the large model is left out. No CPU is slower. */
export const SLOW = 3e9;
