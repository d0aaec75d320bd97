/** @file What cells are run on, as records and manifests name it: the weights, and the machine. */
import { createHash } from 'node:crypto';
import { cpus, hostname } from 'node:os';
import { modelSha256 } from '../../../evaluate/scores/weights-hash.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import { fileSha256 } from '../../../platform/file-sha256.ts';
import { resolveModel } from '../../../weights/open/locate-model.ts';
import type { ModelValues } from '../../options/model-options.ts';

/** SHA-256 of the model, and of the parts that came from elsewhere, a motion adapter among them. */
export async function weightsHash(
  { model }: Pipeline,
  { clip, tokenizer, adapter }: Pick<ModelValues, 'clip' | 'tokenizer' | 'adapter'>,
): Promise<string> {
  const parts = [clip, tokenizer].filter((place) => place !== undefined);
  const own = await modelSha256(model.dir);
  const others = await Promise.all([
    ...parts.map((place) => modelSha256(resolveModel(place).dir)),
    ...[adapter, model.motionPath].flatMap((path) => (path === undefined ? [] : [fileSha256(path)])),
  ]);
  if (others.length === 0) return own;
  return createHash('sha256')
    .update([own, ...others].join('\n'))
    .digest('hex');
}

/** In one line: host, processor, device, precision. */
export const machineLine = ({ compute: { device, precision } }: Pipeline): string =>
  `${hostname()}: ${cpus()[0]?.model ?? 'unknown processor'}, ${device}, ${precision}`;
