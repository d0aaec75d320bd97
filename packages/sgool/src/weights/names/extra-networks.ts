/** @file Networks that sgool reads from a model folder although diffusers has no place for them in `model_index.json`. */

/** The CLIPs of a model: `clip` guides, `clip_b` reports, `clip_c` selects. */
export const CLIP_NETWORKS = ['clip', 'clip_b', 'clip_c'] as const;

/** The CLIPs, and `transalnet`, which predicts saliency. */
export const EXTRA_NETWORKS = [...CLIP_NETWORKS, 'transalnet'] as const;
