/** @file The scores of a clip: of each frame, taken together, and of the clip as a whole. */
import { mean, minimum } from '../../numbers.ts';
import type { ScoreInfo } from '../cells/manifest.ts';
import type { ImageScorer, ScoredClip, ScoredImage, ScoreValues } from './image-scorer.ts';
import { leastName, networkOf } from './network-of.ts';

/** Whether it is the score of the whole image in its network's usual convention, whose lowest frame is reported as well. */
const hasLeast = ({ name }: ScoreInfo) => networkOf(name) === name;

function leastInfo(info: ScoreInfo): ScoreInfo {
  const { name, title, scale } = info;
  return {
    ...info,
    name: leastName(name),
    title: `${title}, lowest frame`,
    scale: `${scale}; of the frame that has least`,
  };
}

/**
 * A scorer that scores clips as well as images: the mean of each score over the frames, so that of a score which is 1 or 0 the share
 * of frames; the least over the frames; and what it says of the clip as a whole. An image has the scores of images alone.
 */
export function overFrames(scorer: ImageScorer): ImageScorer {
  const leasts = scorer.infos.filter(hasLeast);
  return {
    ...scorer,
    infos: [
      ...scorer.infos.map((info) => ({ ...info, scale: `${info.scale}; mean over the frames` })),
      ...leasts.map(leastInfo),
      ...(scorer.ofClip?.infos ?? []),
    ],
    async score(scored) {
      const { clip, prompt } = scored;
      if (clip === undefined) return scorer.score(scored);
      const byFrame: ScoreValues[] = [];
      for (const frame of framesOf(clip, scored)) byFrame.push(await scorer.score(frame));
      const valuesOf = (name: string) => byFrame.flatMap((values) => values[name] ?? []);
      return {
        ...Object.fromEntries(scorer.infos.map(({ name }) => [name, orNull(valuesOf(name), mean)])),
        ...Object.fromEntries(leasts.map(({ name }) => [leastName(name), orNull(valuesOf(name), minimum)])),
        ...(await scorer.ofClip?.score(clip, prompt)),
      };
    },
  };
}

/** The frames as images. */
const framesOf = ({ frames, regions }: ScoredClip, { prompt }: ScoredImage): ScoredImage[] =>
  frames.map((image, f) => ({ image, prompt, regions: regions[f] ?? [] }));

/** Null where no frame has the score. */
const orNull = (values: readonly number[], of: (values: readonly number[]) => number): number | null =>
  values.length === 0 ? null : of(values);
