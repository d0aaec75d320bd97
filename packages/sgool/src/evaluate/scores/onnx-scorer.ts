/** @file Any scorer that was exported to ONNX: `<name>.onnx`, and `<name>.json` that says what it reads. */
import { basename, dirname, isAbsolute, join } from 'node:path';
import { type CompileOptions, type ImportedModel, importOnnx, type Shape, trace } from '@sgool/autodiff';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { resampleMatrix } from '../../image/resample.ts';
import { layoutFor } from '../../networks/network-weights.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { type ImageView, imageView, seenPlanes } from '../../preference/image-view.ts';
import { compileNetwork, type NetworkProgram } from '../../runtime/network-program.ts';
import { fittedIds } from '../../text/fitted-ids.ts';
import { hasTokenizer, loadTokenizer } from '../../text/load-tokenizer.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { resolveModel } from '../../weights/open/locate-model.ts';
import type { ImageScorer } from './image-scorer.ts';
import { type OnnxDescription, readDescription } from './onnx-description.ts';
import { filesSha256 } from './weights-hash.ts';

type ImageInput = OnnxDescription['image'];
type TextInput = NonNullable<OnnxDescription['text']>;
type Values = Float32Array | Int32Array | BigInt64Array;

/**
 * Opens a scorer. Its name is that of the file without its ending.
 *
 * A model whose batch is fixed gets the image as often as it wants it. Numbers in files beside the model are read, but their hash is
 * not part of the score's.
 *
 * @param path of the .onnx file
 * @throws UserError in one line where the file, or the description beside it, is not usable
 */
export async function onnxScorer(path: string, options: CompileOptions = {}): Promise<ImageScorer> {
  const name = basename(path).replace(/\.onnx$/i, '');
  const who = `scorer onnx: ${path}`;
  const wrong = (what: string, cause?: unknown) => new UserError(`${who}: ${what}`, { cause });
  const descriptionPath = join(dirname(path), `${name}.json`);
  if (!(await files.exists(path))) throw wrong('there is no such file');
  const bytes = await files.readBytes(path, SIZE_LIMITS.onnx);
  const described = await readDescription(descriptionPath);
  const { image, text, index } = described;
  const model = openModel(bytes, path, described, wrong);
  const output = outputOf(model, described, wrong);
  const batch = checkInputs(model, described, wrong);
  const tokenizer = text && (await openTokenizer(text, dirname(descriptionPath), wrong));

  const layout = layoutFor(bytes.length);
  let program: Promise<NetworkProgram> | undefined;
  const compiled = () => {
    program ??= Promise.resolve().then(() =>
      compileNetwork(
        who,
        trace(model.inputs, (inputs) => ({ score: model(inputs)[output] })),
        { layout, ...options },
      ),
    );
    return program;
  };
  return {
    infos: [
      {
        name,
        title: described.title ?? name,
        scale: described.scale,
        digits: described.digits,
        higherIsBetter: described.higherIsBetter,
        isAveraged: described.averaged,
        tie: described.tie ?? 10 ** -described.digits,
        weights: await filesSha256([path]),
        preprocessing: preprocessingOf(described),
      },
    ],
    async score({ image: scored, prompt }) {
      const inputs = {
        [image.input]: repeated(pixels(scored, image), batch),
        ...(text && tokenizer ? ids(prompt.text, text, tokenizer, model, batch) : {}),
      };
      const result = (await (await compiled()).run(inputs)).score;
      if (index >= result.length / batch) {
        throw wrong(
          `index: the output ${output} has ${result.length / batch} numbers of an image, got ${index}`,
        );
      }
      return { [name]: Number(result[index]) };
    },
    truncates: (prompt) =>
      text !== undefined && tokenizer !== undefined && isCut(prompt, text, tokenizer) ? [name] : [],
    dispose: async () => {
      await (await program?.catch(() => undefined))?.dispose();
    },
  };
}

type Wrong = (what: string, cause?: unknown) => UserError;

/** The model, with one image where its batch is open. */
function openModel(bytes: Uint8Array, path: string, described: OnnxDescription, wrong: Wrong): ImportedModel {
  const folder = dirname(path);
  try {
    try {
      return importOnnx(bytes, { folder });
    } catch (error) {
      // A length is open: those of the description, for one image.
      if (!(error instanceof RangeError)) throw error;
      return importOnnx(bytes, { folder, shapes: shapesOf(described) });
    }
  } catch (error) {
    throw wrong((error as Error).message.replace(/^importOnnx: /, ''), error);
  }
}

function shapesOf({ image, text }: OnnxDescription, batch = 1): Record<string, Shape> {
  const { size, layout } = image;
  const lengths = text === undefined ? [] : [text.input, ...(text.mask === undefined ? [] : [text.mask])];
  return {
    [image.input]: layout === 'NCHW' ? [batch, 3, size, size] : [batch, size, size, 3],
    ...Object.fromEntries(lengths.map((input) => [input, [batch, text?.length ?? 0]])),
  };
}

function outputOf({ outputs }: ImportedModel, { output }: OnnxDescription, wrong: Wrong): string {
  if (output === undefined && outputs.length === 1) return outputs[0];
  if (output !== undefined && outputs.includes(output)) return output;
  throw wrong(
    `output: the model has ${outputs.join(', ')}, got ${output ?? 'none of them in the description'}`,
  );
}

/** @returns how many images the model wants at once @throws UserError where inputs and description differ */
function checkInputs(model: ImportedModel, described: OnnxDescription, wrong: Wrong): number {
  const names = Object.keys(model.inputs);
  const { image } = described;
  const batch = model.inputs[image.input]?.shape[0] ?? 1;
  const wanted = shapesOf(described, batch);
  for (const [name, shape] of Object.entries(wanted)) {
    const found = model.inputs[name];
    if (found === undefined)
      throw wrong(`the description has the input ${name}; the model has ${names.join(', ')}`);
    if (String(found.shape) !== String(shape))
      throw wrong(`input ${name} is [${found.shape}] in the model, and [${shape}] by the description`);
  }
  if (model.inputs[image.input].dtype !== 'float32')
    throw wrong(`input ${image.input} takes ${model.inputs[image.input].dtype}; images come as float32`);
  const missing = names.find((name) => !(name in wanted));
  if (missing !== undefined)
    throw wrong(`the model also reads ${missing}, which the description does not have`);
  return batch;
}

async function openTokenizer({ tokenizer }: TextInput, folder: string, wrong: Wrong): Promise<Tokenizer> {
  const beside = isAbsolute(tokenizer) ? tokenizer : join(folder, tokenizer);
  const { dir } = (await hasTokenizer(beside)) ? { dir: beside } : resolveModel(tokenizer);
  for (const place of [dir, join(dir, 'tokenizer')]) {
    if (await hasTokenizer(place)) return loadTokenizer(place);
  }
  throw wrong(
    `text.tokenizer: ${tokenizer} has no tokenizer of a CLIP; give a folder with tokenizer.json, or vocab.json and merges.txt`,
  );
}

/** The image as the model reads it, in its layout. */
function pixels(
  image: Image,
  { size, layout, range: [black, white], mean, std, resize }: ImageInput,
): Float32Array {
  const planes = seenPlanes(image, viewOf(image, size, resize));
  const area = size * size;
  const values = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < area; i++) {
      const value = (black + (white - black) * planes[c * area + i] - mean[c]) / std[c];
      values[layout === 'NCHW' ? c * area + i : 3 * i + c] = value;
    }
  }
  return values;
}

function viewOf(image: Image, size: number, resize: ImageInput['resize']): ImageView {
  if (resize === 'crop') return imageView('torchvision', image, size);
  if (resize === 'pad') return imageView('longest-side', image, size);
  return {
    rows: resampleMatrix(image.height, size),
    columns: resampleMatrix(image.width, size),
    rounded: true,
  };
}

function isCut(prompt: string, { length }: TextInput, tokenizer: Tokenizer): boolean {
  const encoded = tokenizer.encode(prompt);
  return encoded.truncated || encoded.length > length;
}

/** Token ids, and their mask, in the type of the model's inputs. */
function ids(
  prompt: string,
  { input, length, mask }: TextInput,
  tokenizer: Tokenizer,
  model: ImportedModel,
  batch: number,
): Record<string, Values> {
  const fitted = fittedIds(tokenizer, prompt, length);
  const padded = Array.from({ length }, (_, i) => fitted.ids[i] ?? tokenizer.padId);
  const own = padded.map((_, i) => Number(i < fitted.length));
  const typed = (name: string, numbers: readonly number[]): Values => {
    const { dtype } = model.inputs[name];
    if (dtype === 'int64') return BigInt64Array.from(numbers, BigInt);
    return dtype === 'float32' ? Float32Array.from(numbers) : Int32Array.from(numbers);
  };
  return {
    [input]: repeated(typed(input, padded), batch),
    ...(mask === undefined ? {} : { [mask]: repeated(typed(mask, own), batch) }),
  };
}

/** The same values for each image of a batch. */
function repeated<T extends Values>(values: T, times: number): T {
  if (times === 1) return values;
  const all = new (values.constructor as new (length: number) => T)(times * values.length);
  for (let i = 0; i < times; i++) (all as Float32Array).set(values as Float32Array, i * values.length);
  return all;
}

function preprocessingOf({ image, text }: OnnxDescription): string {
  const { size, layout, range, mean, std, resize } = image;
  const words = text === undefined ? '' : `; ${text.length} token ids`;
  return `${resize} to ${size} x ${size}, bicubic, ${range.join(' to ')}, mean ${mean.join(' ')}, std ${std.join(' ')}, ${layout}${words}`;
}
