/** @file Sizes of images and latents as configurations say them, without checking anything else. */
import { UserError } from '../errors.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import type { ModelSummary } from './backbone.ts';

const wholeNumber = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : undefined);

/** A side, or height and width. */
function sides(value: unknown): readonly [height: number, width: number] | undefined {
  const side = wholeNumber(value);
  if (side !== undefined) return [side, side];
  const [height, width] = Array.isArray(value) ? value.map(wholeNumber) : [];
  return height === undefined || width === undefined ? undefined : [height, width];
}

/**
 * From the latent that a network was trained for and the number of halvings in the autoencoder.
 *
 * @param sampleSize side of the latent, or height and width; anything, as a file says it
 * @param inputs channels of the network's input; anything
 */
export function latentSize(
  { components }: Pick<ModelFolder, 'components'>,
  sampleSize: unknown,
  inputs: unknown,
): Pick<ModelSummary, 'resolution' | 'latent' | 'inputChannels'> {
  const vae = components.get('vae')?.config ?? {};
  const { block_out_channels: blocks, latent_channels: own } = vae;
  const size = sides(sampleSize);
  const inputChannels = wholeNumber(inputs);
  const channels = wholeNumber(own) ?? inputChannels;
  if (size === undefined || !Array.isArray(blocks) || blocks.length === 0 || channels === undefined)
    return {};
  const [height, width] = size;
  const scale = 2 ** (blocks.length - 1);
  return {
    resolution: { width: width * scale, height: height * scale },
    latent: [channels, height, width],
    ...(inputChannels === undefined || inputChannels === channels ? {} : { inputChannels }),
  };
}

/** Notes, or the message of what is wrong instead. */
export function notesOrFault(notes: () => readonly string[]): readonly string[] {
  try {
    return notes();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [error.message];
  }
}
