/** @file What every scorer of an evaluation is: it says which scores it gives, and gives them for an image of a prompt. */
import type { Image } from '../../image/image.ts';
import type { Region } from '../../saliency/regions.ts';
import type { TextFit } from '../../text/fit-notes.ts';
import type { ScoreInfo } from '../cells/manifest.ts';
import type { Clause } from '../suites/clause.ts';

/** An image that is to be scored. */
export interface ScoredImage {
  readonly image: Image;
  readonly prompt: {
    readonly text: string;
    readonly readings?: readonly (readonly Clause[])[];
  };
  /** Salient boxes of the image in pixels, most salient first. */
  readonly regions: readonly Region[];
}

/** Values by the names of scores. Null where an image has no such score: a prompt without colours, an image without regions. */
export type ScoreValues = Readonly<Record<string, number | null>>;

/** A scorer that is ready to run. */
export interface ImageScorer {
  readonly infos: readonly ScoreInfo[];
  /** Whether it also scores each iterate of a method, for the over-optimisation curve. It must be quick. */
  readonly ofIterates?: boolean;
  score(scored: ScoredImage): Promise<ScoreValues>;
  /** How much of a prompt is read, by the names of those scores that read one. */
  fits(prompt: string): Readonly<Record<string, TextFit>>;
  /** Features of an image, of length 1, by the name of the network; for diversity. */
  features?(image: Image): Promise<Readonly<Record<string, Float32Array>>>;
  dispose(): Promise<void>;
}
