/** @file What an objective needs of a scorer: to score images, and, to guide, a differentiable loss of views. */
import type { Tensor } from '@sgool/autodiff';
import type { Crop } from '../image/crops.ts';
import type { Image, ImageSize } from '../image/image.ts';
import type { TextFit } from '../text/fit-notes.ts';
import type { ClipTarget } from './clip-target.ts';
import type { PromptInputs, PromptShapes } from './scorer.ts';

/** A scorer of an objective. */
export interface ObjectiveScorer {
  /** As in reports (`scorerName`). */
  readonly name: string;
  /** What it says of a whole image; more is better. @throws NotFiniteError where that is no finite number */
  score(image: Image, target: ClipTarget, signal?: AbortSignal): Promise<number>;
  /** The loss that stands for a score; less is better. */
  lossOf(score: number): number;
  /** How much of a text it reads; absent where nobody here can say. */
  fit?(text: string): TextFit;
  /** Its gradient. Absent where it has none: then it may search and select, and not guide. */
  readonly guide?: Guide;
}

/** The loss of a scorer as a part of a differentiable program. */
export interface Guide {
  /** Tells programs of other networks apart. */
  readonly key: string;
  /** Side of its square views, in pixels. */
  readonly side: number;
  /** Size of its weights in bytes. */
  readonly bytes: number;
  /** Whether random cutouts may take the place of the whole image, as they do for CLIP. The others see what their authors show them. */
  readonly takesCutouts: boolean;
  /** Its view of the whole image. Rounding to whole levels is left out, because it has no gradient. */
  whole(size: ImageSize): Crop;
  /**
   * What a view is compared with.
   *
   * @param text another one instead of the target's: a part of it
   */
  aim(target: ClipTarget, text?: string): Promise<PromptInputs>;
  /** Shapes of all that `aim` may give, of one view. What is absent in one of several views is zero there. */
  readonly shapes: PromptShapes;
  /**
   * The losses `[views]`; less is better.
   *
   * @param planes `[views, 3, side, side]` in [0, 1]
   * @param aims by name, with the axis of views in front
   */
  loss(planes: Tensor, aims: Readonly<Record<string, Tensor>>): Tensor;
}
