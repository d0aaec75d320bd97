/** @file CLIP scores in the three public conventions, of the whole image and of its salient regions. */
import { boxCrop } from '../../image/crops.ts';
import type { Image } from '../../image/image.ts';
import { meanCosine } from '../../methods/run/frames.ts';
import { dot, mean } from '../../numbers.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ClipCritic } from '../../preference/clip-critic.ts';
import type { ScoreInfo } from '../cells/manifest.ts';
import type { ImageScorer, ScoredImage, ScoreValues } from './image-scorer.ts';
import { oncePerImage } from './once-per-image.ts';
import { filesSha256 } from './weights-hash.ts';

/** CLIPScore's weight, and the words that it puts before a caption. Reference: Hessel et al. 2021, "CLIPScore", equation 1. */
const CLIPSCORE = { weight: 2.5, prefix: 'A photo depicts ' } as const;

/** Differences of 100·cos up to this one are ties. */
const TIE = 0.1;

interface NamedCritic {
  /** As in the names of scores. */
  readonly name: 'clip_a' | 'clip_b';
  readonly title: string;
  readonly critic: ClipCritic;
  /** SHA-256. */
  readonly weights: string;
  /** The embedding of a whole image. */
  embed(image: Image): Promise<Float32Array>;
}

/**
 * The scores of the CLIPs of a model. `clip_b`: 100·cos, not below 0, as torchmetrics has it. `clip_b:cosine`: the cosine, as
 * T2I-CompBench and ImageReward have it. `clip_b:clipscore`: 2.5·cos, not below 0, of the prompt after "A photo depicts ", as CLIPScore
 * has it. `clip_b@regions`: 100·cos, mean over the salient regions. `clip_b:consistency` of a clip: mean cosine of neighbouring frames.
 */
export async function clipScorer(
  pipeline: Pick<Pipeline, 'critic' | 'reporter' | 'model'>,
): Promise<ImageScorer> {
  const { has } = pipeline.model;
  const reporter = await pipeline.reporter();
  const critics: NamedCritic[] = [
    ...(has.clip ? [await named('clip_a', 'CLIP A', await pipeline.critic())] : []),
    ...(reporter === undefined ? [] : [await named('clip_b', 'CLIP B', reporter)]),
  ];
  return {
    infos: critics.flatMap(infosOf),
    async score(scored) {
      const values: Record<string, number | null> = {};
      for (const critic of critics) Object.assign(values, await scoresOf(critic, scored));
      return values;
    },
    ofClip: {
      infos: critics.map(consistencyOf),
      async score({ frames }) {
        const values: Record<string, number> = {};
        for (const { name, embed } of critics) {
          const embedded: Float32Array[] = [];
          for (const frame of frames) embedded.push(await embed(frame));
          values[`${name}:consistency`] = meanCosine(embedded);
        }
        return values;
      },
    },
    fits: (prompt) => Object.fromEntries(critics.map(({ name, critic }) => [name, critic.fit(prompt)])),
    async features(image) {
      const found = critics.map(async ({ name, embed }) => [name, await embed(image)] as const);
      return Object.fromEntries(await Promise.all(found));
    },
    // The networks belong to the pipeline.
    dispose: async () => {},
  };
}

async function named(name: NamedCritic['name'], title: string, critic: ClipCritic): Promise<NamedCritic> {
  const embed = oncePerImage((image) => critic.embedImage(image));
  return { name, title, critic, weights: await filesSha256(critic.files), embed };
}

const sharedInfo = ({ critic, weights }: NamedCritic) => ({
  higherIsBetter: true,
  isAveraged: true,
  preprocessing: `CLIP: the whole image, longer side to ${critic.side}, bicubic, borders in CLIP's mean colour`,
  weights,
});

function consistencyOf(named: NamedCritic): ScoreInfo {
  const { name, title } = named;
  return {
    ...sharedInfo(named),
    name: `${name}:consistency`,
    title: `${title}, frame consistency`,
    scale: 'mean cosine of neighbouring frames; a clip that stands still has 1, so read it beside the motion',
    digits: 4,
    tie: TIE / 100,
    isMerit: false,
  };
}

function infosOf(named: NamedCritic): ScoreInfo[] {
  const { name, title } = named;
  const shared = sharedInfo(named);
  return [
    { ...shared, name, title, scale: '100·cos, not below 0 (torchmetrics)', digits: 2, tie: TIE },
    {
      ...shared,
      name: `${name}:cosine`,
      title: `${title}, cosine`,
      scale: 'cosine (T2I-CompBench)',
      digits: 4,
      tie: TIE / 100,
    },
    {
      ...shared,
      name: `${name}:clipscore`,
      title: `${title}, CLIPScore`,
      scale: '2.5·cos, not below 0, of "A photo depicts" and the prompt (CLIPScore)',
      digits: 4,
      tie: (CLIPSCORE.weight * TIE) / 100,
    },
    {
      ...shared,
      name: `${name}@regions`,
      title: `${title} of the salient regions`,
      scale: '100·cos, not below 0, mean over the regions',
      digits: 2,
      tie: TIE,
    },
  ];
}

async function scoresOf(
  { name, critic, embed }: NamedCritic,
  { image, prompt, regions }: ScoredImage,
): Promise<ScoreValues> {
  const seenWhole = await embed(image);
  const text = await critic.embedText(prompt.text);
  const whole = 100 * dot(seenWhole, text);
  const described = 100 * dot(seenWhole, await critic.embedText(CLIPSCORE.prefix + prompt.text));
  const parts: number[] = [];
  for (const region of regions) {
    const seen = await critic.embedImage(image, boxCrop(region, { ...image, side: critic.side }));
    parts.push(Math.max(0, 100 * dot(seen, text)));
  }
  return {
    [name]: Math.max(0, whole),
    [`${name}:cosine`]: whole / 100,
    [`${name}:clipscore`]: (CLIPSCORE.weight * Math.max(0, described)) / 100,
    [`${name}@regions`]: parts.length === 0 ? null : mean(parts),
  };
}
