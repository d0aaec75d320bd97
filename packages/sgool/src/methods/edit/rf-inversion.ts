/**
 * @file RF-inversion: on a rectified flow the image is taken to a noise that looks like noise, and led back to itself in the first
 * steps under the prompt. Nothing is exactly inverted: what it keeps of the image is the share of the control.
 *
 * Reference: Rout et al. 2024, "Semantic Image Inversion and Editing using Rectified Stochastic Differential Equations"; published
 * settings: gamma 0.5, eta 0.9 in the first quarter of 28 steps, the inversion under the empty prompt without guidance.
 */
import { controlledSampler, invertControlled } from '../../diffusion/controlled-flow.ts';
import type { Denoiser } from '../../diffusion/denoiser.ts';
import type { NoisePath } from '../../diffusion/noise-path.ts';
import { renoises } from '../../diffusion/samplers/euler.ts';
import { UserError } from '../../errors.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { encodeFrames } from '../run/frames.ts';
import type { Start } from '../run/optimise-noise.ts';
import { denoiserOf, type Run, withinIteration } from '../run/run.ts';
import type { SgoolSettings } from '../sgool.ts';
import type { PreparedImage } from './fit-image.ts';
import { firstInvertedStep, type RefineSource } from './refine-request.ts';
import { withinMask } from './sdedit.ts';

/** The published settings. */
const DEFAULTS = { controlGamma: 0.5, controlEta: 0.9, controlStart: 0, controlStop: 0.25 } as const;

/** @throws UserError where the sampler, or the interval of the control, does not fit */
export function checkControl(
  { sampler }: Pick<SgoolSettings, 'sampler'>,
  source: Pick<RefineSource, 'controlStart' | 'controlStop'>,
): void {
  if (sampler !== 'euler') {
    throw new UserError(`refine: sampler must be euler for edit rf-inversion, got ${sampler}`);
  }
  const { controlStart, controlStop } = { ...DEFAULTS, ...given(source) };
  if (controlStart <= controlStop) return;
  throw new UserError(
    `refine: controlStart must not lie behind controlStop, got ${controlStart} and ${controlStop}`,
  );
}

/** The keys that have a value. */
const given = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

/** @throws UserError where the model is no rectified flow, or its steps draw fresh noise */
function refuseOtherPath(path: NoisePath, { model: { name } }: Pick<Pipeline, 'model'>): void {
  if (path.kind !== 'rectified-flow') {
    throw new UserError(
      `refine: edit rf-inversion is for rectified flows such as Stable Diffusion 3 and Flux, got ${name}; use edit edict, p2p or sdedit`,
    );
  }
  if (!renoises(path)) return;
  throw new UserError(
    `refine: edit rf-inversion is deterministic, but the scheduler's file of ${name} has stochastic_sampling true; use edit sdedit`,
  );
}

/**
 * The noise of the image under the controlled equation, and the sampler that is led back to the image in some steps.
 *
 * @throws UserError where the model is no rectified flow
 */
export async function startFromControlled(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  denoiser: Denoiser,
  prepared: PreparedImage,
  source: RefineSource,
): Promise<Start> {
  const { settings, signal, noise } = run;
  const { steps, sigmas } = settings;
  const path = pipeline.noisePath(settings);
  refuseOtherPath(path, pipeline);
  const { controlGamma, controlEta, controlStart, controlStop } = { ...DEFAULTS, ...given(source) };
  const stops = path.stops(steps, { rule: 'euler', ...(sigmas !== 'model' && { sigmas }) });
  const startIndex = firstInvertedStep(source.strength, steps);
  const back = await denoiserOf(pipeline, run, { prompt: source.sourcePrompt ?? '', guidanceScale: 0 });
  const clean = await encodeFrames(pipeline, run, prepared.images);
  const towards = { latent: noise, share: controlGamma };
  const walk = { startIndex, signal, onStep: run.stepReporter('invert', 0) };
  const known = await withinIteration('refine', 0, () =>
    invertControlled(path, stops, back, clean, towards, walk),
  );
  // Counted in whole steps of all, from the first that runs, as in the community pipeline of diffusers.
  const at = (share: number) => startIndex + Math.floor(share * steps);
  const home = { latent: clean, share: controlEta };
  const [from, to] = [at(controlStart), at(controlStop)];
  if (from === to && controlEta > 0) {
    run.note(
      `no step is drawn back to the image: of ${steps} steps none begins between ${controlStart} (controlStart) and ${controlStop} (controlStop) of all; take more steps, or a later controlStop`,
    );
  }
  const sampler = controlledSampler(path, stops, home, [from, to]);
  const masked = withinMask(sampler, known, startIndex, denoiser, prepared, source.feather);
  return { noise: known[0][0], startIndex, ...masked };
}
