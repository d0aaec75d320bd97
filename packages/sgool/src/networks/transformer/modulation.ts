/**
 * @file Adaptive layer norms: what a transformer block does is scaled, shifted and gated by the timestep and the prompt as a whole.
 *
 * Reference: Peebles, Xie 2023, "Scalable Diffusion Models with Transformers" (adaLN-Zero); diffusers, models/normalization.py.
 */
import {
  add,
  constant,
  layerNorm,
  mul,
  reshape,
  silu,
  split,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { linearLayer } from '../layers.ts';

/** Of all norms without weights in these transformers. */
const EPS = 1e-6;

/**
 * Vectors for one block, each [batch, 1, width]: `Linear(SiLU(condition))`, divided.
 *
 * @param name of the linear layer, `<name>.weight` [count * width, width]
 * @param condition [batch, width]
 */
export function modulation(weights: Weights, name: string, condition: Tensor, count: number): Tensor[] {
  const [batch, width] = condition.shape as [number, number];
  const all = linearLayer(weights, name, silu(condition), count * width);
  return split(reshape(all, [batch, 1, count * width]), new Array<number>(count).fill(width), 2);
}

/** `LayerNorm(x) (1 + scale) + shift`, where the norm has no weights. x is [batch, tokens, width], the others [batch, 1, width]. */
export function modulatedNorm(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  const width = x.shape[2];
  const filled = (value: number) =>
    constant({ dtype: 'float32', shape: [width], data: new Float32Array(width).fill(value) });
  return add(mul(layerNorm(x, filled(1), filled(0), EPS), add(1, scale)), shift);
}

/** The norm before the last projection: its vectors come scale first. */
export function lastNorm(weights: Weights, x: Tensor, condition: Tensor): Tensor {
  const [scale, shift] = modulation(weights, 'norm_out.linear', condition, 2);
  return modulatedNorm(x, shift, scale);
}
