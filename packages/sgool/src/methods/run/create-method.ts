/** @file From the definition of a method to what callers use: its requests are checked and its settings resolved. */
import { NotFiniteError, UserError } from '../../errors.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { commonDefaults, presetDefaults } from '../../request/defaults.ts';
import { type MethodSchema, type ParsedRequest, parseMethodRequest } from '../../request/request.ts';
import { resolveSettings } from '../../request/resolve.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import { pickSettings } from '../../request/settings/shape.ts';
import type { Method, MethodDefinition } from './method.ts';
import { beginRun, stoppedIn } from './run.ts';

/**
 * Makes a method of its definition.
 *
 * @param all all methods, which are named where a request has an option of another method
 */
export function createMethod<Name extends string, S extends MethodSettings>(
  definition: MethodDefinition<Name, S>,
  all: readonly MethodSchema[],
): Method<Name, S> {
  const {
    name,
    summary,
    cost,
    useFor,
    settings,
    inputs,
    movesNoise,
    noiseMakesImage,
    independentCandidates,
    picturesOnly,
    lastIteration,
  } = definition;
  const method: Method<Name, S> = {
    name,
    summary,
    cost,
    useFor,
    settings,
    inputs,
    movesNoise,
    noiseMakesImage,
    independentCandidates,
    picturesOnly,
    defaults(model, preset) {
      const own = pickSettings(definition.settings, {
        ...commonDefaults(model),
        ...definition.defaults(model),
      });
      const settings = presetDefaults(method, own as S, model, preset);
      return { ...settings, ...definition.everyPreset?.(settings, model) };
    },
    check: definition.check,
    roles: (settings) => definition.roles(settings),
    async *run(pipeline, input, options) {
      const request = parseMethodRequest(input, method, all);
      const resolved = settingsOf(method, pipeline, request);
      const start = { method: name, request, settings: resolved, lastIteration, ...options };
      let iteration = 0;
      try {
        for await (const done of definition.run(pipeline, beginRun(pipeline, start))) {
          iteration = done.iteration;
          yield done;
          iteration++;
        }
      } catch (error) {
        if (!(error instanceof NotFiniteError)) throw error;
        throw stoppedIn(name, iteration, error);
      }
    },
  };
  return method;
}

/**
 * The settings that a method runs with for a request.
 *
 * @throws UserError where the request does not fit the model
 */
export function settingsOf<S extends MethodSettings>(
  method: Pick<Method<string, S>, 'name' | 'settings' | 'defaults' | 'check' | 'picturesOnly'>,
  { model }: Pick<Pipeline, 'model'>,
  request: ParsedRequest,
): S {
  refuseMissingSampler(method, model, request);
  const defaults = method.defaults(model, request.preset, request);
  const settings = resolveSettings(method.settings, defaults, request, model);
  if (method.picturesOnly && settings.frames > 1) {
    throw new UserError(
      `request: frames must be 1 for ${method.name}, which makes pictures and no clips, got ${settings.frames}; take another method`,
    );
  }
  method.check?.(settings, model);
  return settings;
}

/** @throws UserError where the sampler is left to the model, and the one that its files name is not here */
function refuseMissingSampler<S extends MethodSettings>(
  method: Pick<Method<string, S>, 'defaults'>,
  model: ModelInfo,
  request: ParsedRequest,
): void {
  const { sampler, preset } = request;
  if (model.unsupportedSampler === undefined || sampler !== undefined) return;
  // Methods with a sampler of their own, presets and hints do not take the model's, whichever it is.
  const taken = (['ddim', 'lms'] as const).every(
    (named) => method.defaults({ ...model, sampler: named }, preset, request).sampler === named,
  );
  if (!taken) return;
  throw new UserError(
    `model ${model.name}: ${model.unsupportedSampler}; choose it, or another, with the option sampler`,
  );
}
