/** @file Scoring an image or a clip: what one scorer cannot do is noted, and the others go on; what was made is never lost. */
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import type { Video } from '../../image/video/video.ts';
import { middleFrame } from '../../methods/run/frames.ts';
import type { ImageScorer, ScoredImage } from '../scores/image-scorer.ts';
import type { DoneCell } from './cell-record.ts';

/** What scorers say of an image, as it stands in a record. */
export type ImageScores = Pick<DoneCell, 'scores' | 'features' | 'truncated' | 'notes'>;

/** What was found in an image or a clip before it is scored. */
export type Scenery = Pick<ScoredImage, 'regions' | 'clip'>;

/** Names of all scores that scorers give. */
export function scoreNames(scorers: readonly ImageScorer[]): string[] {
  return scorers.flatMap(({ infos }) => infos.map(({ name }) => name));
}

/**
 * The values of all scorers. Each score that they have a name for has a value: null where there is none, with a note where that is
 * because the scorer failed or its value is not finite.
 */
export async function scoreImage(scorers: readonly ImageScorer[], scored: ScoredImage): Promise<ImageScores> {
  const scores: Record<string, number | null> = {};
  const notes: string[] = [];
  const features: Record<string, string> = {};
  for (const scorer of scorers) {
    const names = scorer.infos.map(({ name }) => name);
    try {
      const values = await scorer.score(scored);
      for (const name of names) {
        const value = values[name] ?? null;
        if (value !== null && !Number.isFinite(value))
          notes.push(`${name}: is ${value}, which is not a score`);
        scores[name] = value !== null && Number.isFinite(value) ? value : null;
      }
      Object.assign(features, await featuresOf(scorer, scored.image));
    } catch (error) {
      for (const name of names) scores[name] = null;
      notes.push(`${names[0]}: ${errorLine(error)}`);
    }
  }
  const truncated = scorers.flatMap((scorer) => cutBy(scorer, scored.prompt.text));
  return {
    scores,
    features,
    ...(truncated.length === 0 ? {} : { truncated }),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** Names of the scores that read only the beginning of a prompt. */
const cutBy = (scorer: ImageScorer, prompt: string): string[] =>
  Object.entries(scorer.fits(prompt)).flatMap(([name, { truncated }]) => (truncated ? [name] : []));

/** Features as base64 of their float32 numbers. */
async function featuresOf(scorer: ImageScorer, image: Image): Promise<Record<string, string>> {
  const features = (await scorer.features?.(image)) ?? {};
  return Object.fromEntries(
    Object.entries(features).map(([name, { buffer, byteOffset, byteLength }]) => [
      name,
      Buffer.from(buffer, byteOffset, byteLength).toString('base64'),
    ]),
  );
}

/** What was thrown, in one line. */
export function errorLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replaceAll(/\s*\n\s*/g, ' ').trim();
  return error instanceof UserError || !(error instanceof Error) ? line : `${error.name}: ${line}`;
}

/**
 * A record with the scores that it lacks, for scorers that were asked for later.
 *
 * @param shown the frames of the record's file: one of an image, all of a clip
 */
export async function withMissingScores(
  record: DoneCell,
  scorers: readonly ImageScorer[],
  { frames, prompt }: Pick<Video, 'frames'> & Pick<ScoredImage, 'prompt'>,
): Promise<DoneCell> {
  const lacking = scorers.filter(({ infos }) =>
    infos.some(({ name }) => !Object.hasOwn(record.scores, name)),
  );
  if (lacking.length === 0) return record;
  const { regions = [], clip: kept } = record;
  const image = kept ? middleFrame(frames) : frames[0];
  const clip = kept && { frames, regions: kept.regions, jitter: kept.jitter };
  const added = await scoreImage(lacking, { image, prompt, regions, clip });
  const notes = [...(record.notes ?? []), ...(added.notes ?? [])];
  const truncated = [...new Set([...(record.truncated ?? []), ...(added.truncated ?? [])])];
  return {
    ...record,
    scores: { ...record.scores, ...added.scores },
    features: { ...record.features, ...added.features },
    ...(truncated.length === 0 ? {} : { truncated }),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** A record without what could not be scored, so that the next run scores it again. */
export function withoutFailedScores({ notes, ...record }: DoneCell): DoneCell {
  if (notes === undefined) return record;
  const scores = Object.fromEntries(Object.entries(record.scores).filter(([, value]) => value !== null));
  return { ...record, scores };
}
