/**
 * @file Salient regions: from a saliency map to boxes by a threshold and connected components, or from boxes that the saliency model knows.
 *
 * The SGOOL paper crops one or more salient regions and leaves open how they are found. The rule here: connected components of
 * the thresholded map, in descending order of their total saliency, each as a padded square inside the image.
 */
import { NotFiniteError } from '../errors.ts';
import type { CropBox } from '../image/crops.ts';
import { clamp, maximum, minimum, sum } from '../numbers.ts';
import { REGION_DEFAULTS } from '../request/defaults.ts';
import type { DetectionSettings } from '../request/settings/regions.ts';
import type { SaliencyMap } from './detector.ts';

/** A salient part of an image: a box in whole pixels, inside the image. */
export interface Region extends CropBox {
  /** Fraction of the map's total saliency in the component inside this box, in [0, 1]. */
  readonly mass: number;
}

/**
 * How the threshold is chosen. `thresholdRule` `otsu`: the cut that separates two classes of values best; `quantile`: the value
 * below which the share `thresholdValue` of all pixels lies; `fixed`: the share `thresholdValue` of the map's maximum.
 */
export type ThresholdOptions = Partial<Pick<DetectionSettings, 'thresholdRule' | 'thresholdValue'>>;

/** The settings of `request/settings/regions.ts`, with the defaults there, and what has no setting. */
export interface RegionOptions
  extends ThresholdOptions,
    Partial<Pick<DetectionSettings, 'regionPadding' | 'minRegionSide' | 'maxRegions'>> {
  /** Whether boxes are squares (as far as the image allows), as CLIP's input is. Default true. */
  readonly squared?: boolean;
  /** Components with less than this fraction of the largest one's mass are ignored; boxes of the saliency model are not. Default 0.1. */
  readonly minMass?: number;
}

/** Of boxes with a larger intersection over union, the one with less saliency is left out. */
const SAME_BOX = 0.7;

/** A map whose values span less than this is flat and has no regions. */
const FLAT = 1e-6;

/**
 * The value at or above which a pixel counts as salient.
 *
 * Reference for `otsu`: Otsu 1979, "A threshold selection method from gray-level histograms".
 */
export function saliencyThreshold({ data }: SaliencyMap, options: ThresholdOptions = {}): number {
  const { thresholdRule, thresholdValue } = { ...REGION_DEFAULTS, ...options };
  if (thresholdRule === 'otsu') return otsu(data);
  if (thresholdRule === 'fixed') return thresholdValue * maximum(data);
  const sorted = data.slice().sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(thresholdValue * sorted.length))];
}

/**
 * The salient regions of a map, in descending order of saliency; none if the map is flat.
 *
 * @throws NotFiniteError where the map holds a number that is not finite
 */
export function findRegions(map: SaliencyMap, options: RegionOptions = {}): Region[] {
  const { maxRegions, minMass = 0.1 } = { ...REGION_DEFAULTS, ...options };
  const range = maximum(map.data) - minimum(map.data);
  if (!Number.isFinite(range)) {
    throw new NotFiniteError('saliency map: it holds NaN or an infinity; every value must be in [0, 1]');
  }
  const components = componentsOf(map, options).sort((a, b) => b.sum - a.sum);
  const least = map.boxes ? 0 : minMass * (components[0]?.sum ?? 0);
  const total = sum(map.data);
  const regions: Region[] = [];
  for (const component of components) {
    if (regions.length === maxRegions || component.sum < least) break;
    const region = { ...boxAround(component, map, options), mass: component.sum / total };
    if (regions.every((other) => overlap(region, other) <= SAME_BOX)) regions.push(region);
  }
  return regions;
}

/** A connected part of the salient pixels: its bounds (inclusive) and the sum of its saliency. */
interface Component {
  left: number;
  top: number;
  right: number;
  bottom: number;
  sum: number;
}

/** The boxes that the saliency model knows, or the components of what is salient; none of a flat map. */
function componentsOf(map: SaliencyMap, options: ThresholdOptions): Component[] {
  if (map.boxes) return map.boxes.map((box) => boxComponent(box, map));
  if (maximum(map.data) - minimum(map.data) < FLAT) return [];
  return connectedComponents(map, saliencyThreshold(map, options));
}

/** A box of whole pixels inside the map. */
function boxComponent({ left, top, width, height }: CropBox, map: SaliencyMap): Component {
  const component = { left, top, right: left + width - 1, bottom: top + height - 1, sum: 0 };
  for (let y = top; y <= component.bottom; y++) {
    for (let x = left; x <= component.right; x++) component.sum += map.data[y * map.width + x];
  }
  return component;
}

/** Components of the pixels at or above `threshold`; pixels that touch at a corner belong together. */
function connectedComponents({ width, height, data }: SaliencyMap, threshold: number): Component[] {
  const seen = new Uint8Array(width * height);
  const stack = new Int32Array(width * height);
  const components: Component[] = [];
  for (let start = 0; start < data.length; start++) {
    if (seen[start] || !(data[start] >= threshold)) continue;
    const component = { left: width, top: height, right: -1, bottom: -1, sum: 0 };
    let depth = 0;
    stack[depth++] = start;
    seen[start] = 1;
    while (depth > 0) {
      const at = stack[--depth];
      const x = at % width;
      const y = (at - x) / width;
      component.left = Math.min(component.left, x);
      component.right = Math.max(component.right, x);
      component.top = Math.min(component.top, y);
      component.bottom = Math.max(component.bottom, y);
      component.sum += data[at];
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (seen[next] || !(data[next] >= threshold)) continue;
          seen[next] = 1;
          stack[depth++] = next;
        }
      }
    }
    components.push(component);
  }
  return components;
}

function boxAround(
  { left, top, right, bottom }: Component,
  image: { width: number; height: number },
  options: RegionOptions,
) {
  const [width, height] = [right - left + 1, bottom - top + 1];
  const { regionPadding, minRegionSide, squared = true } = { ...REGION_DEFAULTS, ...options };
  const margin = 2 * regionPadding * Math.max(width, height);
  const smallest = minRegionSide * Math.min(image.width, image.height);
  const longer = Math.max(width, height);
  const across = fit(left + width / 2, squared ? longer + margin : width + margin, smallest, image.width);
  const down = fit(top + height / 2, squared ? longer + margin : height + margin, smallest, image.height);
  return { left: across.begin, width: across.length, top: down.begin, height: down.length };
}

/** A range of whole pixels of about `wanted` length around `centre`, at least `smallest` long, moved into `[0, limit)`. */
function fit(centre: number, wanted: number, smallest: number, limit: number) {
  const length = clamp(Math.round(Math.max(wanted, smallest)), 1, limit);
  const begin = clamp(Math.round(centre - length / 2), 0, limit - length);
  return { begin, length };
}

/** Intersection over union of two boxes. */
export function overlap(a: CropBox, b: CropBox): number {
  const across = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const down = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  const both = Math.max(0, across) * Math.max(0, down);
  return both / (a.width * a.height + b.width * b.height - both);
}

const BINS = 256;

function otsu(values: Float32Array): number {
  const [low, high] = [minimum(values), maximum(values)];
  if (high - low < FLAT) return low;
  const scale = BINS / (high - low);
  const counts = new Float64Array(BINS);
  for (const value of values) counts[Math.min(BINS - 1, Math.floor((value - low) * scale))]++;
  const totalSum = sum(counts.map((count, bin) => count * bin));
  let best = { variance: -1, bin: 0 };
  let below = 0;
  let belowSum = 0;
  for (let bin = 1; bin < BINS; bin++) {
    below += counts[bin - 1];
    belowSum += counts[bin - 1] * (bin - 1);
    // Neither is 0: the first bin has the least value, the last one the greatest.
    const above = values.length - below;
    const variance = below * above * (belowSum / below - (totalSum - belowSum) / above) ** 2;
    if (variance > best.variance) best = { variance, bin };
  }
  return low + best.bin / scale;
}
