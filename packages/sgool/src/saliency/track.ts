/**
 * @file Salient regions over the frames of a clip: maps that are smoothed over time, and boxes that move without jumps.
 *
 *     S_f <- S_f / 2 + (S_{f-1} + S_{f+1}) / 4        b_f <- 0.7 x_f + 0.3 b_{f-1}
 *
 * x_f is the box of a frame, as centre and size. It belongs to a track if its intersection over union with the box b of that track is 0.3 or more;
 * what no neighbour confirms is dropped. The exponential mean runs forwards and backwards, and their mean does not lag behind.
 */
import { mean } from '../numbers.ts';
import type { SaliencyMap } from './detector.ts';
import { findRegions, overlap, type Region, type RegionOptions } from './regions.ts';

/** What a new box counts in the exponential mean. */
const NEW_SHARE = 0.7;
/** Least intersection over union of a box with the track that it belongs to. */
const SAME_THING = 0.3;

/** Where the salient regions of a frame are. */
export interface LocatedRegions {
  readonly saliency: SaliencyMap;
  readonly regions: readonly Region[];
}

/** Where the salient regions of all frames are, and how much they shake. */
export interface LocatedFrames {
  readonly frames: readonly LocatedRegions[];
  /** The things that are followed, in no order. */
  readonly tracks: readonly Track[];
  /** See {@link jitter}. */
  readonly jitter?: number;
}

/** Finds the salient regions of each frame from its map, and follows them through the clip. */
export function followRegions(maps: readonly SaliencyMap[], options: RegionOptions): LocatedFrames {
  const smooth = smoothOverTime(maps);
  const tracks = trackRegions(smooth.map((map) => findRegions(map, options)));
  const shaking = jitter(tracks, maps[0]);
  return {
    frames: smooth.map((saliency, f) => ({ saliency, regions: boxesAt(tracks, f) })),
    tracks,
    ...(shaking === undefined ? {} : { jitter: shaking }),
  };
}

/** The maps of the frames, smoothed over time; behind the ends the frame at the end stands. Boxes that a saliency model knows stay. */
export function smoothOverTime(maps: readonly SaliencyMap[]): SaliencyMap[] {
  if (maps.length === 1) return [...maps];
  return maps.map((map, f) => {
    const before = maps[Math.max(0, f - 1)].data;
    const after = maps[Math.min(maps.length - 1, f + 1)].data;
    return { ...map, data: map.data.map((value, i) => value / 2 + (before[i] + after[i]) / 4) };
  });
}

/** One salient thing over the frames. */
export interface Track {
  /** The box of the thing in each frame; undefined where it was not found. */
  readonly found: readonly (Region | undefined)[];
  /** The same, smoothed over time: what is looked at. */
  readonly boxes: readonly (Region | undefined)[];
}

/**
 * Follows salient regions through the frames of a clip.
 *
 * @param regions of each frame, most salient first
 * @returns the things that were found in two neighbouring frames or more; of one frame all of its regions
 */
export function trackRegions(regions: readonly (readonly Region[])[]): Track[] {
  if (regions.length === 1) return regions[0].map((region) => ({ found: [region], boxes: [region] }));
  const open: { found: (Region | undefined)[]; box: Region }[] = [];
  regions.forEach((all, f) => {
    const free = new Set(all);
    const pairs = open
      .flatMap((track) => all.map((region) => ({ track, region, likeness: overlap(track.box, region) })))
      .filter(({ likeness }) => likeness >= SAME_THING)
      .sort((a, b) => b.likeness - a.likeness);
    for (const { track, region } of pairs) {
      if (!free.has(region) || track.found[f] !== undefined) continue;
      free.delete(region);
      track.box = blended(track.box, region);
      track.found[f] = region;
    }
    for (const region of free) {
      const found = regions.map((_, other) => (other === f ? region : undefined));
      open.push({ found, box: region });
    }
  });
  const isConfirmed = (found: readonly (Region | undefined)[]) =>
    found.some((region, f) => region !== undefined && found[f + 1] !== undefined);
  return open
    .filter(({ found }) => isConfirmed(found))
    .map(({ found }) => ({ found, boxes: smoothed(found) }));
}

/** The boxes of a frame on their tracks, most salient first. */
export function boxesAt(tracks: readonly Track[], frame: number): Region[] {
  return tracks.flatMap(({ boxes }) => boxes[frame] ?? []).sort((a, b) => b.mass - a.mass);
}

/**
 * How much salient things shake: the mean second difference of the centres of their boxes as found, as a share of the longer side of the image.
 * Steady motion does not shake. Undefined where nothing was found in three frames in a row.
 */
export function jitter(
  tracks: readonly Pick<Track, 'found'>[],
  { width, height }: { readonly width: number; readonly height: number },
): number | undefined {
  const shakes = tracks.flatMap(({ found }) =>
    found.flatMap((region, f) => {
      const [before, after] = [found[f - 1], found[f + 1]];
      if (!before || !region || !after) return [];
      const [a, b, c] = [before, region, after].map(centreOf);
      return Math.hypot(a.x - 2 * b.x + c.x, a.y - 2 * b.y + c.y) / Math.max(width, height);
    }),
  );
  return shakes.length === 0 ? undefined : mean(shakes);
}

const centreOf = ({ left, top, width, height }: Region) => ({ x: left + width / 2, y: top + height / 2 });

/** The exponential mean of boxes: of their edges, which is that of centre and size. Not rounded. */
function blended(track: Region, box: Region): Region {
  const blend = (key: 'left' | 'top' | 'width' | 'height') =>
    NEW_SHARE * box[key] + (1 - NEW_SHARE) * track[key];
  return {
    left: blend('left'),
    top: blend('top'),
    width: blend('width'),
    height: blend('height'),
    mass: box.mass,
  };
}

/** The exponential mean along the frames where the thing was found. */
function running(found: readonly (Region | undefined)[]): (Region | undefined)[] {
  let last: Region | undefined;
  return found.map((region) => {
    if (region === undefined) return undefined;
    last = last === undefined ? region : blended(last, region);
    return last;
  });
}

function smoothed(found: readonly (Region | undefined)[]): (Region | undefined)[] {
  const forwards = running(found);
  const backwards = running(found.toReversed()).reverse();
  return found.map((region, f) => {
    const [a, b] = [forwards[f], backwards[f]];
    if (!region || !a || !b) return undefined;
    // Edges are rounded, so that what is inside stays inside.
    const edges = (start: 'left' | 'top', length: 'width' | 'height') => {
      const begin = Math.round((a[start] + b[start]) / 2);
      const end = Math.round((a[start] + a[length] + b[start] + b[length]) / 2);
      return [begin, Math.max(1, end - begin)] as const;
    };
    const [left, width] = edges('left', 'width');
    const [top, height] = edges('top', 'height');
    return { left, top, width, height, mass: region.mass };
  });
}
