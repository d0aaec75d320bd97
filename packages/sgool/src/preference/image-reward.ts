/** @file ImageReward, the preference model that reads prompt and image together. */
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import { networkWeights } from '../networks/network-weights.ts';
import { imageReward } from '../networks/preference/image-reward.ts';
import { imageRewardConfig } from '../networks/preference/image-reward-config.ts';
import { checkIds } from '../text/fitted-ids.ts';
import type { WordPieceTokenizer } from '../text/word-piece.ts';
import { weightBytes, weightFiles } from '../weights/formats/weight-source.ts';
import type { ModelComponent } from '../weights/open/model-folder.ts';
import { imageView } from './image-view.ts';
import type { TraceableScorer } from './scorer.ts';

/**
 * Opens an ImageReward.
 *
 * Reference: Xu et al. 2023, ImageReward: Learning and Evaluating Human Preferences for Text-to-Image Generation
 *
 * @param component weights under the published names
 */
export function imageRewardPreference(
  component: ModelComponent,
  tokenizer: WordPieceTokenizer,
): TraceableScorer {
  const config = imageRewardConfig(component.config, component.dir);
  const weights = networkWeights(component.weights);
  const { max_length: tokens } = config;
  const shape = [tokens];
  const side = config.vision_config.image_size;
  return {
    name: 'image-reward',
    side,
    bytes: weightBytes(component.weights.tensors),
    files: weightFiles(component.weights),
    view: (size) => imageView('torchvision', size, side),
    fit(prompt) {
      const { length, lost } = tokenizer.encode(prompt, tokens);
      return { kept: length - 2, lost, truncated: lost > 0, unknown: tokenizer.unknownWords(prompt) };
    },
    promptShapes: { ids: { shape, dtype: 'int32' }, words: { shape, dtype: 'float32' } },
    async encode(prompt) {
      const { ids, length } = tokenizer.encode(prompt, tokens);
      checkIds(ids, config.text_config.vocab_size, component.dir);
      return { ids, words: new Float32Array(tokens).fill(1, 0, length) };
    },
    score: (planes, { ids, words }) =>
      imageReward(config, weights)({ pixels: clipPixels(planes), ids, words }),
  };
}
