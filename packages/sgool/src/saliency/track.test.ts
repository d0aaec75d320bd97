/** @file Salient regions over the frames of a clip. */
import { describe, expect, it } from 'vitest';
import type { Region } from './regions.ts';
import { boxesAt, jitter, smoothOverTime, trackRegions } from './track.ts';

const box = (left: number, top = 10, side = 20, mass = 0.5): Region => ({
  left,
  top,
  width: side,
  height: side,
  mass,
});
const map = (...values: number[]) => ({ width: values.length, height: 1, data: Float32Array.from(values) });

describe('smoothOverTime', () => {
  it('takes half of a frame and a quarter of each neighbour', () => {
    const [first, second, third] = smoothOverTime([map(1, 0), map(0, 0.5), map(0.5, 1)]);
    expect([...second.data]).toEqual([0.375, 0.5]);
    expect([...first.data]).toEqual([0.75, 0.125]);
    expect([...third.data]).toEqual([0.375, 0.875]);
  });

  it('leaves a picture as it is, and keeps boxes', () => {
    const still = map(0.1, 0.7);
    expect(smoothOverTime([still])[0]).toBe(still);
    const boxes = [box(0)];
    expect(smoothOverTime([{ ...still, boxes }, still])[0].boxes).toBe(boxes);
  });
});

describe('trackRegions', () => {
  it('leaves the regions of a picture as they are', () => {
    const regions = [box(1), box(30)];
    expect(boxesAt(trackRegions([regions]), 0)).toEqual(regions);
  });

  it('is the exponential mean of 0.7, forwards and backwards', () => {
    const [{ boxes }] = trackRegions([[box(10)], [box(20)], [box(10)]]);
    // Forwards 10, 17, 12.1; backwards 12.1, 17, 10.
    expect(boxes.map((one) => one?.left)).toEqual([11, 17, 11]);
    const [grown] = trackRegions([[box(10, 10, 20)], [box(10, 10, 30)]]);
    expect(grown.boxes.map((one) => one?.width)).toEqual([22, 29]);
  });

  it('does not lag behind what moves evenly', () => {
    const regions = Array.from({ length: 9 }, (_, f) => [box(10 + 4 * f)]);
    const [{ boxes }] = trackRegions(regions);
    expect(boxes[4]).toEqual(box(26));
    for (const [f, one] of boxes.entries())
      expect(Math.abs((one?.left ?? 99) - (10 + 4 * f))).toBeLessThan(2);
  });

  it('drops a box that jumps, and goes on where the thing comes back', () => {
    const tracks = trackRegions([[box(10)], [box(11)], [box(80)], [box(12)], [box(13)]]);
    expect(tracks).toHaveLength(1);
    expect(boxesAt(tracks, 2)).toEqual([]);
    expect(boxesAt(tracks, 3)).toHaveLength(1);
  });

  it('asks for an overlap of 0.3', () => {
    // Squares of 20 that are shifted by s overlap by (20 - s) / (20 + s): 0.333 at 10, 0.290 at 11.
    expect(trackRegions([[box(10)], [box(20)]])).toHaveLength(1);
    expect(trackRegions([[box(10)], [box(21)]])).toHaveLength(0);
  });

  it('follows two things, and gives each box to the nearer one', () => {
    const tracks = trackRegions([
      [box(10, 10, 20, 0.3), box(20, 10, 20, 0.6)],
      [box(21, 10, 20, 0.6), box(11, 10, 20, 0.3)],
    ]);
    expect(tracks.map(({ found }) => found.map((one) => one?.left))).toEqual([
      [10, 11],
      [20, 21],
    ]);
    expect(boxesAt(tracks, 1).map(({ mass }) => mass)).toEqual([0.6, 0.3]);
  });

  it('begins with a thing that comes later', () => {
    const tracks = trackRegions([[box(10)], [box(10), box(60)], [box(10), box(61)]]);
    expect([0, 1, 2].map((f) => boxesAt(tracks, f).length)).toEqual([1, 2, 2]);
  });

  it('keeps boxes inside the image', () => {
    const tracks = trackRegions([[box(0, 0, 33)], [box(31, 0, 33)], [box(30, 0, 34)]].map(([one]) => [one]));
    for (let f = 0; f < 3; f++)
      for (const { left, width } of boxesAt(tracks, f)) expect(left + width).toBeLessThanOrEqual(64);
  });
});

describe('jitter', () => {
  const size = { width: 100, height: 50 };
  it('is 0 for steady motion', () => {
    expect(jitter(trackRegions([[box(10)], [box(14)], [box(18)]]), size)).toBe(0);
  });
  it('is the mean second difference of the centres as found, in longer sides', () => {
    const tracks = trackRegions([[box(10)], [box(14)], [box(10)], [box(10)]]);
    expect(jitter(tracks, size)).toBeCloseTo((8 + 4) / 2 / 100, 12);
  });
  it('is of the middle of boxes that grow', () => {
    const tracks = [{ found: [box(0, 10, 20), box(0, 10, 40), box(0, 10, 20)] }];
    expect(jitter(tracks, size)).toBeCloseTo(Math.hypot(20, 20) / 100, 12);
  });
  it('is not known of two frames', () => {
    expect(jitter(trackRegions([[box(10)], [box(14)]]), size)).toBeUndefined();
  });
});
