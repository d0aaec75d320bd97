/** @file The preference models, their scales, and where people get them. */

export const SCORER_NAMES = ['hps-v1', 'hps-v2', 'hps-v2.1', 'pickscore', 'image-reward'] as const;
export type ScorerName = (typeof SCORER_NAMES)[number];

export interface ScorerInfo {
  readonly title: string;
  /** What its numbers mean; more is better in all of them. */
  readonly scale: string;
  /** Digits after the point that tell images apart. */
  readonly digits: number;
  /** On the Hub; the names that the repository has had, the newest last. */
  readonly hub?: { readonly ids: readonly string[]; readonly file?: string };
  /** The page that links the file. */
  readonly page: string;
}

/** By name. Scores compare images for one prompt; those of two models, and of two versions of one, have nothing in common. */
export const SCORERS: Readonly<Record<ScorerName, ScorerInfo>> = {
  'hps-v1': {
    title: 'Human Preference Score v1',
    scale: 'cosine, about 0.18 to 0.21 for images of Stable Diffusion',
    digits: 4,
    page: 'github.com/tgxs002/align_sd',
  },
  'hps-v2': {
    title: 'Human Preference Score v2',
    scale: 'cosine, about 0.23 to 0.29 (tables of the authors show 100 times as much)',
    digits: 4,
    hub: { ids: ['xswu/HPSv2'], file: 'HPS_v2_compressed.pt' },
    page: 'huggingface.co/xswu/HPSv2',
  },
  'hps-v2.1': {
    title: 'Human Preference Score v2.1',
    scale: 'cosine, about 0.14 to 0.32 (tables of the authors show 100 times as much)',
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
