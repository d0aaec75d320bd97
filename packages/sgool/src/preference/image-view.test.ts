import { expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { imageGradient, imageView, type Preprocessing, seenPlanes } from './image-view.ts';
import { preferenceCases } from './testing.ts';

it.each<[Preprocessing, string]>([
  ['torchvision', 'hps-v1'],
  ['longest-side', 'hps-v2'],
  ['transformers', 'pickscore'],
])('the preprocessing of %s is that of its library', async (preprocessing, scorer) => {
  for (const { image, seen } of await preferenceCases(scorer)) {
    const ours = seenPlanes(image, imageView(preprocessing, image, 28));
    const off = ours.map((value, i) => 255 * Math.abs(value - seen[i]));
    expect(Math.max(...off)).toBeLessThan(1e-3);
  }
});

it('HPS v2 sees a wide image whole, with black above and below', () => {
  const image = createImage(8, 2, [255, 255, 255]);
  const seen = seenPlanes(image, imageView('longest-side', image, 4));
  expect([...seen.slice(0, 16)].map(Math.round)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});

it('an image that is a line is still seen', () => {
  const image = createImage(300, 1, [255, 0, 0]);
  for (const preprocessing of ['torchvision', 'transformers', 'longest-side'] as const) {
    const seen = seenPlanes(image, imageView(preprocessing, image, 4));
    expect(Math.max(...seen), preprocessing).toBeCloseTo(1);
  }
});

it('the gradient of a sum of what is seen counts how often each pixel is seen', () => {
  const image = { width: 6, height: 3 };
  const seen = imageView('torchvision', image, 3);
  const gradient = imageGradient(new Float32Array(27).fill(1), image, seen);
  // Of six columns the middle three; the crop's corner at 1.5 goes to 2.
  expect([...gradient.slice(0, 6)]).toEqual([0, 0, 1, 1, 1, 0]);
});
