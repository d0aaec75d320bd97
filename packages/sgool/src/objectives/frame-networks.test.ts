/** @file What the networks see in the frames of a clip is what they see in pictures. */
import { compile, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { createImage, planesFromImage } from '../image/image.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { useTinyPipeline } from '../pipeline/testing/tiny-pipeline.ts';
import { Generator } from '../random/generator.ts';
import { openTranSalNetParts } from '../saliency/open-detector.ts';
import { transalnetDetector, transalnetGraph } from '../saliency/transalnet-detector.ts';
import { openModelFolder } from '../weights/open/model-folder.ts';
import type { FrameNetwork } from './frame-features.ts';
import { clipFrames, saliencyFrames } from './frame-networks.ts';

let pipeline: Pipeline;
let dir: string;
useTinyPipeline((opened, folder) => {
  pipeline = opened;
  dir = folder;
});

const [width, height] = [40, 24];
const picture = createImage(
  width,
  height,
  Uint8Array.from(new Generator(1).rand([3 * width * height]), (value) => 255 * value),
);

/** The features of the picture, with their shape. */
async function seenBy(network: FrameNetwork) {
  const graph = trace({ planes: { shape: [1, 3, height, width] } }, ({ planes }) => ({
    features: network.features(planes),
  }));
  const program = await compile(graph);
  const { features } = await program.run({ planes: planesFromImage(picture) });
  await program.dispose();
  return { shape: graph.outputs.get('features')?.shape, data: features as Float32Array };
}

const expectClose = (actual: Float32Array, expected: ArrayLike<number>) => {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 4);
  });
};

it('CLIP sees a frame as a picture that is not square', async () => {
  const critic = await pipeline.critic();
  const { data } = await seenBy(clipFrames(critic, { width, height }));
  const length = Math.hypot(...data);
  expectClose(
    data.map((value) => value / length),
    await critic.embedImage(picture),
  );
});

describe.each(['rgb', 'bgr'] as const)('TranSalNet in the order %s', (channelOrder) => {
  it('maps a frame as a picture, but for the scale', async () => {
    const folder = await openModelFolder(dir);
    const parts = { ...openTranSalNetParts(folder), channelOrder };
    const { shape, data } = await seenBy(saliencyFrames(parts, { width, height }));
    expect(shape).toEqual([1, 1, height, width]);
    const program = await compile(transalnetGraph(parts.config, parts.weights));
    const map = await transalnetDetector({ ...parts, program: async () => program }).map(picture);
    await program.dispose();
    const most = Math.max(...data);
    expectClose(
      data.map((value) => Math.max(0, value) / most),
      map.data,
    );
  });
});
