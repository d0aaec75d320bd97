/** @file Taking frames out of a clip's latent, and its transpose. */
import { expect, test } from 'vitest';
import { dot } from '../numbers.ts';
import { addFrameLatent, frameLatent, framesOf } from './frames.ts';

const SHAPE = [1, 2, 3, 1, 2];
const latent = Float64Array.from({ length: 12 }, (_, i) => i);

test('the numbers of a frame are taken channel by channel', () => {
  expect([...frameLatent(latent, SHAPE, 1)]).toEqual([2, 3, 8, 9]);
  expect([...frameLatent(latent, SHAPE, 2)]).toEqual([4, 5, 10, 11]);
});

test('adding to a frame is the transpose of taking it', () => {
  const part = Float64Array.of(0.5, -1, 2, 3);
  for (const frame of [0, 1, 2]) {
    const into = new Float64Array(12);
    addFrameLatent(into, SHAPE, frame, part);
    addFrameLatent(into, SHAPE, frame, part);
    expect(dot(into, latent)).toBe(2 * dot(part, frameLatent(latent, SHAPE, frame)));
  }
});

test('a picture is its own only frame', () => {
  const picture = [1, 2, 3, 2];
  expect([framesOf(picture), framesOf(SHAPE)]).toEqual([1, 3]);
  expect(frameLatent(latent, picture, 0)).toEqual(latent);
  expect(frameLatent(latent, picture, 0)).not.toBe(latent);
});

test('frames and lengths that do not fit are said', () => {
  expect(() => frameLatent(latent, SHAPE, 3)).toThrow('frame must be a whole number from 0 to 2, got 3');
  expect(() => frameLatent(latent, SHAPE, 0.5)).toThrow('got 0.5');
  expect(() => frameLatent(latent.subarray(1), SHAPE, 0)).toThrow('a latent of [1,2,3,1,2] does not have 11');
  expect(() => addFrameLatent(latent, SHAPE, 0, latent)).toThrow(
    'a frame of [1,2,3,1,2] has 4 numbers, got 12',
  );
});
