/** @file How CLIP sees a salient region: cut out, or the whole image through a soft mask. */
import { boxCrop, type Crop, type CropBox, type CropSizes, throughMask, wholeCrop } from '../image/crops.ts';
import type { RegionSettings } from '../request/settings/regions.ts';
import type { SaliencyMap } from '../saliency/detector.ts';

/**
 * The view of a region. With `mask` it is the whole image, in which each pixel of the region's box counts as much as it is salient,
 * and the rest has CLIP's mean colour: place and size of the region stay visible, and no edge is cut.
 *
 * @param saliency of the image, at its size
 */
export function regionCrop(
  regionView: RegionSettings['regionView'],
  region: CropBox,
  saliency: SaliencyMap,
  sizes: CropSizes,
): Crop {
  if (regionView === 'crop') return boxCrop(region, sizes);
  const mask = new Float32Array(saliency.data.length);
  for (let y = region.top; y < region.top + region.height; y++) {
    const begin = y * saliency.width + region.left;
    mask.set(saliency.data.subarray(begin, begin + region.width), begin);
  }
  return throughMask(wholeCrop(sizes), mask, saliency);
}
