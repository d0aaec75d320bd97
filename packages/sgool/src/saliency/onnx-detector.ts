/** @file Any saliency model that was exported to ONNX: `mine.onnx`, and `mine.json` that says what it reads. */
import { reshape, slice, type Tensor, trace } from '@sgool/autodiff';
import { z } from 'zod';
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import { resampleMatrix, resamplePlane } from '../image/resample.ts';
import { seenPlanes } from '../preference/image-view.ts';
import { imageSchema, networkKeys, onnxName, readBeside } from '../preference/onnx/onnx-description.ts';
import { onnxView, openOnnxNetwork } from '../preference/onnx/onnx-network.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import { type Detector, minMaxNormalise } from './detector.ts';

const schema = z.strictObject({
  ...networkKeys,
  // The map must cover the whole image.
  image: imageSchema.extend({ resize: z.literal('squash').default('squash') }),
});

const EXAMPLE = '{"image": {"input": "image", "size": 256}}';

/**
 * Opens a saliency model. The image is resized to the network's square, the map back to the image (bilinear), and then min-max normalised.
 *
 * @param file path of the .onnx file, whose output is one map per image: `[1, 1, h, w]`, `[1, h, w]`, `[1, h, w, 1]`, of any size
 * @param precision of the network
 * @throws UserError in one line where the file, or the description beside it, is not usable
 */
export async function openOnnxDetector(
  file: string,
  programs: Pick<ProgramCache, 'get'>,
  precision: 'float32',
): Promise<Detector> {
  const path = places.resolve(file);
  const who = `saliency ${path}`;
  if (!(await files.exists(path))) throw new UserError(`${who}: there is no such file`);
  const { image: reads, output } = await readBeside(path, who, schema, EXAMPLE);
  const network = await openOnnxNetwork(path, who, { image: reads, output, others: {} });
  const graph = trace({ planes: { shape: [1, 3, reads.size, reads.size] } }, ({ planes }) => ({
    map: mapOf(planes),
  }));
  const [rows, columns] = graph.outputs.get('map')?.shape ?? [];

  /** The map of the first image, [height, width]. */
  function mapOf(planes: Tensor): Tensor {
    const maps = network.output(planes, {});
    const sides = maps.shape.slice(1).filter((side) => side !== 1);
    if (sides.length !== 2) {
      throw new UserError(
        `${who}: the output ${network.outputName} is [${maps.shape}]; a saliency model gives one map [height, width] of an image`,
      );
    }
    return reshape(slice(maps, [{ axis: 0, start: 0, end: 1 }]), sides);
  }

  return {
    name: onnxName(path),
    async map(image) {
      const { width, height } = image;
      const program = await programs.get(`saliency ${path}`, () => graph, precision);
      const planes = seenPlanes(image, onnxView(reads, image));
      const map = (await program.run({ planes })).map as Float32Array;
      const whole = resamplePlane(
        map,
        columns,
        resampleMatrix(rows, height, { filter: 'bilinear' }),
        resampleMatrix(columns, width, { filter: 'bilinear' }),
      );
      return { width, height, data: minMaxNormalise(whole) };
    },
  };
}
