/** @file Saliency models by name. */
import { UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import { openJudge } from '../networks/judge/open-judge.ts';
import { networkWeights } from '../networks/network-weights.ts';
import { transalnetConfig } from '../networks/saliency/transalnet-config.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import { Generator } from '../random/generator.ts';
import type { RandomSource } from '../random/random-source.ts';
import { isOnnxFile, type SaliencyChoice, type SaliencyName } from '../request/detectors.ts';
import type { DetectionSettings } from '../request/settings/regions.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import { withoutCentreBias } from './centre-bias.ts';
import type { Detector } from './detector.ts';
import { gradCamDetector, gradCamGraph } from './grad-cam.ts';
import { judgeBoxes } from './judge-boxes.ts';
import { openOnnxDetector } from './onnx-detector.ts';
import { randomBox } from './random-box.ts';
import { centreDetector, maskDetector, noDetector } from './simple-detectors.ts';
import { spectralResidual } from './spectral-residual.ts';
import { type TranSalNetParts, transalnetDetector, transalnetGraph } from './transalnet-detector.ts';

/**
 * Saliency models run in full precision: they run once per iteration, so they cost little, and Grad-CAM's gradients need it.
 */
const EXACT = 'float32';

/** What saliency models may need. */
export interface DetectorParts {
  readonly folder: ModelFolder;
  readonly programs: ProgramCache;
  /** The CLIP that Grad-CAM differentiates. */
  readonly critic: () => Promise<ClipCritic>;
  /** The saliency model `attention`, which looks with the network that makes images. */
  readonly attention: (prompt: string) => Detector;
  readonly prompt?: string;
  readonly mask?: Image;
  /** The stream of the saliency model `random`. Default: one of its own, with seed 0. */
  readonly random?: RandomSource;
  /** Whether the centre bias of the map is kept, or divided out. Default `keep`. */
  readonly centreBias?: DetectionSettings['centreBias'];
}

/**
 * Opens a saliency model by its name.
 *
 * @throws UserError when the model lacks the network, or the request lacks the prompt or mask, that it needs
 */
export async function openDetector(name: SaliencyChoice, parts: DetectorParts): Promise<Detector> {
  const detector = isOnnxFile(name)
    ? await openOnnxDetector(name, parts.programs, EXACT)
    : await openNamed(name, parts);
  return parts.centreBias === 'remove' ? withoutCentreBias(detector) : detector;
}

async function openNamed(name: SaliencyName, parts: DetectorParts): Promise<Detector> {
  switch (name) {
    case 'centre':
      return centreDetector();
    case 'random':
      return randomBox(parts.random ?? new Generator(0));
    case 'none':
      return noDetector();
    case 'judge':
      return openJudgeBoxes(parts);
    case 'spectral-residual':
      return spectralResidual();
    case 'mask':
      if (parts.mask) return maskDetector(parts.mask);
      throw new UserError(
        'saliency mask: no mask was given; give an image that is white in the salient parts',
      );
    case 'transalnet':
      return openTranSalNet(parts);
    case 'grad-cam':
    case 'grad-cam++':
      return openGradCam(name, parts);
    case 'attention':
      return parts.attention(promptOf(name, parts));
  }
}

function promptOf(name: SaliencyName, { prompt }: Pick<DetectorParts, 'prompt'>): string {
  if (prompt) return prompt;
  throw new UserError(`saliency ${name}: no prompt was given; it maps the parts that match a prompt`);
}

async function openJudgeBoxes({ programs }: DetectorParts): Promise<Detector> {
  const graph = await openJudge();
  return judgeBoxes(() => programs.get('judge', graph, EXACT));
}

/** The TranSalNet of a model. @throws UserError where it has none, or its weights are broken */
export function openTranSalNetParts({
  dir,
  components,
}: Pick<ModelFolder, 'dir' | 'components'>): TranSalNetParts {
  const found = components.get('transalnet');
  if (!found) {
    throw new UserError(
      `saliency transalnet: ${dir} has no folder transalnet; add its weights with: sgool models add transalnet <file>, or choose another, such as grad-cam or spectral-residual`,
    );
  }
  return {
    config: transalnetConfig(found.config, `${found.dir}/config.json`),
    weights: networkWeights(found.weights, { checkNumbers: true }),
    channelOrder: found.config.channel_order === 'bgr' ? 'bgr' : 'rgb',
  };
}

function openTranSalNet({ folder, programs }: DetectorParts): Detector {
  const { config, weights, channelOrder } = openTranSalNetParts(folder);
  return transalnetDetector({
    config,
    program: () => programs.get('transalnet', () => transalnetGraph(config, weights), EXACT),
    ...(channelOrder && { channelOrder }),
  });
}

async function openGradCam(name: 'grad-cam' | 'grad-cam++', parts: DetectorParts) {
  const prompt = promptOf(name, parts);
  const { programs, critic } = parts;
  const { config, weights, embedText } = await critic();
  const program = () => programs.get(name, () => gradCamGraph(config, weights, name), EXACT);
  return gradCamDetector({ variant: name, config, program, text: await embedText(prompt) });
}
