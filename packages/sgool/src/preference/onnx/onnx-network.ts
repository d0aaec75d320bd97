/** @file A network from an ONNX file that reads an image: imported, checked against its description, called in any trace. */
import {
  add,
  concat,
  constant,
  div,
  type ImportedModel,
  importOnnx,
  mul,
  type Shape,
  sub,
  type Tensor,
  transpose,
} from '@sgool/autodiff';
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import type { ImageSize } from '../../image/image.ts';
import { resampleMatrix } from '../../image/resample.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { type ImageView, imageView } from '../image-view.ts';
import type { OnnxImage } from './onnx-description.ts';

/** What of a description the network itself depends on. */
export interface OnnxParts {
  readonly image: OnnxImage;
  readonly output?: string | undefined;
  /** Shapes of its other inputs for one image, by name. */
  readonly others: Readonly<Record<string, Shape>>;
}

/** A network that reads images one at a time. */
export interface OnnxNetwork {
  /** Name of the output that is read. */
  readonly outputName: string;
  /** How many images the model takes at once. */
  readonly batch: number;
  /** Type of each input. */
  readonly inputs: ImportedModel['inputs'];
  /** Size of the file in bytes. */
  readonly bytes: number;
  /** Real paths of the file. */
  readonly files: readonly string[];
  /**
   * The output for one image, with the axis of images in front.
   *
   * @param planes `[1, 3, size, size]` in [0, 1]
   * @param others the other inputs, for one image
   */
  output(planes: Tensor, others: Readonly<Record<string, Tensor>>): Tensor;
}

/**
 * Opens the file. A network whose batch is fixed gets the image as often as it wants it. Numbers in files beside the file are read.
 *
 * @param who names the user of the file in messages
 * @throws UserError in one line where the file is not usable, or does not have what the description says
 */
export async function openOnnxNetwork(path: string, who: string, parts: OnnxParts): Promise<OnnxNetwork> {
  const wrong = (what: string, cause?: unknown) => new UserError(`${who}: ${what}`, { cause });
  const bytes = await files.readBytes(path, SIZE_LIMITS.onnx);
  const model = imported(bytes, path, parts, wrong);
  const output = outputOf(model, parts, wrong);
  const batch = checkInputs(model, parts, wrong);
  return {
    outputName: output,
    batch,
    inputs: model.inputs,
    bytes: bytes.length,
    files: [path],
    output(planes, others) {
      const inputs = { [parts.image.input]: pixels(planes, parts.image), ...others };
      const all = Object.entries(inputs).map(([name, one]) => [name, repeated(one, batch)]);
      return model(Object.fromEntries(all))[output];
    },
  };
}

type Wrong = (what: string, cause?: unknown) => UserError;

/** The model, with one image where its batch is open. */
function imported(bytes: Uint8Array, path: string, parts: OnnxParts, wrong: Wrong): ImportedModel {
  const folder = places.dirname(path);
  try {
    try {
      return importOnnx(bytes, { folder });
    } catch (error) {
      // A length is open: those of the description, for one image.
      if (!(error instanceof RangeError)) throw error;
      return importOnnx(bytes, { folder, shapes: shapesOf(parts) });
    }
  } catch (error) {
    throw wrong((error as Error).message.replace(/^importOnnx: /, ''), error);
  }
}

function shapesOf({ image, others }: OnnxParts, batch = 1): Record<string, Shape> {
  const { input, size, layout } = image;
  return {
    [input]: layout === 'NCHW' ? [batch, 3, size, size] : [batch, size, size, 3],
    ...Object.fromEntries(Object.entries(others).map(([name, shape]) => [name, [batch, ...shape]])),
  };
}

function outputOf({ outputs }: ImportedModel, { output }: OnnxParts, wrong: Wrong): string {
  if (output === undefined && outputs.length === 1) return outputs[0];
  if (output !== undefined && outputs.includes(output)) return output;
  throw wrong(
    `output: the model has ${outputs.join(', ')}, got ${output ?? 'none of them in the description'}`,
  );
}

/** @returns how many images the model wants at once @throws UserError where inputs and description differ */
function checkInputs(model: ImportedModel, parts: OnnxParts, wrong: Wrong): number {
  const names = Object.keys(model.inputs);
  const { input } = parts.image;
  const batch = model.inputs[input]?.shape[0] ?? 1;
  const wanted = shapesOf(parts, batch);
  for (const [name, shape] of Object.entries(wanted)) {
    const found = model.inputs[name];
    if (found === undefined)
      throw wrong(`the description has the input ${name}; the model has ${names.join(', ')}`);
    if (String(found.shape) !== String(shape))
      throw wrong(`input ${name} is [${found.shape}] in the model, and [${shape}] by the description`);
  }
  if (model.inputs[input].dtype !== 'float32')
    throw wrong(`input ${input} takes ${model.inputs[input].dtype}; images come as float32`);
  const missing = names.find((name) => !(name in wanted));
  if (missing !== undefined)
    throw wrong(`the model also reads ${missing}, which the description does not have`);
  return batch;
}

/** Planes `[1, 3, size, size]` in [0, 1] as the model reads them: `(black + (white - black)·p - mean) / std`, in its layout. */
function pixels(planes: Tensor, { layout, range: [black, white], mean, std }: OnnxImage): Tensor {
  const perColour = (values: readonly number[]) =>
    constant({ dtype: 'float32', shape: [1, 3, 1, 1], data: Float32Array.from(values) });
  const ranged = black === 0 && white === 1 ? planes : add(mul(planes, white - black), black);
  const normalised = div(sub(ranged, perColour(mean)), perColour(std));
  return layout === 'NCHW' ? normalised : transpose(normalised, [0, 2, 3, 1]);
}

/** The same values for each image of a batch. */
const repeated = (one: Tensor, times: number): Tensor =>
  times === 1 ? one : concat(new Array<Tensor>(times).fill(one), 0);

/** How an image of any shape becomes the network's square. */
export function onnxView({ size, resize }: OnnxImage, image: ImageSize): ImageView {
  if (resize === 'crop') return imageView('torchvision', image, size);
  if (resize === 'pad') return imageView('longest-side', image, size);
  return {
    rows: resampleMatrix(image.height, size),
    columns: resampleMatrix(image.width, size),
    rounded: true,
  };
}
