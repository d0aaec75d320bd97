/** @file What cells are run on, as records and manifests name it: the weights, and the machine. */
import { createHash } from 'node:crypto';
import { cpus, hostname } from 'node:os';
import { modelSha256 } from '../../../evaluate/scores/weights-hash.ts';
import type { LoadOptions } from '../../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import { fileSha256 } from '../../../platform/file-sha256.ts';
import { resolveModel } from '../../../weights/open/locate-model.ts';
import type { LoraChoice } from '../../../weights/open/lora.ts';
import type { EmbeddingChoice } from '../../../weights/open/textual-inversion.ts';

/**
 * SHA-256 of the model, and of everything that it was opened with: the files of parts that came from elsewhere, how strongly they count,
 * and how the model's own files are read.
 *
 * @throws UserError where a place is not found
 */
export async function weightsHash({ model }: Pick<Pipeline, 'model'>, options: LoadOptions): Promise<string> {
  const {
    clip,
    tokenizer = [],
    textEncoders = [],
    vae,
    config,
    adapter,
    loras = [],
    embeddings = [],
  } = options;
  const { variant, predictionType, ema, motionNorm, contextFrames, contextStride } = options;
  const placeHash = (place: string) => modelSha256(resolveModel(place).dir);
  const withText = async ({ path, ...others }: LoraChoice | EmbeddingChoice) =>
    `${await modelSha256(path)} ${JSON.stringify(others)}`;
  const given = (...places: (string | undefined)[]) => places.filter((place) => place !== undefined);
  const reading = { variant, predictionType, ema, motionNorm, contextFrames, contextStride };
  const own = await modelSha256(model.dir);
  const others = await Promise.all([
    ...given(clip, ...[tokenizer].flat()).map(placeHash),
    ...given(adapter, model.motionPath).map((path) => fileSha256(path)),
    ...given(vae, config).map(
      async (place) => `${place === vae ? 'vae' : 'config'} ${await placeHash(place)}`,
    ),
    ...textEncoders.map(async (place) => `text encoder ${await placeHash(place)}`),
    ...[...loras, ...embeddings].map(withText),
    ...(Object.values(reading).every((value) => value === undefined) ? [] : [JSON.stringify(reading)]),
  ]);
  if (others.length === 0) return own;
  return createHash('sha256')
    .update([own, ...others].join('\n'))
    .digest('hex');
}

/** In one line: host, processor, device, precision. */
export const machineLine = ({ compute: { device, precision } }: Pipeline): string =>
  `${hostname()}: ${cpus()[0]?.model ?? 'unknown processor'}, ${device}, ${precision}`;
