/**
 * @file Names of motion modules: those of diffusers, and those of the published AnimateDiff.
 *
 * Reference: guoyww/AnimateDiff, animatediff/models/motion_module.py; diffusers, loaders/single_file_utils.py
 * (convert_animatediff_checkpoint_to_diffusers).
 */

/** The table of positions in the names of AnimateDiff: sinusoids, the same for both attentions of a layer. */
export const ORIGINAL_TABLE = /\.attention_blocks\.\d+\.pos_encoder\.pe$/;

/** Whether a weight belongs to a motion module, in either naming. */
export const isMotionName = (name: string): boolean => /(^|\.)motion_modules\./.test(name);

const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/^module\./, ''],
  [/\.temporal_transformer\./, '.'],
  [/\.attention_blocks\.0\./, '.attn1.'],
  [/\.attention_blocks\.1\./, '.attn2.'],
  [/\.norms\.0\./, '.norm1.'],
  [/\.norms\.1\./, '.norm2.'],
  [/\.ff_norm\./, '.norm3.'],
];

/** The name of a module's weight in diffusers, from a name of either kind; the tables of positions of AnimateDiff have none. */
export function motionName(name: string): string | undefined {
  if (ORIGINAL_TABLE.test(name)) return undefined;
  return RENAMED.reduce((path, [pattern, by]) => path.replace(pattern, by), name);
}
