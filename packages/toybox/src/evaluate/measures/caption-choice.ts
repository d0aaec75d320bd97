/** @file Whether a CLIP picks the true caption of an image among captions that are false in one point. */

import { compile, matmul, reshape, trace, transposeLast, type Weights } from '@sgool/autodiff';
import { CLIP_MEAN, CLIP_STD, type ClipConfig, clip, type EncodedPrompt } from 'sgool/networks';
import { topOne } from '../../train/metrics.ts';
import { HELD_OUT_SEED } from '../../train/scenes.ts';
import { describe, hardNegatives } from '../../world/describe.ts';
import { renderScene } from '../../world/render.ts';
import { sceneFromSeed } from '../../world/sample.ts';
import { sceneGenerator } from '../../world/scene-generator.ts';

/** Captions to choose from: the true one, and others that differ by an attribute, a thing or the relation. */
export const CHOICES = 64;

/** Far from the scenes that other measures use. */
const FIRST_SEED = HELD_OUT_SEED + 500_000;

/**
 * Top-1 accuracy among 64 captions on test scenes.
 *
 * @param encode the tokens of a caption, padded to the text tower's length
 * @param questions number of scenes; those with fewer than 63 distinct false captions are skipped
 */
export async function captionChoice(
  config: ClipConfig,
  weights: Weights,
  encode: (text: string) => EncodedPrompt,
  questions: number,
): Promise<number> {
  const side = config.vision_config.image_size;
  const tokens = config.text_config.max_position_embeddings;
  const program = await compile(
    trace(
      {
        image: { shape: [1, 3, side, side] },
        ids: { shape: [CHOICES, tokens], dtype: 'int32' },
        ends: { shape: [CHOICES], dtype: 'int32' },
      },
      ({ image, ids, ends }) => {
        const network = clip(config, weights);
        const captions = transposeLast(network.text(ids, ends).embedding);
        return { logits: reshape(matmul(network.image(image).embedding, captions), [-1]) };
      },
    ),
  );
  const words = sceneGenerator(5);
  const pixels = side * side;
  const image = new Float32Array(3 * pixels);
  let [answered, correct] = [0, 0];
  try {
    for (let i = 0; answered < questions; i++) {
      const scene = sceneFromSeed(FIRST_SEED + i);
      const caption = describe(scene, words);
      const wrong = hardNegatives(scene, caption, words, CHOICES - 1);
      if (wrong.length < CHOICES - 1) continue;
      const bytes = renderScene(scene, side);
      for (let p = 0; p < pixels; p++) {
        for (let c = 0; c < 3; c++) {
          image[c * pixels + p] = (bytes[3 * p + c] / 255 - CLIP_MEAN[c]) / CLIP_STD[c];
        }
      }
      const texts = [caption.text, ...wrong].map((text) => encode(text));
      const { logits } = await program.run({
        image,
        ids: Int32Array.from(texts.flatMap(({ ids }) => [...ids])),
        ends: Int32Array.from(texts, ({ length }) => length - 1),
      });
      answered++;
      correct += topOne(logits as Float32Array, CHOICES, () => 0);
    }
  } finally {
    await program.dispose();
  }
  return correct / answered;
}
