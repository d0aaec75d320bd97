/**
 * @file From regions to what is repainted: which regions, in which order, and the pixels of each.
 *
 * Reference: Bing-su/adetailer, adetailer/mask.py (order, ratio, offset, dilation, merge and invert). Departures: an offset moves a region out
 * of the image instead of in again on the other side, and dilation is the growth on each side instead of the side of a kernel.
 */
import { UserError } from '../../errors.ts';
import { boxText } from '../../image/boxes.ts';
import type { CropBox } from '../../image/crops.ts';
import type { ImageSize } from '../../image/image.ts';
import { clamp } from '../../numbers.ts';
import type { DetailSettings } from '../../request/settings/detail.ts';
import type { Region } from '../../saliency/regions.ts';

/** Pixels that are repainted together. */
export interface RepaintMask {
  /** 1 for each pixel that may change, `[height, width]` of the image. */
  readonly open: Uint8Array;
  /** The smallest box around them. */
  readonly box: CropBox;
}

type Filter = Pick<DetailSettings, 'minRegionMass' | 'minRegionArea' | 'maxRegionArea'>;
type Placing = Pick<DetailSettings, 'regionOffsetX' | 'regionOffsetY' | 'regionDilation' | 'regionMerge'>;

/** The regions that are large and salient enough, and not too large. */
export function filterRegions(
  regions: readonly Region[],
  { minRegionMass, minRegionArea, maxRegionArea }: Filter,
  { width, height }: ImageSize,
): Region[] {
  return regions.filter((region) => {
    const area = (region.width * region.height) / (width * height);
    return region.mass >= minRegionMass && area >= minRegionArea && area <= maxRegionArea;
  });
}

/** The regions in the order in which they are repainted. Equal ones keep their places. */
export function orderRegions(
  regions: readonly Region[],
  order: DetailSettings['regionOrder'],
  { width, height }: ImageSize,
): Region[] {
  const key: Readonly<Record<DetailSettings['regionOrder'], (region: Region) => number>> = {
    saliency: () => 0,
    'left-to-right': ({ left }) => left,
    'centre-to-edge': (region) =>
      Math.hypot(region.left + region.width / 2 - width / 2, region.top + region.height / 2 - height / 2),
    'largest-first': (region) => -region.width * region.height,
  };
  return regions.toSorted((a, b) => key[order](a) - key[order](b));
}

/**
 * The boxes of a user as regions, which count as salient all over.
 *
 * @throws UserError where one is not inside the image
 */
export function givenRegions(boxes: readonly CropBox[], { width, height }: ImageSize): Region[] {
  return boxes.map((box) => {
    if (box.left + box.width <= width && box.top + box.height <= height) return { ...box, mass: 1 };
    throw new UserError(
      `detail: box ${boxText(box)} is not inside the image, which is ${width} x ${height}; give x,y,width,height with x + width up to ${width} and y + height up to ${height}`,
    );
  });
}

/**
 * The pixels that are repainted: for each region its own, or one mask for all.
 *
 * @throws UserError where nothing is left of a region, or no pixel is outside of inverted ones
 */
export function repaintMasks(regions: readonly Region[], settings: Placing, size: ImageSize): RepaintMask[] {
  const boxes = regions.map((region) => placed(region, settings, size));
  if (boxes.length === 0 || settings.regionMerge === 'none') return boxes.map((box) => maskOf([box], size));
  if (settings.regionMerge === 'merge') return [maskOf(boxes, size)];
  const open = maskOf(boxes, size).open.map((value) => 1 - value);
  const box = boundsOf(open, size);
  if (box) return [{ open, box }];
  throw new UserError(
    'detail: the regions cover the whole image, so regionMerge invert leaves nothing to repaint; give smaller regions',
  );
}

/** A region moved and grown, as far as it lies in the image. */
function placed(
  region: Region,
  { regionOffsetX, regionOffsetY, regionDilation }: Placing,
  { width, height }: ImageSize,
): CropBox {
  const span = (begin: number, length: number, limit: number) => [
    clamp(begin - regionDilation, 0, limit),
    clamp(begin + length + regionDilation, 0, limit),
  ];
  const [left, right] = span(region.left + regionOffsetX, region.width, width);
  const [top, bottom] = span(region.top - regionOffsetY, region.height, height);
  if (right > left && bottom > top) return { left, top, width: right - left, height: bottom - top };
  throw new UserError(
    `detail: nothing is left of the region ${boxText(region)} with regionOffsetX ${regionOffsetX}, regionOffsetY ${regionOffsetY} and regionDilation ${regionDilation} in an image of ${width} x ${height}; move or shrink it less`,
  );
}

function maskOf(boxes: readonly CropBox[], { width, height }: ImageSize): RepaintMask {
  const open = new Uint8Array(width * height);
  for (const box of boxes) {
    for (let y = box.top; y < box.top + box.height; y++) {
      open.fill(1, y * width + box.left, y * width + box.left + box.width);
    }
  }
  const left = Math.min(...boxes.map((box) => box.left));
  const top = Math.min(...boxes.map((box) => box.top));
  const right = Math.max(...boxes.map((box) => box.left + box.width));
  const bottom = Math.max(...boxes.map((box) => box.top + box.height));
  return { open, box: { left, top, width: right - left, height: bottom - top } };
}

/** The smallest box around the open pixels; undefined if there are none. */
function boundsOf(open: Uint8Array, { width, height }: ImageSize): CropBox | undefined {
  const columns = new Uint8Array(width);
  const rows = new Uint8Array(height);
  open.forEach((value, i) => {
    if (value === 0) return;
    columns[i % width] = 1;
    rows[Math.floor(i / width)] = 1;
  });
  const [left, top] = [columns.indexOf(1), rows.indexOf(1)];
  if (left < 0) return undefined;
  return {
    left,
    top,
    width: columns.lastIndexOf(1) + 1 - left,
    height: rows.lastIndexOf(1) + 1 - top,
  };
}
