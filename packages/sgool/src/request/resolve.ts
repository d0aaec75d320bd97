/** @file From a request to the settings of its run: request over defaults. */
import { UserError } from '../errors.ts';
import type { ModelInfo } from '../models/model-info.ts';
import { checkSkippedLayers, type SkipLayerGuidance } from '../models/skip-layer-guidance.ts';
import { defaultDetector } from './detectors.ts';
import { withoutUnread } from './effect.ts';
import { DEFAULT_OBJECTIVE, isDefaultObjective } from './objective-text.ts';
import type { Inputs, ParsedRequest } from './request.ts';
import type { MethodSettings, Settings } from './settings/index.ts';
import { MOST_ITERATIONS } from './settings/selection.ts';
import { pickSettings, type SettingsShape } from './settings/shape.ts';

/**
 * The settings of a run.
 *
 * @param shape the settings that the method has
 * @param defaults the method's, for the model and the preset
 * @throws UserError where the image's size does not fit the model, or one setting switches off another one of the request
 */
export function resolveSettings<S extends MethodSettings>(
  shape: SettingsShape,
  defaults: S,
  { mask, ...request }: Partial<Settings> & Inputs,
  model: ModelInfo,
): S {
  const given: Partial<Settings> = pickSettings(shape, request);
  // One side alone means a square, as people who type one number expect.
  const width = given.width ?? given.height ?? defaults.width;
  const height = given.height ?? given.width ?? defaults.height;
  const wanted = { ...defaults, ...given, width, height };
  // Few people have TranSalNet's weights, so its name alone must not end a run; `saliencyNote` says what is used instead.
  if (wanted.saliency === 'transalnet') wanted.saliency = defaultDetector(model.has, true);
  // By default what guides selects, or what is there to select.
  const { objective = DEFAULT_OBJECTIVE, selector = '' } = wanted;
  const isPlain = selector === '' && isDefaultObjective(objective);
  if (wanted.keep === 'clip' && given.keep === undefined && !isPlain) {
    wanted.keep = 'objective';
  }
  // A budget alone makes as many iterations as fit.
  if (wanted.budget && wanted.iterations !== undefined && given.iterations === undefined) {
    wanted.iterations = MOST_ITERATIONS;
  }
  const settings = withoutUnread({ settings: wanted, given: { ...given, mask }, model }, defaults);
  const { guidanceStart, guidanceStop } = settings;
  if (guidanceStart > guidanceStop) {
    throw new UserError(
      `request: guidanceStart must not lie behind guidanceStop, got ${guidanceStart} and ${guidanceStop}`,
    );
  }
  const skip = skipLayerGuidanceOf(settings);
  if (skip !== undefined) {
    checkSkippedLayers(skip.layers, model.skippableLayers, model.name);
    if (skip.start >= skip.stop) {
      throw new UserError(
        `request: skipLayerGuidanceStart must lie before skipLayerGuidanceStop, got ${skip.start} and ${skip.stop}`,
      );
    }
    if (settings.guidanceRescale > 0) {
      throw new UserError(
        `request: guidanceRescale must be 0 with skipGuidanceLayers, got ${settings.guidanceRescale}`,
      );
    }
  }
  const { optimiseFrom = 0, steps } = settings;
  if (optimiseFrom >= 1 && !(Number.isInteger(optimiseFrom) && optimiseFrom < steps)) {
    throw new UserError(
      `request: optimiseFrom must be a share below 1 or a whole number of steps below ${steps}, got ${optimiseFrom}`,
    );
  }
  if (settings.frames > 1 && model.motion === undefined) {
    throw new UserError(
      `request: frames must be 1 for ${model.name}, which makes pictures, got ${settings.frames}; give it a motion adapter`,
    );
  }
  for (const side of ['width', 'height'] as const) {
    const { sizeMultiple: unit, name } = model;
    if (settings[side] % unit !== 0) {
      const below = unit * Math.max(1, Math.floor(settings[side] / unit));
      throw new UserError(
        `request: ${side} must be a multiple of ${unit} for ${name}, got ${settings[side]}; use ${below} or ${below + unit}`,
      );
    }
  }
  return settings;
}

/** The layers that guidance skips, from the text of the setting; undefined where it skips none. */
export function skipLayerGuidanceOf({
  skipGuidanceLayers,
  skipLayerGuidanceScale,
  skipLayerGuidanceStart,
  skipLayerGuidanceStop,
}: Pick<
  Settings,
  'skipGuidanceLayers' | 'skipLayerGuidanceScale' | 'skipLayerGuidanceStart' | 'skipLayerGuidanceStop'
>): SkipLayerGuidance | undefined {
  if (skipGuidanceLayers === '') return undefined;
  return {
    layers: skipGuidanceLayers.split(',').map(Number),
    scale: skipLayerGuidanceScale,
    start: skipLayerGuidanceStart,
    stop: skipLayerGuidanceStop,
  };
}

/**
 * One line for the user where another saliency model is used instead of TranSalNet; undefined where it is not, or was chosen.
 *
 * @param settings as resolved
 */
export function saliencyNote(
  { saliency }: Pick<Settings, 'saliency'>,
  request: Pick<ParsedRequest, 'saliency'>,
  { has }: Pick<ModelInfo, 'has'>,
): string | undefined {
  const isChosen = request.saliency !== undefined && request.saliency !== 'transalnet';
  if (isChosen || saliency === 'transalnet' || saliency !== defaultDetector(has, true)) return undefined;
  const name = saliency === 'grad-cam' ? 'Grad-CAM on CLIP' : 'spectral residual';
  return `the saliency model is ${name}, because there are no TranSalNet weights; add them with: sgool models add transalnet <file>`;
}
