/** @file The detail pass on any image: iteration 0 is the image as it is, in its own size. */
import type { Image } from '../../image/image.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import { withPromptFiles } from '../../pipeline/prompt-files.ts';
import { detailLengths } from '../../request/defaults.ts';
import { type SamplingSettings, samplingSettings } from '../../request/settings/sampling.ts';
import type { ImageMethod } from '../edit/image-method.ts';
import { type GenerateOptions, type Generation, runToEnd } from '../generate.ts';
import { METHODS } from '../index.ts';
import { createMethod } from '../run/create-method.ts';
import { judge } from '../run/frames.ts';
import type { MethodDefinition } from '../run/method.ts';
import { stoppedIn } from '../run/run.ts';
import { detail } from './detail.ts';
import { type WithPass, withDetailPass } from './detail-pass.ts';
import { type DetailRequest, parseDetailRequest } from './detail-request.ts';

/**
 * Repaints the salient regions of an image, or those that the request says, each enlarged.
 *
 * @returns `before` is the image as it is, `best` the one with all regions repainted
 * @throws UserError where the request or the model is not usable
 */
export async function detailImage(
  request: DetailRequest,
  options: GenerateOptions = {},
): Promise<Generation> {
  const { image, ...given } = parseDetailRequest(request);
  const method = detailMethod(image);
  const pipeline =
    options.pipeline ?? (await loadPipeline(given.model ?? 'toybox', await withPromptFiles(options, given)));
  try {
    return await runToEnd(method.run(pipeline, given, options), options);
  } finally {
    if (!options.pipeline) await pipeline.dispose();
  }
}

/**
 * The method that repaints the regions of one image. Width and height of its settings are those in which a region is repainted.
 *
 * @param image of any size
 */
export function detailMethod(image: Image): ImageMethod<'detail', WithPass<SamplingSettings>> {
  const asItIs: MethodDefinition<'detail', SamplingSettings> = {
    name: detail.name,
    summary: detail.summary,
    cost: detail.cost,
    useFor: detail.useFor,
    settings: samplingSettings,
    movesNoise: false,
    noiseMakesImage: false,
    lastIteration: 0,
    defaults: () => ({}),
    roles: () => ({ guides: [], selects: [] }),
    async *run(pipeline, run) {
      const { clip, failure } = await judge(pipeline, run, [image]);
      yield run.report({ iteration: 0, latent: run.noise, image, clip, best: true });
      if (failure) throw stoppedIn(run.method, 0, failure);
    },
  };
  const repainted = withDetailPass(asItIs, () => image);
  const definition = { ...repainted, defaults: () => detailLengths(image) };
  return {
    ...createMethod(definition, METHODS),
    prepare: () => ({ images: [image] }),
    paints: () => false,
    notes: () => [],
  };
}
