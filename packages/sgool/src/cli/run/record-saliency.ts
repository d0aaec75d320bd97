/** @file What is salient in the result of a run: the map of an image, the frames of a clip with their boxes. */
import { NotFiniteError, UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { criticText } from '../../methods/run/run.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { detectionDefaults } from '../../request/defaults.ts';
import type { ParsedRequest } from '../../request/request.ts';
import type { DetectionSettings } from '../../request/settings/regions.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import { findRegions } from '../../saliency/regions.ts';
import { followRegions } from '../../saliency/track.ts';
import { DEFAULT_SYNTAX } from '../../text/prompt/prompt.ts';
import type { Progress } from '../terminal/progress.ts';
import { FILES } from './output-folder.ts';
import type { Recorder } from './recorder.ts';
import type { RunTask } from './run-record.ts';

interface SaliencyParts {
  readonly recorder: Recorder;
  readonly pipeline: Pipeline;
  readonly task: RunTask;
  readonly request: ParsedRequest;
  readonly progress: Progress;
}

/**
 * Draws the saliency map of the best image, or the sheet of the best clip. Methods with salient regions have the map of an image already; else it
 * is computed now.
 */
export async function recordSaliency({
  recorder,
  pipeline,
  task,
  request,
  progress,
}: SaliencyParts): Promise<void> {
  const { best, paths } = recorder;
  if (best === undefined || paths.saliency !== undefined || paths.frames !== undefined) return;
  if (best.saliency !== undefined) {
    await recorder.writeSaliency(best.saliency, best.regions ?? []);
    return;
  }
  const settings = detectionOf(task, pipeline);
  try {
    const maps = await mapsOf(best.frames ?? [best.image], settings, request, pipeline);
    if (best.frames) await recorder.writeFrames(followRegions(maps, settings));
    else await recorder.writeSaliency(maps[0], best.regions ?? findRegions(maps[0], settings));
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof NotFiniteError) throw error;
    progress.warn(`no ${best.frames ? FILES.frames : FILES.saliency}: ${error.message}`);
  }
}

/** The saliency map of each image. */
async function mapsOf(
  images: readonly Image[],
  { saliency, centreBias }: DetectionSettings,
  { prompt, clipPrompt, promptSyntax = DEFAULT_SYNTAX, steps = 1, mask }: ParsedRequest,
  pipeline: Pipeline,
): Promise<SaliencyMap[]> {
  const text = criticText(prompt, { clipPrompt, promptSyntax, steps });
  const options = { prompt: text, centreBias, ...(mask === undefined ? {} : { mask }) };
  const detector = await pipeline.detector(saliency, options);
  const maps: SaliencyMap[] = [];
  for (const image of images) maps.push(await detector.map(image));
  return maps;
}

/** The saliency model and the regions of a run; the defaults if its method has no such settings. */
export function detectionOf(
  { settings }: Pick<RunTask, 'settings'>,
  { model }: Pick<Pipeline, 'model'>,
): DetectionSettings {
  return { ...detectionDefaults(model), ...settings };
}
