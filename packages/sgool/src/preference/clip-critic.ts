/** @file A CLIP as a critic of images: embeddings of texts and images, and their cosine. */

import { trace, type Weights } from '@sgool/autodiff';
import { places } from '#platform';
import { UserError } from '../errors.ts';
import { type Crop, wholeCrop } from '../image/crops.ts';
import { type Image, planesFromImage } from '../image/image.ts';
import { resamplePlane } from '../image/resample.ts';
import { CLIP_MEAN, clip } from '../networks/clip/clip.ts';
import { type ClipConfig, clipConfig } from '../networks/clip/clip-config.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import { networkWeights } from '../networks/network-weights.ts';
import { dot } from '../numbers.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { TextFit } from '../text/fit-notes.ts';
import { checkIds, fittedIds, textFit } from '../text/fitted-ids.ts';
import { hasTokenizer, loadTokenizer } from '../text/load-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { weightBytes, weightFiles } from '../weights/formats/weight-source.ts';
import type { ModelComponent, ModelFolder } from '../weights/open/model-folder.ts';

/** A CLIP that is ready to run: embeddings of texts and images. */
export interface ClipCritic {
  /** Folder of the model that it lies in: one of `CLIP_NETWORKS`. */
  readonly name: string;
  readonly config: ClipConfig;
  readonly weights: Weights;
  /** Size of its weights in bytes. */
  readonly bytes: number;
  /** Real paths of the files of its weights. */
  readonly files: readonly string[];
  /** Side of its square input images, in pixels. */
  readonly side: number;
  /** How much of a text is read. */
  fit(text: string): TextFit;
  /** Unit vector of `projection_dim` numbers. A text that is too long is cut off, its end token kept. */
  embedText(text: string): Promise<Float32Array>;
  /** Unit vector of the whole image (`wholeCrop`), or of another view of it. */
  embedImage(image: Image, crop?: Crop): Promise<Float32Array>;
  /** CLIP score, 100·cos (not clamped at 0). */
  score(image: Image, text: string): Promise<number>;
}

/**
 * Opens the CLIP in a folder of a model, if there is one.
 *
 * @param name one of `CLIP_NETWORKS`
 * @param shared the vocabulary of a CLIP that has no files of its own
 * @throws UserError where there is neither, or the CLIP is broken
 */
export async function openClipCritic(
  folder: ModelFolder,
  name: string,
  programs: ProgramCache,
  shared: Tokenizer | undefined,
): Promise<ClipCritic | undefined> {
  const found = folder.components.get(name);
  return found && criticOf(found, programs, shared);
}

/**
 * Makes a critic of a component with the vocabulary in its folder.
 *
 * @param shared the vocabulary of a CLIP that has no files of its own
 * @throws UserError where there is neither
 */
export async function criticOf(
  found: ModelComponent,
  programs: ProgramCache,
  shared: Tokenizer | undefined,
): Promise<ClipCritic> {
  for (const dir of [places.join(found.dir, 'tokenizer'), found.dir]) {
    if (await hasTokenizer(dir)) return clipCritic(found, await loadTokenizer(dir), programs);
  }
  if (shared) return clipCritic(found, shared, programs);
  throw new UserError(
    `${found.dir}: it has no tokenizer; put tokenizer.json, or vocab.json and merges.txt, of a CLIP into it, such as those of openai/clip-vit-large-patch14`,
  );
}

/** Makes a critic of a component in the layout of a transformers CLIPModel. */
export function clipCritic(
  component: ModelComponent,
  tokenizer: Tokenizer,
  programs: ProgramCache,
): ClipCritic {
  const { name } = component;
  const config = clipConfig(component.config, `${component.dir}/config.json`);
  const weights = networkWeights(component.weights);
  const side = config.vision_config.image_size;
  const known = programs.resultsOf<Float32Array>(`${name} text`);

  const longest = config.text_config.max_position_embeddings;

  async function encode(text: string): Promise<Float32Array> {
    const { ids, length } = fittedIds(tokenizer, text, longest);
    checkIds(ids, config.text_config.vocab_size, component.dir);
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
    bytes: weightBytes(component.weights.tensors),
    files: weightFiles(component.weights),
    side,
    fit: (text) => textFit(tokenizer, text, longest),
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
      return (await program.run({ planes: croppedPlanes(image, crop, side) })).embedding as Float32Array;
    },
    async score(image, text) {
      return 100 * dot(await critic.embedImage(image), await critic.embedText(text));
    },
  };
  return critic;
}

/** A view's planes `[3, side, side]` in [0, 1]; what its mask hides has CLIP's mean colour. */
function croppedPlanes(image: Image, { rows, columns, mask }: Crop, side: number): Float32Array {
  const { width, height } = image;
  const planes = planesFromImage(image);
  const cropped = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    const plane = planes.subarray(c * width * height, (c + 1) * width * height);
    const view = resamplePlane(plane, width, rows, columns);
    cropped.set(mask ? view.map((value, i) => mix(CLIP_MEAN[c], value, mask[i])) : view, c * side * side);
  }
  return cropped;
}

const mix = (from: number, to: number, share: number) => from + share * (to - from);
