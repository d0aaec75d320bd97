/** @file A CLIP as a critic of images: embeddings of texts and images, and their cosine. */
import { trace, type Weights } from '@sgool/autodiff';
import { type Crop, wholeCrop } from '../image/crops.ts';
import { type Image, planesFromImage } from '../image/image.ts';
import { resamplePlane } from '../image/resample.ts';
import { clip } from '../networks/clip/clip.ts';
import { type ClipConfig, clipConfig } from '../networks/clip/clip-config.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import { networkWeights } from '../networks/network-weights.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import { fittedIds } from '../text/fitted-ids.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ModelComponent } from '../weights/open/model-folder.ts';

export interface ClipCritic {
  /** Folder of the model that it lies in: `clip` or `clip_b`. */
  readonly name: string;
  readonly config: ClipConfig;
  readonly weights: Weights;
  /** Side of the square images that it sees, in pixels. */
  readonly side: number;
  /** Unit vector of `projection_dim` numbers. A text that is too long is cut off, its end token kept. */
  embedText(text: string): Promise<Float32Array>;
  /** Unit vector of the image after CLIP's preprocessing, or of a crop of it. */
  embedImage(image: Image, crop?: Crop): Promise<Float32Array>;
  /** CLIP score, 100·cos (not clamped at 0). */
  score(image: Image, text: string): Promise<number>;
}

/** Opens a folder in the layout of a transformers CLIPModel. */
export function clipCritic(
  component: ModelComponent,
  tokenizer: Tokenizer,
  programs: ProgramCache,
): ClipCritic {
  const { name } = component;
  const config = clipConfig(component.config, `${component.dir}/config.json`);
  const weights = networkWeights(component.weights);
  const side = config.vision_config.image_size;
  const known = new Map<string, Promise<Float32Array>>();

  async function encode(text: string): Promise<Float32Array> {
    const { ids, length } = fittedIds(tokenizer, text, config.text_config.max_position_embeddings);
    const shapes = {
      ids: { shape: [1, ids.length], dtype: 'int32' },
      end: { shape: [1], dtype: 'int32' },
    } as const;
    const program = await programs.get(`${name} text ${ids.length}`, () =>
      trace(shapes, (inputs) => ({
        embedding: clip(config, weights).text(inputs.ids, inputs.end).embedding,
      })),
    );
    return (await program.run({ ids, end: Int32Array.of(length - 1) })).embedding as Float32Array;
  }

  const critic: ClipCritic = {
    name,
    config,
    weights,
    side,
    embedText(text) {
      let embedding = known.get(text);
      if (!embedding) {
        embedding = encode(text);
        known.set(text, embedding);
        embedding.catch(() => known.delete(text));
      }
      return embedding;
    },
    async embedImage(image, crop = wholeCrop({ ...image, side })) {
      const program = await programs.get(`${name} image`, () =>
        trace({ planes: { shape: [1, 3, side, side] } }, ({ planes }) => ({
          embedding: clip(config, weights).image(clipPixels(planes)).embedding,
        })),
      );
      return (await program.run({ planes: seenPlanes(image, crop, side) })).embedding as Float32Array;
    },
    async score(image, text) {
      const [seen, words] = [await critic.embedImage(image), await critic.embedText(text)];
      return 100 * seen.reduce((sum, value, i) => sum + value * words[i], 0);
    },
  };
  return critic;
}

function seenPlanes(image: Image, { rows, columns }: Crop, side: number): Float32Array {
  const { width, height } = image;
  const planes = planesFromImage(image);
  const seen = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    const plane = planes.subarray(c * width * height, (c + 1) * width * height);
    seen.set(resamplePlane(plane, width, rows, columns), c * side * side);
  }
  return seen;
}
