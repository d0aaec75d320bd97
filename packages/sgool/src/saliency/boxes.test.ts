import { expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { JUDGE_GRID, JUDGE_TRAITS } from '../networks/judge/network.ts';
import { COLOURS, KINDS } from '../networks/judge/vocabulary.ts';
import { Generator } from '../random/generator.ts';
import { boxMap } from './box-map.ts';
import { judgeBoxes } from './judge-boxes.ts';
import { randomBox } from './random-box.ts';
import { noDetector } from './simple-detectors.ts';

it('boxMap: the most salient box counts; boxes are widened to whole pixels and cut at the edges', () => {
  const map = boxMap({ width: 4, height: 3 }, [
    { left: 0.5, top: -3, width: 1, height: 4.5, saliency: 0.5 },
    { left: 1, top: 1, width: 9, height: 1, saliency: 1 },
    { left: 5, top: 0, width: 2, height: 2, saliency: 1 },
    { left: 0, top: -4, width: 2, height: 2, saliency: 1 },
  ]);
  expect([...map.data]).toEqual([0.5, 0.5, 0, 0, 0.5, 1, 1, 1, 0, 0, 0, 0]);
  expect(map.boxes).toEqual([
    { left: 0, top: 0, width: 2, height: 2 },
    { left: 1, top: 1, width: 3, height: 1 },
  ]);
});

it('random: takes three numbers of the stream for each image: the side, and the place across and down', async () => {
  const [size, numbers] = [createImage(60, 40), new Generator(5).rand([6])];
  const detector = randomBox(new Generator(5));
  for (const from of [0, 3]) {
    const [share, across, down] = numbers.subarray(from);
    const side = Math.round((0.25 + 0.5 * share) * 40);
    expect((await detector.map(size)).boxes).toEqual([
      {
        left: Math.floor(across * (61 - side)),
        top: Math.floor(down * (41 - side)),
        width: side,
        height: side,
      },
    ]);
  }
});

it('random: squares of a quarter to three quarters of the shorter side, anywhere, from the stream', async () => {
  const image = createImage(60, 40);
  const detector = randomBox(new Generator(5));
  const boxes: { left: number; top: number; width: number }[] = [];
  for (let i = 0; i < 300; i++) {
    const { boxes: found = [], data } = await detector.map(image);
    const [{ left, top, width, height }] = found;
    expect(found).toHaveLength(1);
    expect(height).toBe(width);
    expect(left >= 0 && top >= 0 && left + width <= 60 && top + height <= 40).toBe(true);
    expect(data.reduce((a, b) => a + b)).toBe(width * height);
    boxes.push({ left, top, width });
  }
  const span = (values: number[]) => [Math.min(...values), Math.max(...values)];
  expect(span(boxes.map(({ width }) => width))).toEqual([10, 30]);
  expect(Math.min(...boxes.map(({ left, top }) => left + top))).toBeLessThan(5);
  expect(boxes.some(({ left, width }) => left + width === 60)).toBe(true);
  expect(boxes.some(({ top, width }) => top + width === 40)).toBe(true);
  expect((await randomBox(new Generator(5)).map(image)).boxes).toMatchObject([boxes[0]]);
  expect((await randomBox(new Generator(5)).map(createImage(1, 1))).data).toEqual(Float32Array.of(1));
});

it('judge: the boxes of its detections at the size of the image, as salient as it is sure', async () => {
  const cells = JUDGE_GRID ** 2;
  const maps = {
    heat: new Float32Array(cells * KINDS.length).fill(-8),
    colour: new Float32Array(cells * KINDS.length * COLOURS.length),
    traits: new Float32Array(cells * KINDS.length * JUDGE_TRAITS),
  };
  const cell = 4 * JUDGE_GRID + 8;
  maps.heat[2 * cells + cell] = 2;
  // Centre (8.5, 4.25) of 16, a quarter wide and half as high.
  maps.traits.set([0.5, 0.25, 0.25, 0.125, 0, 0], (cell * KINDS.length + 2) * JUDGE_TRAITS);
  let seen: unknown;
  const program = {
    run: async (inputs: Record<string, unknown>) => {
      seen = inputs.image;
      return maps;
    },
  };
  const map = await judgeBoxes(async () => program as never).map(createImage(64, 32, [255, 0, 255]));
  expect((seen as Float32Array).length).toBe(3 * 128 * 128);
  expect((seen as Float32Array)[128 * 128]).toBe(0);
  // x 0.40625 to 0.65625 of 64, y 0.203125 to 0.328125 of 32.
  expect(map.boxes).toEqual([{ left: 26, top: 6, width: 16, height: 5 }]);
  expect(map.data[7 * 64 + 30]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  expect(map.data[0]).toBe(0);
});

it('none: marks nothing', async () => {
  expect([...(await noDetector().map(createImage(2, 2))).data]).toEqual([0, 0, 0, 0]);
});
