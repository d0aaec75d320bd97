/** @file LAION's aesthetic score: a head, given as a file, on the image features of a CLIP ViT-L/14 that the model has. */
import { UserError } from '../../errors.ts';
import { middleCrop } from '../../image/crops.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { fileSha256 } from '../../platform/file-sha256.ts';
import { openAestheticHead } from './aesthetic-head.ts';
import type { ImageScorer } from './image-scorer.ts';
import { filesSha256 } from './weights-hash.ts';

/**
 * The scorer. It reads the image only, so it says nothing about the prompt.
 *
 * @param path file of the head
 * @throws UserError where the file is no head, or the model has no CLIP with features of that length
 */
export async function aestheticScorer(
  path: string,
  pipeline: Pick<Pipeline, 'critic' | 'reporter' | 'model'>,
): Promise<ImageScorer> {
  const head = await openAestheticHead(path);
  // The one that only reports first: the score then shares nothing with what guides.
  const reporter = await pipeline.reporter();
  const critics = [
    ...(reporter === undefined ? [] : [reporter]),
    ...(pipeline.model.has.clip ? [await pipeline.critic()] : []),
  ];
  const critic = critics.find(({ config }) => config.projection_dim === head.inputs);
  if (critic === undefined) {
    const lengths = critics.map(({ name, config }) => `${name} gives ${config.projection_dim}`);
    throw new UserError(
      `scorer aesthetic: the head reads ${head.inputs} features of a CLIP, and this model's ${lengths.join(', ') || 'has no CLIP'}; give a CLIP ViT-L/14 with --clip`,
    );
  }
  return {
    infos: [
      {
        name: 'aesthetic',
        title: 'LAION aesthetic score',
        scale: 'predicted rating, 1 to 10; reads the image only',
        digits: 2,
        higherIsBetter: true,
        isAveraged: true,
        tie: 0.01,
        weights: await fileSha256(head.path),
        preprocessing: `features of ${critic.name} (${(await filesSha256(critic.files)).slice(0, 12)}): shorter side to ${critic.side}, bicubic, centre crop`,
      },
    ],
    score: async ({ image }) => ({
      aesthetic: head.score(await critic.embedImage(image, middleCrop({ ...image, side: critic.side }))),
    }),
    fits: () => ({}),
    dispose: async () => {},
  };
}
