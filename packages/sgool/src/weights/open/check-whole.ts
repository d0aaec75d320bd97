/** @file What a file of a flow model lacks, in one line with the options that give it. */
import { UserError } from '../../errors.ts';
import type { TextEncoderKind } from '../names/flow-models.ts';
import { tokenizerName } from './flow-file.ts';
import { textEncoderPlaces } from './given-text-encoders.ts';
import { tokenizerKind } from './given-tokenizers.ts';
import type { ModelFolder } from './model-folder.ts';

/** Published files of each kind, as examples. */
const FILES: Readonly<Record<TextEncoderKind, string>> = {
  'CLIP-L': 'clip_l.safetensors',
  'CLIP-G': 'clip_g.safetensors',
  T5: 't5xxl_fp16.safetensors',
};

/** Where a tokenizer of each kind is found. */
const TOKENIZERS = {
  CLIP: 'of a CLIP with vocab.json and merges.txt, such as openai/clip-vit-large-patch14',
  T5: 'of a T5 with tokenizer.json or spiece.model, such as google-t5/t5-small',
} as const;

/**
 * Checks that a model whose parts may come from several places has all of them.
 *
 * @param required the components that must be there; others may be missing
 * @throws UserError that names what is missing, and the option that gives it
 */
export async function checkWhole(model: ModelFolder, required: readonly string[]): Promise<void> {
  const { dir, components, tokenizers } = model;
  const encoders = textEncoderPlaces(model);
  const missing = required.filter((name) => !components.has(name));
  const kinds = missing.flatMap((name) => (Object.hasOwn(encoders, name) ? [encoders[name]] : []));
  const parts = [
    ...(missing.includes('vae') ? ['autoencoder'] : []),
    ...kinds.map((kind) => `${kind} text encoder`),
  ];
  if (parts.length > 0) {
    const options = [
      ...(missing.includes('vae') ? ['vae (a file such as ae.safetensors, or a folder)'] : []),
      ...(kinds.length > 0 ? [`text-encoders (${kinds.map((kind) => FILES[kind]).join(', ')})`] : []),
    ];
    throw new UserError(
      `${dir}: it has no ${parts.join(', no ')}; give what is missing with the option ${options.join(' and ')}`,
    );
  }
  if (required.length === 0) return;
  for (const [name, kind] of Object.entries(encoders)) {
    if (!components.has(name)) continue;
    const place = tokenizers.get(tokenizerName(name));
    const wanted = kind === 'T5' ? 'T5' : 'CLIP';
    const is = place && (await tokenizerKind(place.dir));
    if (is === wanted) continue;
    const what = is === undefined ? `expected in ${place?.dir}` : `in ${place?.dir} is that of a ${is}`;
    throw new UserError(
      `${dir}: it has no tokenizer for its ${kind} text encoder, ${what}; give a folder ${TOKENIZERS[wanted]}, with the option tokenizer`,
    );
  }
}
