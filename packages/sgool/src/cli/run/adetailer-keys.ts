/**
 * @file The keys that After Detailer adds to the text of the web UI, as settings of the detail pass.
 *
 * Reference: Bing-su/adetailer, adetailer/args.py (names of the keys, and which are left out)
 */

import { EDGE_OF_DEVIATION } from '../../request/defaults.ts';

/** Takes the value of a key of the text for a setting. @throws UserError where it is not usable */
type Take = (key: string, name: string, value: unknown) => void;

const PREFIX = 'ADetailer ';

/** Keys whose number or text is that of a setting. */
const SAME: Readonly<Record<string, string>> = {
  'mask min ratio': 'minRegionArea',
  'mask max ratio': 'maxRegionArea',
  'x offset': 'regionOffsetX',
  'y offset': 'regionOffsetY',
  'denoising strength': 'detailStrength',
  'inpaint padding': 'detailPadding',
  'inpaint width': 'detailWidth',
  'inpaint height': 'detailHeight',
  steps: 'detailSteps',
  'CFG scale': 'detailGuidance',
  'CLIP skip': 'detailClipSkip',
};

const MERGE: Readonly<Record<string, string>> = {
  None: 'none',
  Merge: 'merge',
  'Merge and Invert': 'invert',
};

/** Keys that say nothing beyond those that they come with. */
const HARMLESS = [
  'version',
  'use inpaint width height',
  'use separate steps',
  'use separate CFG scale',
  'use separate sampler',
  'use separate CLIP skip',
];

/** Whether the text says that After Detailer repainted the image. */
export const hasADetailer = (settings: Readonly<Record<string, string>>): boolean =>
  settings[`${PREFIX}model`] !== undefined;

/**
 * Takes a key of After Detailer over.
 *
 * @param samplerOf our name of a sampler of the web UI
 * @returns whether it is one; `left` says what is not repeated of it
 */
export function takeADetailer(
  name: string,
  value: string,
  take: Take,
  samplerOf: (text: string) => string | undefined,
): { readonly left?: string } | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const key = name.slice(PREFIX.length);
  if (Object.hasOwn(SAME, key)) take(SAME[key], name, Number(value));
  else if (key === 'mask blur') take('detailFeather', name, Math.round(Number(value) * EDGE_OF_DEVIATION));
  else if (key === 'prompt') take('regionPrompt', name, value);
  else if (key === 'negative prompt') take('regionNegativePrompt', name, value);
  // The side of a kernel: half of it on each side of the region.
  else if (key === 'dilate erode' || key === 'dilate/erode')
    take('regionDilation', name, Math.round(Number(value) / 2));
  else if (/^mask merge[ /]invert$/.test(key) && Object.hasOwn(MERGE, value))
    take('regionMerge', name, MERGE[value]);
  else if (key === 'inpaint only masked') take('onlyMasked', name, value.toLowerCase() === 'true');
  else if (key === 'sampler' && samplerOf(value) !== undefined) take('detailSampler', name, samplerOf(value));
  else if (key === 'model') return { left: `${name} ${value}: the salient regions are repainted instead` };
  else if (!HARMLESS.includes(key)) return { left: `${name} ${value}` };
  return {};
}
