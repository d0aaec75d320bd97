/** @file A text encoder of a flow model in one file, alone or in that of a whole model, with the names of transformers. */
import {
  below,
  dropPositionIds,
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightSource,
} from '../formats/weight-source.ts';
import type { TextEncoderKind } from '../names/flow-models.ts';
import { shapeOf } from '../names/infer-config.ts';
import { inferProjectedTextConfig, inferT5Config, T5_MARK } from '../names/infer-flow-config.ts';
import { refuseAs } from '../names/known-files.ts';
import type { Config } from '../sources/read-config.ts';

/** Where a file of a whole model has them, as ComfyUI names the places. */
const PREFIXES: Readonly<Record<string, TextEncoderKind>> = {
  'text_encoders.clip_l.transformer.': 'CLIP-L',
  'text_encoders.clip_g.transformer.': 'CLIP-G',
  'text_encoders.t5xxl.transformer.': 'T5',
};

/** Width of OpenCLIP's bigG, the wider one of Stable Diffusion 3. */
const CLIP_G_WIDTH = 1280;

/** A text encoder, by names of transformers. */
export interface FoundTextEncoder {
  readonly kind: TextEncoderKind;
  readonly weights: WeightSource;
  readonly config: Config;
}

function found(
  path: string,
  tensors: ReadonlyMap<string, WeightTensor>,
  kind: TextEncoderKind,
): FoundTextEncoder {
  const weights = weightSource({ path, tensors }, dropPositionIds);
  if (kind === 'T5') return { kind, weights, config: inferT5Config(weights) };
  return {
    kind,
    weights,
    config: inferProjectedTextConfig(weights, kind === 'CLIP-G' ? 'gelu' : 'quick_gelu'),
  };
}

/** The text encoders in the file of a whole model. */
export function textEncodersIn(file: TensorFile): FoundTextEncoder[] {
  return Object.entries(PREFIXES).flatMap(([prefix, kind]) => {
    const tensors = below(file, prefix);
    return tensors.size === 0 ? [] : [found(file.path, tensors, kind)];
  });
}

/** Which kind of text encoder weights with the names of transformers are. */
export function textEncoderKind(source: WeightSource): TextEncoderKind {
  if (source.has(T5_MARK)) return 'T5';
  const embeddings = 'embeddings.token_embedding.weight';
  const words = source.has(embeddings) ? embeddings : `text_model.${embeddings}`;
  return shapeOf(source, words, 2)[1] >= CLIP_G_WIDTH ? 'CLIP-G' : 'CLIP-L';
}

/**
 * The text encoders in a file that is given for them: one alone (`clip_l`, `clip_g`, `t5xxl`), or those of a whole model.
 *
 * @throws UserError where it has none
 */
export function textEncodersOf(file: TensorFile): FoundTextEncoder[] {
  const inside = textEncodersIn(file);
  if (inside.length > 0) return inside;
  refuseAs('text_encoder', file);
  return [found(file.path, file.tensors, textEncoderKind(weightSource(file)))];
}
