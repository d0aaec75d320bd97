/** @file The preference models, the scales of their scores, and where to get them. */

/** Names of the preference models. */
export const SCORER_NAMES = ['hps-v1', 'hps-v2', 'hps-v2.1', 'pickscore', 'image-reward'] as const;
/** Name of a preference model. */
export type ScorerName = (typeof SCORER_NAMES)[number];

/** What is known about a preference model without loading it. */
export interface ScorerInfo {
  readonly title: string;
  /** The scale of its scores; more is always better. */
  readonly scale: string;
  /** Decimals that distinguish images. */
  readonly digits: number;
  /** Its repository on the Hub; `ids` are all names that it has had, the newest last. */
  readonly hub?: { readonly ids: readonly string[]; readonly file?: string };
  /** The page that links to the file. */
  readonly page: string;
}

/**
 * The preference models by name. Scores compare images for one prompt; those of two models, or of two versions of one, cannot be
 * compared.
 */
export const SCORERS: Readonly<Record<ScorerName, ScorerInfo>> = {
  'hps-v1': {
    title: 'Human Preference Score v1',
    scale: 'cosine, about 0.18 to 0.21 for images of Stable Diffusion',
    digits: 4,
    page: 'github.com/tgxs002/align_sd',
  },
  'hps-v2': {
    title: 'Human Preference Score v2',
    scale: "cosine, about 0.23 to 0.29 (the authors' tables show 100 times as much)",
    digits: 4,
    hub: { ids: ['xswu/HPSv2'], file: 'HPS_v2_compressed.pt' },
    page: 'huggingface.co/xswu/HPSv2',
  },
  'hps-v2.1': {
    title: 'Human Preference Score v2.1',
    scale: "cosine, about 0.14 to 0.32 (the authors' tables show 100 times as much)",
    digits: 4,
    hub: { ids: ['xswu/HPSv2'], file: 'HPS_v2.1_compressed.pt' },
    page: 'huggingface.co/xswu/HPSv2',
  },
  pickscore: {
    title: 'PickScore v1',
    scale:
      'logit, about 100 times the cosine; of two images the chances of being preferred are softmax of both',
    digits: 3,
    hub: { ids: ['yuvalkirstain/PickScore_v1'] },
    page: 'huggingface.co/yuvalkirstain/PickScore_v1',
  },
  'image-reward': {
    title: 'ImageReward v1.0',
    scale: 'reward, near 0 on average with a deviation near 1',
    digits: 4,
    hub: { ids: ['THUDM/ImageReward', 'zai-org/ImageReward'], file: 'ImageReward.pt' },
    page: 'huggingface.co/THUDM/ImageReward',
  },
};
