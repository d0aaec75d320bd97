/** @file The detail pass: which regions it repaints, and how. */
import { z } from 'zod';
import { SAMPLER_NAMES } from '../../diffusion/sampler-names.ts';
import { parseBoxes } from '../../image/boxes.ts';
import type { SettingsOf } from './shape.ts';

/**
 * Which regions the detail pass repaints, and how. The names in brackets are those of After Detailer's settings.
 *
 * Reference: Bing-su/adetailer, README (arguments)
 */
export const detailSettings = {
  boxes: z
    .string()
    .max(10_000)
    .refine(
      (text) => parseBoxes(text) !== undefined,
      'must be x,y,width,height in whole pixels, at least 1 wide and high; four numbers for each further box',
    )
    .describe(
      'boxes that are repainted instead of the salient regions: x,y,width,height in pixels; empty for the salient regions',
    ),
  regionPrompt: z
    .string()
    .max(50_000)
    .describe(
      'what a region is repainted under: one text for all, or one for each with [SEP] between; [PROMPT] stands for the prompt, [SKIP] leaves a region as it is; empty for what regionText says',
    ),
  regionNegativePrompt: z
    .string()
    .max(50_000)
    .describe(
      'what a region should not show, written as the texts of the regions are; empty for the negative prompt',
    ),
  minRegionMass: z
    .number()
    .min(0)
    .max(1)
    .describe("least share of the map's saliency that a salient region holds (confidence)"),
  minRegionArea: z
    .number()
    .min(0)
    .max(1)
    .describe('smallest salient region, as a share of the area of the image (mask min ratio)'),
  maxRegionArea: z
    .number()
    .gt(0)
    .max(1)
    .describe('largest salient region, as a share of the area of the image (mask max ratio)'),
  regionOrder: z
    .enum(['saliency', 'left-to-right', 'centre-to-edge', 'largest-first'])
    .describe(
      'order in which regions are repainted: most salient first, or boxes as they are given (saliency); left-to-right; centre-to-edge; largest-first',
    ),
  regionOffsetX: z
    .int()
    .min(-4096)
    .max(4096)
    .describe('pixels by which each region moves to the right (x offset)'),
  regionOffsetY: z.int().min(-4096).max(4096).describe('pixels by which each region moves up (y offset)'),
  regionDilation: z
    .int()
    .min(-4096)
    .max(4096)
    .describe('pixels by which each region grows on every side; below 0 it shrinks (dilate, erode)'),
  regionMerge: z
    .enum(['none', 'merge', 'invert'])
    .describe(
      'each region is repainted by itself (none), all as one (merge), or all that is outside of them (invert)',
    ),
  detailStrength: z
    .number()
    .gt(0)
    .max(1)
    .describe(
      'share of the denoising steps that a region is taken through, at least one (denoising strength)',
    ),
  detailFeather: z
    .int()
    .min(0)
    .max(1024)
    .describe('width in pixels of the soft edge inside a repainted region (3.5 times the mask blur)'),
  onlyMasked: z
    .boolean()
    .describe(
      'repaint the surroundings of a region enlarged, instead of the whole image (inpaint only masked)',
    ),
  detailPadding: z
    .int()
    .min(0)
    .max(4096)
    .describe('pixels around a region that are repainted with it for context (inpaint padding)'),
  detailWidth: z
    .int()
    .min(0)
    .max(4096)
    .describe('width in which a region is repainted; 0 for the width of the run (inpaint width)'),
  detailHeight: z
    .int()
    .min(0)
    .max(4096)
    .describe('height in which a region is repainted; 0 for the height of the run (inpaint height)'),
  detailSteps: z
    .int()
    .min(0)
    .max(1000)
    .describe('denoising steps, of which a region takes the share of the strength; 0 for those of the run'),
  detailGuidance: z
    .number()
    .min(0)
    .max(100)
    .describe(
      'strength of classifier-free guidance for regions; 1 switches it off, 0 stands for that of the run',
    ),
  detailSampler: z.enum(['same', ...SAMPLER_NAMES]).describe('sampler for regions; same for that of the run'),
  detailClipSkip: z
    .int()
    .min(0)
    .max(24)
    .describe('layer of the text encoder for regions, counted from the end; 0 for that of the run'),
};

export type DetailSettings = SettingsOf<typeof detailSettings>;
