/** @file The UNet of a folder with its motion modules, and the clips that it makes with them. */
import type { Weights } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import type { ClipSize } from '../../image/image.ts';
import type { ContextWindows } from '../../networks/motion/context-windows.ts';
import { checkMotionFits, type MotionConfig, motionConfig } from '../../networks/motion/motion-config.ts';
import { motionUNetConfig } from '../../networks/motion/motion-unet.ts';
import type { Motion } from '../../networks/unet/unet.ts';
import { type UNetConfig, unetConfig } from '../../networks/unet/unet-config.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import { MOTION_ADAPTER } from '../../weights/open/motion-adapter.ts';
import type { ClipOptions } from '../backbone.ts';
import { componentOf } from '../components.ts';
import type { MotionInfo } from '../model-info.ts';

/** Clips as AnimateDiff was trained on them. */
const USUAL = { frames: 16, fps: 8 } as const;

/** The configuration of a folder's UNet. */
export interface UNetParts {
  readonly config: UNetConfig;
  /** Of its motion modules, where it has them. */
  readonly motion: MotionConfig | undefined;
  /** Whether the folder is one of a model for clips, and not one for pictures that was given an adapter. */
  readonly isForClips: boolean;
}

/**
 * Reads the configurations of the UNet and its motion modules, which are among its weights.
 *
 * @throws UserError where one is not supported, or the modules are of another kind of UNet
 */
export function unetParts(folder: ModelFolder): UNetParts {
  const { config, dir } = componentOf(folder, 'unet');
  const owner = `${dir}/config.json`;
  const isForClips = config._class_name === 'UNetMotionModel';
  const own: { unet: UNetConfig; motion?: MotionConfig } = isForClips
    ? motionUNetConfig(config, owner)
    : { unet: unetConfig(config, owner) };
  const adapter = folder.components.get(MOTION_ADAPTER);
  const motion = adapter ? motionConfig(adapter.config, `${adapter.dir}/config.json`) : own.motion;
  if (motion) checkMotionFits(own.unet, motion, adapter?.weights.path ?? owner);
  return { config: own.unet, motion, isForClips };
}

/** Of diffusers and FreeNoise. */
const CONTEXT_STRIDE = 4;

/** @throws UserError where the windows do not fit the modules, or each other */
function windowsOf(
  { contextFrames: frames, contextStride }: ClipOptions,
  { motion_max_seq_length: most }: MotionConfig,
): ContextWindows | undefined {
  if (frames === undefined) {
    if (contextStride === undefined) return undefined;
    throw new UserError(
      `contextStride: ${contextStride} changes nothing without windows; give contextFrames too (--context-frames)`,
    );
  }
  const stride = contextStride ?? CONTEXT_STRIDE;
  if (!(Number.isSafeInteger(frames) && frames >= 2 && frames <= most)) {
    throw new UserError(
      `contextFrames: must be a whole number from 2 to ${most}, which the motion modules see at once, got ${frames}`,
    );
  }
  if (!(Number.isSafeInteger(stride) && stride >= 1 && stride <= frames)) {
    throw new UserError(
      `contextStride: must be a whole number from 1 to contextFrames (${frames}), got ${stride}`,
    );
  }
  return { frames, stride };
}

/** The modules of a UNet as it takes them, and what clips they make. */
export function openMotion(
  config: MotionConfig | undefined,
  weights: Weights,
  options: ClipOptions,
): { motion: Motion; clips: MotionInfo } | undefined {
  if (config === undefined) return undefined;
  const windows = windowsOf(options, config);
  const { motion_max_seq_length: most } = config;
  const clips = {
    frames: Math.min(USUAL.frames, most),
    mostFrames: windows ? Number.POSITIVE_INFINITY : most,
    fps: USUAL.fps,
    ...(windows && { windows }),
  };
  return { motion: { config, weights, norm: options.motionNorm, windows }, clips };
}

/**
 * Number of frames of a size.
 *
 * @param dir of the model, for messages
 * @throws UserError where the model makes no clips, or not of so many frames
 */
export function framesIn({ frames = 1 }: ClipSize, info: MotionInfo | undefined, dir: string): number {
  if (frames === 1) return 1;
  if (!(Number.isSafeInteger(frames) && frames > 0)) {
    throw new UserError(`frames: must be a whole number from 1, got ${frames}`);
  }
  if (info === undefined) {
    throw new UserError(
      `frames: ${dir} makes pictures and no clips, got ${frames} frames; give a motion adapter (option motion, --motion)`,
    );
  }
  if (frames > info.mostFrames) {
    throw new UserError(
      `frames: ${frames} are more than the motion modules see at once; take at most ${info.mostFrames}, or windows of frames (option contextFrames, --context-frames)`,
    );
  }
  return frames;
}
