/**
 * @file What a CLIP compares images with: a text, target images, or both.
 *
 * With u the embedding of an image, t that of the text of weight w, and m the unit vector along Σ w_k·e_k over the target
 * images of weights w_k:
 *
 *     D = (1 - s)·D(u, t) + s·D(u, m)        score = 100·((1 - s)·u·t + s·u·m)        s = Σ w_k / (w + Σ w_k)
 *
 * Reference: Wallace et al. 2023 (DOODL), whose published code takes the unit mean of the embeddings of images in place of the
 * text: here w = 0.
 */

import type { Image } from '../image/image.ts';
import { dot, sum } from '../numbers.ts';
import type { TargetImage } from '../request/request.ts';
import type { ClipCritic } from './clip-critic.ts';

/** Embeddings that an image is compared with: unit vectors. */
export interface Aim {
  /** Of the text; of the target images where they are all that counts. */
  readonly text: Float32Array;
  /** Of the target images, and their share s of distance and score; the text has the rest. Absent where one of the two has all. */
  readonly picture?: { readonly embedding: Float32Array; readonly share: number };
}

/** What a run steers to and is scored by. */
export interface ClipTarget {
  /** The text. */
  readonly text: string;
  /**
   * The embeddings under a CLIP. Target images are embedded once, as CLIP sees any image: whole.
   *
   * @param text another one instead of the target's: a part of it
   */
  aim(critic: ClipCritic, text?: string): Promise<Aim>;
}

/**
 * Makes a target.
 *
 * @param textWeight w; 0 for the images alone
 */
export function clipTarget(text: string, images: readonly TargetImage[] = [], textWeight = 1): ClipTarget {
  const share = images.length === 0 ? 0 : sharesOf(images, textWeight);
  const known = new Map<ClipCritic, Promise<Float32Array>>();
  const pictureOf = (critic: ClipCritic) => {
    const embedding = known.get(critic) ?? meanEmbedding(critic, images);
    known.set(critic, embedding);
    return embedding;
  };
  return {
    text,
    async aim(critic, other = text) {
      if (share === 1) return { text: await pictureOf(critic) };
      const words = await critic.embedText(other);
      if (share === 0) return { text: words };
      return { text: words, picture: { embedding: await pictureOf(critic), share } };
    },
  };
}

/** CLIP score of an image and a target: 100·cos, of text and target images by their shares. */
export async function clipScore(critic: ClipCritic, image: Image, target: ClipTarget): Promise<number> {
  const seen = await critic.embedImage(image);
  const { text, picture } = await target.aim(critic);
  if (!picture) return 100 * dot(seen, text);
  return 100 * ((1 - picture.share) * dot(seen, text) + picture.share * dot(seen, picture.embedding));
}

const weightOf = ({ weight = 1 }: TargetImage) => weight;

function sharesOf(images: readonly TargetImage[], textWeight: number): number {
  const all = sum(images.map(weightOf));
  return all / (all + textWeight);
}

async function meanEmbedding(critic: ClipCritic, images: readonly TargetImage[]): Promise<Float32Array> {
  const total = new Float64Array(critic.config.projection_dim);
  for (const one of images) {
    const embedding = await critic.embedImage(one.image);
    for (let i = 0; i < total.length; i++) total[i] += weightOf(one) * embedding[i];
  }
  // A dry run computes nothing: its embeddings are zeros.
  const length = Math.sqrt(dot(total, total)) || 1;
  return Float32Array.from(total, (value) => value / length);
}
