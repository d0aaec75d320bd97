/**
 * @file Attention as a saliency map: which parts of an image its own generator reads as the things of the prompt.
 *
 * The image is encoded, noised until noise and signal have the same weight, and shown to the network once, under the prompt alone. Each thing
 * has the mean map over the heads of the layers with the largest maps of at most 16 positions a side; what is salient is the thing that is
 * most there.
 *
 * Reference: Tang et al. 2023, "What the DAAM: Interpreting Stable Diffusion Using Cross Attention", which sums over steps and all
 * layers; one level of noise, one size of maps and the greatest of several things are choices of this project.
 */
import { UserError } from '../../errors.ts';
import { bilinearMatrix, resamplePlane } from '../../image/resample.ts';
import { resizeImage } from '../../image/resize.ts';
import type { Backbone, DenoiserOptions } from '../../models/backbone.ts';
import type { CrossAttention } from '../../models/cross-attention.ts';
import { Generator } from '../../random/generator.ts';
import { type Detector, minMaxNormalise } from '../../saliency/detector.ts';
import { promptThings } from '../prompt-things.ts';
import { tokensOf } from './requirement.ts';
import { layersUpTo, meanOfHeads, tokenShares, wordMaps } from './word-maps.ts';

/** What the detector needs of a model. */
export interface AttentionDetectorParts
  extends Pick<Backbone, 'info' | 'latentShape' | 'noisePath' | 'encode'> {
  crossAttention(options: DenoiserOptions): Promise<CrossAttention>;
}

/** Longer side of the maps that are read, at most. */
const RESOLUTION = 16;

/** Noise over signal of the latent that the network sees. */
const RATIO = 1;

/**
 * The saliency model `attention`. Images are shown to the network at about the size that it was trained for.
 *
 * @param prompt plain text
 * @throws UserError where the prompt names no thing
 */
export function attentionDetector(model: AttentionDetectorParts, prompt: string): Detector {
  const words = new Set(promptThings(prompt).map(({ noun }) => noun.word));
  if (words.size === 0) {
    throw new UserError(
      `saliency attention: found no noun in the prompt ${JSON.stringify(prompt.slice(0, 80))}; it maps the things that a prompt names`,
    );
  }
  return {
    name: 'attention',
    async map(image) {
      const { width, height } = image;
      const size = fittedSize(model.info, image);
      const attention = await model.crossAttention({
        prompt,
        promptSyntax: 'plain',
        guidanceScale: 1,
        ...size,
      });
      const layers = layersUpTo(attention.layers, RESOLUTION);
      const tokens = [...words].map((word) => tokensOf(word, attention, 'saliency attention'));
      const program = attention.program({
        key: `saliency of ${tokens.length} words`,
        layers,
        inputs: { words: { shape: [tokens.length, attention.tokens] } },
        outputs: (maps, { words }) => ({ maps: wordMaps(meanOfHeads(maps), words).plain }),
      });
      const path = model.noisePath(size);
      const level = path.levelOfRatio(RATIO);
      const clean = await model.encode(resizeImage(image, size.width, size.height));
      // The same noise for every image, so that maps can be compared.
      const noise = new Generator(0).randn(model.latentShape(size));
      const [signal, spread] = [path.signal(level), path.noise(level)];
      const noised = clean.map((value, i) => signal * value + spread * noise[i]);
      const shares = tokenShares(tokens, attention.tokens);
      const { maps } = await program(noised, path.timestepOfRatio(RATIO), { words: shares });
      const [{ rows, columns }] = layers;
      const things = tokens.map((_, w) =>
        minMaxNormalise(maps.slice(w * rows * columns, (w + 1) * rows * columns)),
      );
      const most = things[0].map((_, i) => Math.max(...things.map((map) => map[i])));
      const enlarged = resamplePlane(
        most,
        columns,
        bilinearMatrix(rows, height),
        bilinearMatrix(columns, width),
      );
      return { width, height, data: minMaxNormalise(enlarged) };
    },
  };
}

/** The size of an image's shape whose longer side is that of the model, in steps that its networks take. */
function fittedSize(
  { width, height, sizeMultiple: unit }: AttentionDetectorParts['info'],
  image: { readonly width: number; readonly height: number },
) {
  const scale = Math.max(width, height) / Math.max(image.width, image.height);
  const fitted = (side: number) => unit * Math.max(1, Math.round((side * scale) / unit));
  return { width: fitted(image.width), height: fitted(image.height) };
}
