/** @file Networks that sgool reads from a model folder although diffusers has no place for them in `model_index.json`. */

/** `clip` guides, `clip_b` reports, `transalnet` predicts saliency. */
export const EXTRA_NETWORKS = ['clip', 'clip_b', 'transalnet'] as const;
