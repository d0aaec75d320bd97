/**
 * @file A saliency model of your own decides which parts of the image SGOOL optimises.
 *
 * npx tsx examples/03-own-saliency-model.ts
 */
import assert from 'node:assert/strict';
import { type Detector, loadPipeline, methods } from 'sgool';

/** One spot on the left. A real model would compute the map from the pixels in `image.data`. */
const spotOnTheLeft: Detector = {
  name: 'spot-on-the-left',
  async map({ width, height }) {
    const distance = (i: number) =>
      Math.hypot((i % width) / width - 0.25, Math.floor(i / width) / height - 0.5);
    const data = Float32Array.from({ length: width * height }, (_, i) =>
      Math.exp(-((distance(i) / 0.1) ** 2)),
    );
    return { width, height, data };
  },
};

const pipeline = await loadPipeline('toybox');
const withOwnModel = { ...pipeline, detector: async () => spotOnTheLeft };

const request = { prompt: 'a red cat and a blue boat', seed: 2, preset: 'fast', iterations: 1 } as const;
for await (const { iteration, image, regions = [] } of methods.sgool.run(withOwnModel, request)) {
  console.log(
    `iteration ${iteration}: ${regions.map(({ left, width }) => `x ${left} to ${left + width}`).join(', ')}`,
  );
  assert(regions.length > 0, 'the map has a peak, so there is a region');
  for (const { left, width } of regions)
    assert(left + width / 2 < image.width / 2, 'the region must lie on the left');
}
await pipeline.dispose();
