/** @file The preference models with the architecture of CLIP: Human Preference Score v1, v2 and v2.1, PickScore. */
import { exp, mul, sum, trace } from '@sgool/autodiff';
import { clip } from '../networks/clip/clip.ts';
import { clipConfig } from '../networks/clip/clip-config.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import { layoutFor, networkWeights } from '../networks/network-weights.ts';
import type { ScorerName } from '../request/scorer-names.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import { checkIds, fittedIds, textFit } from '../text/fitted-ids.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { weightBytes, weightFiles } from '../weights/formats/weight-source.ts';
import type { ModelComponent } from '../weights/open/model-folder.ts';
import { imageView, type Preprocessing } from './image-view.ts';
import { type PromptInputs, programKey, type TraceableScorer } from './scorer.ts';

/** Name of such a model. */
export type ClipScorerName = Exclude<ScorerName, 'image-reward'>;

const PREPROCESSING: Readonly<Record<ClipScorerName, Preprocessing>> = {
  'hps-v1': 'torchvision',
  'hps-v2': 'longest-side',
  'hps-v2.1': 'longest-side',
  pickscore: 'transformers',
};

/**
 * Opens such a model. Its score is the cosine between image and prompt; for PickScore times its learned factor
 * `exp(logit_scale)`.
 *
 * Reference: Wu et al. 2023, Better Aligning Text-to-Image Models with Human Preference (v1); Wu et al. 2023, Human Preference
 * Score v2; Kirstain et al. 2023, Pick-a-Pic, equation 1
 *
 * @param component a CLIPModel under transformers' names
 */
export function clipPreference(
  name: ClipScorerName,
  component: ModelComponent,
  tokenizer: Tokenizer,
  programs: Pick<ProgramCache, 'get'>,
): TraceableScorer {
  const config = clipConfig(component.config, `${component.dir}/config.json`);
  const weights = networkWeights(component.weights);
  const sources = weightFiles(component.weights);
  const bytes = weightBytes(component.weights.tensors);
  const side = config.vision_config.image_size;
  const length = Math.min(tokenizer.maxLength, config.text_config.max_position_embeddings);

  const words = () =>
    programs.get(
      `${programKey({ name, files: sources })} text`,
      () =>
        trace(
          { ids: { shape: [1, length], dtype: 'int32' }, end: { shape: [1], dtype: 'int32' } },
          ({ ids, end }) => ({ text: clip(config, weights).text(ids, end).embedding }),
        ),
      undefined,
      layoutFor(bytes),
    );
  const known = new Map<string, Promise<PromptInputs>>();
  async function embed(prompt: string): Promise<PromptInputs> {
    const { ids, length: end } = fittedIds(tokenizer, prompt, length);
    checkIds(ids, config.text_config.vocab_size, component.dir);
    const { text } = await (await words()).run({ ids, end: Int32Array.of(end - 1) });
    return { text: text as Float32Array };
  }

  return {
    name,
    side,
    bytes,
    files: sources,
    view: (size) => imageView(PREPROCESSING[name], size, side),
    fit: (prompt) => textFit(tokenizer, prompt, length),
    promptShapes: { text: { shape: [config.projection_dim], dtype: 'float32' } },
    encode(prompt) {
      let embedding = known.get(prompt);
      if (embedding === undefined) {
        embedding = embed(prompt);
        known.set(prompt, embedding);
        embedding.catch(() => known.delete(prompt));
      }
      return embedding;
    },
    score(planes, { text }) {
      const model = clip(config, weights);
      const cosine = sum(mul(model.image(clipPixels(planes)).embedding, text), { axes: [-1] });
      return name === 'pickscore' ? mul(exp(model.logitScale()), cosine) : cosine;
    },
  };
}
