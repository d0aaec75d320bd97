/**
 * @file Rotary position embedding over several axes: neighbouring elements of queries and keys are turned by angles that grow with the
 * place of the token.
 *
 * Reference: Su et al. 2021, "RoFormer"; diffusers, models/embeddings.py (get_1d_rotary_pos_embed, apply_rotary_emb).
 */
import { add, constant, mul, neg, reshape, split, stack, type Tensor } from '@sgool/autodiff';

const THETA = 10_000;

/**
 * A function that turns [batch, heads, tokens, headWidth] by the places of the tokens.
 *
 * @param places of each token, one number per axis
 * @param widths elements of a head that each axis turns; even, together the head's width
 */
export function rotaryEmbedding(
  places: readonly (readonly number[])[],
  widths: readonly number[],
): (x: Tensor) => Tensor {
  const width = widths.reduce((a, b) => a + b, 0);
  const cosines = new Float32Array(places.length * width);
  const sines = new Float32Array(places.length * width);
  places.forEach((place, token) => {
    let at = token * width;
    widths.forEach((own, axis) => {
      for (let i = 0; i < own; i++, at++) {
        // Both elements of a pair have the same angle.
        const angle = place[axis] / THETA ** ((2 * Math.floor(i / 2)) / own);
        cosines[at] = Math.cos(angle);
        sines[at] = Math.sin(angle);
      }
    });
  });
  const shape = [1, 1, places.length, width];
  const [cos, sin] = [cosines, sines].map((data) => constant({ dtype: 'float32', shape, data }));
  return (x) => add(mul(x, cos), mul(quarterTurned(x), sin));
}

/** Each pair (a, b) as (-b, a). */
function quarterTurned(x: Tensor): Tensor {
  const pairs = reshape(x, [...x.shape.slice(0, -1), x.shape[3] / 2, 2]);
  const [a, b] = split(pairs, [1, 1], 4);
  const flat = [...pairs.shape.slice(0, -1)];
  return reshape(stack([neg(reshape(b, flat)), reshape(a, flat)], 4), x.shape);
}
