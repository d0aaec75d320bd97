import { describe, expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { dot } from '../numbers.ts';
import type { ClipCritic } from './clip-critic.ts';
import { clipScore, clipTarget } from './clip-target.ts';

const unit = (...values: number[]) => Float32Array.from(values, (value) => value / Math.hypot(...values));
/** The embedding of an image is the direction of its first pixel; of a text that of its length and a constant. */
function fakeCritic() {
  const embedded = { images: 0 };
  const critic = {
    config: { projection_dim: 3 },
    async embedImage({ data }: { data: Uint8Array }) {
      embedded.images++;
      return unit(...data.subarray(0, 3));
    },
    embedText: async (text: string) => unit(text.length, 1, 2),
  } as unknown as ClipCritic;
  return { critic, embedded };
}
const red = createImage(1, 1, [200, 30, 10]);
const blue = createImage(1, 1, [10, 20, 220]);
const seen = createImage(1, 1, [90, 80, 70]);

describe('clipTarget', () => {
  it('is the text alone without images, and the images alone where the text has no weight', async () => {
    const { critic } = fakeCritic();
    expect(await clipTarget('a cat').aim(critic)).toEqual({ text: unit(5, 1, 2) });
    expect(await clipTarget('a cat', [{ image: red }], 0).aim(critic)).toEqual({ text: unit(200, 30, 10) });
  });

  it('weighs the images among each other, and all of them beside the text', async () => {
    const { critic } = fakeCritic();
    const images = [{ image: red, weight: 3 }, { image: blue }];
    const { text, picture } = await clipTarget('a cat', images, 4).aim(critic);
    const [r, b] = [unit(200, 30, 10), unit(10, 20, 220)];
    const mean = unit(...r.map((value, i) => 3 * value + b[i]));
    expect(text).toEqual(unit(5, 1, 2));
    expect(picture?.share).toBe(0.5);
    picture?.embedding.forEach((value, i) => {
      expect(value).toBeCloseTo(mean[i], 6);
    });
  });

  it('takes a part of the text where one is named, and embeds the images once', async () => {
    const { critic, embedded } = fakeCritic();
    const target = clipTarget('a cat', [{ image: red }, { image: blue }]);
    await target.aim(critic);
    expect((await target.aim(critic, 'cat')).text).toEqual(unit(3, 1, 2));
    expect(embedded.images).toBe(2);
  });

  it('scores by text and images as the loss weighs them', async () => {
    const { critic } = fakeCritic();
    const look = unit(90, 80, 70);
    const words = 100 * dot(look, unit(5, 1, 2));
    const picture = 100 * dot(look, unit(200, 30, 10));
    const score = (weight: number) => clipScore(critic, seen, clipTarget('a cat', [{ image: red }], weight));
    expect(await clipScore(critic, seen, clipTarget('a cat'))).toBeCloseTo(words, 4);
    expect(await score(0)).toBeCloseTo(picture, 4);
    expect(await score(3)).toBeCloseTo(0.75 * words + 0.25 * picture, 4);
  });
});
