/** @file The same work on two pipelines: an image, and the gradients that its noise is moved by. */
import { clipGuide, Generator, generate, type Image, type Pipeline, wholeCrop } from 'sgool';
import { dot } from '../src/numbers.ts';

const PROMPT = 'a red cat and a blue boat';

export interface Work {
  readonly image: Image;
  /** Of the noise predictor under guidance: a cotangent carried back through it. */
  readonly denoiserGradient: Float64Array;
  /** Of the loss of a latent under CLIP. */
  readonly lossGradient: Float64Array;
  readonly loss: number;
}

/** An image of few steps and both gradients of its noise. */
export async function workOn(pipeline: Pipeline, steps: number): Promise<Work> {
  const { best } = await generate({ prompt: PROMPT, seed: 0, method: 'sd', steps }, { pipeline });
  const { width, height } = best.image;
  const denoiser = await pipeline.denoiser({ prompt: PROMPT, guidanceScale: 2.5, width, height });
  const cotangent = Float64Array.from(new Generator(1).randn([best.latent.length]));
  const denoiserGradient = await denoiser.pullback(best.latent, 601, cotangent);

  const critic = await pipeline.critic();
  const objective = await pipeline.objective({
    width,
    height,
    saturatedGradient: 'through',
    parts: [{ guide: clipGuide(critic), views: 1 }],
  });
  const view = {
    crop: wholeCrop({ width, height, side: critic.side }),
    aim: { text: await critic.embedText(PROMPT) },
    weight: 1,
  };
  const { gradient, total } = await objective.evaluate(best.latent, [{ views: [view] }]);
  return { image: best.image, denoiserGradient, lossGradient: gradient, loss: total };
}

/** Cosine of the angle between two gradients. */
export function cosine(a: Float64Array, b: Float64Array): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
