/** @file The loss of a clip by some of its frames, for methods that guide the sampling itself: at each step other ones are drawn. */
import { framesOf } from '../../models/frames.ts';
import {
  evaluateFrames,
  type FrameInput,
  type FramesResult,
  stratifiedFrames,
} from '../../objectives/frames.ts';
import type { Objective, ObjectiveInput } from '../../objectives/objective.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Settings } from '../../request/settings/index.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { Run } from './run.ts';

/** The loss of a latent, by frames that are drawn at each call; of a picture by its only one. */
export type DrawnFramesLoss = (latent: Float64Array) => Promise<FramesResult>;

/** @param input the views of a frame; random cutouts are drawn afresh for each */
export function drawnFramesLoss(
  pipeline: Pick<Pipeline, 'latentShape'>,
  {
    settings,
    random,
    signal,
  }: Pick<Run<SamplingSettings & Pick<Settings, 'lossFrames'>>, 'settings' | 'random' | 'signal'>,
  objective: Objective,
  input: () => ObjectiveInput | Promise<ObjectiveInput>,
): DrawnFramesLoss {
  const shape = pipeline.latentShape(settings);
  const frames = framesOf(shape);
  return async (latent) => {
    const drawn = stratifiedFrames(frames, settings.lossFrames, () => random.rand([1])[0]);
    const inputs: FrameInput[] = [];
    for (const share of drawn) inputs.push({ ...share, input: await input() });
    return evaluateFrames(objective, latent, shape, inputs, signal);
  };
}
