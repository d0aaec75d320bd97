/** @file What every scorer of an evaluation is: it says which scores it gives, and gives them for an image or a clip of a prompt. */
import type { Image } from '../../image/image.ts';
import type { Region } from '../../saliency/regions.ts';
import type { TextFit } from '../../text/fit-notes.ts';
import type { ScoreInfo } from '../cells/manifest.ts';
import type { Clause } from '../suites/clause.ts';

/** The frames of a clip that is to be scored. */
export interface ScoredClip {
  /** In order, two or more. */
  readonly frames: readonly Image[];
  /** Salient boxes of each frame in pixels, most salient first. */
  readonly regions: readonly (readonly Region[])[];
  /** How much its salient things shake (saliency/track.ts); absent where that is not known. */
  readonly jitter?: number | undefined;
}

/** An image that is to be scored. */
export interface ScoredImage {
  /** Of a clip its middle frame. */
  readonly image: Image;
  readonly prompt: {
    readonly text: string;
    readonly readings?: readonly (readonly Clause[])[];
  };
  /** Salient boxes of the image in pixels, most salient first. */
  readonly regions: readonly Region[];
  /** Absent for a picture. */
  readonly clip?: ScoredClip | undefined;
}

/** Values by the names of scores. Null where an image has no such score: a prompt without colours, an image without regions. */
export type ScoreValues = Readonly<Record<string, number | null>>;

/** What a scorer says of a clip as a whole, beside what it says of its frames. */
export interface WholeClipScorer {
  readonly infos: readonly ScoreInfo[];
  score(clip: ScoredClip, prompt: ScoredImage['prompt']): Promise<ScoreValues>;
}

/** A scorer that is ready to run. */
export interface ImageScorer {
  readonly infos: readonly ScoreInfo[];
  /** Whether it also scores each iterate of a method, for the over-optimisation curve. It must be quick. */
  readonly ofIterates?: boolean;
  score(scored: ScoredImage): Promise<ScoreValues>;
  readonly ofClip?: WholeClipScorer;
  /** How much of a prompt is read, by the names of those scores that read one. */
  fits(prompt: string): Readonly<Record<string, TextFit>>;
  /** Features of an image, of length 1, by the name of the network; for diversity. */
  features?(image: Image): Promise<Readonly<Record<string, Float32Array>>>;
  dispose(): Promise<void>;
}
