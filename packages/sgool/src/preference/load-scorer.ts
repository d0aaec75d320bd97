/** @file Preference models by name. */

import type { CompileOptions } from '@sgool/autodiff';
import { files, places } from '#platform';
import { clipConfig } from '../networks/clip/clip-config.ts';
import { imageRewardConfig } from '../networks/preference/image-reward-config.ts';
import type { ScorerName } from '../request/scorer-names.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { openClipTokenizer } from '../text/clip-vocabulary.ts';
import { loadBlipTokenizer } from '../text/word-piece.ts';
import { openTensorFile } from '../weights/formats/tensor-file.ts';
import { weightSource } from '../weights/formats/weight-source.ts';
import type { Environment } from '../weights/hub/environment.ts';
import { openClipFile } from '../weights/open/clip-file.ts';
import { type ModelComponent, openComponent } from '../weights/open/model-folder.ts';
import { readConfig } from '../weights/sources/read-config.ts';
import { type ClipScorerName, clipPreference } from './clip-preference.ts';
import { imageRewardPreference } from './image-reward.ts';
import { blipFile, findScorerWeights, findVocabulary } from './locate.ts';
import { createScorer, type Scorer, type TraceableScorer } from './scorer.ts';

/** How a preference model is loaded. */
export interface LoadScorerOptions extends Omit<CompileOptions, 'layout'>, ScorerPlaces {}

/** Where the parts of a preference model are. */
export interface ScorerPlaces {
  /** File or folder of the weights; in a browser a URL. Default: those added by file, else those pulled from the Hub. */
  readonly weights?: string;
  /**
   * The vocabulary: a folder (`tokenizer.json`, or `vocab.json` and `merges.txt`, for a CLIP, `vocab.txt` for ImageReward), OpenAI's
   * `bpe_simple_vocab_16e6.txt.gz`, or a pulled model. Default: the first that fits beside the
   * weights, with added weights, or in a pulled model.
   */
  readonly tokenizer?: string;
  /** Environment variables for the Hub's cache and the user's data folder. Default `process.env`. */
  readonly env?: Environment;
}

/** A file, a folder of transformers, or added weights under OpenAI's names. */
async function openClipWeights(name: ClipScorerName, place: string): Promise<ModelComponent> {
  // HPS v1 was trained from OpenAI's ViT-L/14, the others from OpenCLIP's ViT-H/14.
  const activation = name === 'hps-v1' ? 'quick_gelu' : 'gelu';
  if (!(await files.isFolder(place))) return openClipFile(place, { activation });
  const config = await readConfig(places.join(place, 'config.json'));
  if (config.names !== 'openai') return openComponent(place);
  const opened = await openClipFile(places.join(place, 'model.safetensors'), { activation });
  // A complete configuration overrides what is inferred from the shapes.
  return 'vision_config' in config ? { ...opened, config } : opened;
}

async function openClipScorer(
  name: ClipScorerName,
  place: string,
  { tokenizer: given, env }: ScorerPlaces,
  programs: Pick<ProgramCache, 'get'>,
): Promise<TraceableScorer> {
  const component = await openClipWeights(name, place);
  const { text_config } = clipConfig(component.config, component.dir);
  const words = text_config.vocab_size;
  const vocabulary = await findVocabulary(name, { words, weights: place, given, env });
  // The code of HPS reads prompts as OpenAI's does, PickScore's as transformers does.
  const cleaning = name === 'pickscore' ? 'transformers' : 'openai';
  const tokenizer = await openClipTokenizer(vocabulary, cleaning);
  return clipPreference(name, component, tokenizer, programs);
}

/** The file, or a folder with `ImageReward.pt` or `model.safetensors`, and the configurations beside it. */
async function openImageRewardWeights(place: string): Promise<ModelComponent> {
  const isDir = await files.isFolder(place);
  const dir = isDir ? place : places.dirname(place);
  const added = places.join(place, 'model.safetensors');
  const inside = (await files.exists(added)) ? added : places.join(place, 'ImageReward.pt');
  const path = isDir ? inside : place;
  const stated = async (name: string) => {
    const file = places.join(dir, name);
    return (await files.exists(file)) ? readConfig(file) : undefined;
  };
  const bert = await stated('med_config.json');
  const config = (isDir ? await stated('config.json') : undefined) ?? (bert ? { text_config: bert } : {});
  return { name: places.basename(place), dir, config, weights: weightSource(await openTensorFile(path)) };
}

async function openImageReward(
  place: string,
  { tokenizer: given, env }: ScorerPlaces,
): Promise<TraceableScorer> {
  const component = await openImageRewardWeights(place);
  const { vocab_size: words } = imageRewardConfig(component.config, component.dir).text_config;
  const vocabulary = await findVocabulary('image-reward', { words, weights: place, given, env });
  const tokenizer = await loadBlipTokenizer(blipFile(vocabulary));
  return imageRewardPreference(component, tokenizer);
}

/**
 * Loads a preference model. Headers are read now; networks are compiled on first use.
 *
 * @example
 * ```ts
 * const scorer = await loadScorer('hps-v2.1');
 * console.log(await scorer.score(await readImage('image.png'), 'a red cat'));
 * await scorer.dispose();
 * ```
 * @throws UserError when the weights or the vocabulary are missing or broken
 */
export async function loadScorer(
  name: ScorerName,
  { weights, tokenizer, env, ...options }: LoadScorerOptions = {},
): Promise<Scorer> {
  const programs = new ProgramCache(options);
  const model = await openScorer(name, { weights, tokenizer, env }, programs);
  return { ...createScorer(model, programs), dispose: () => programs.dispose() };
}

/**
 * Opens a preference model whose programs are kept by others.
 *
 * @throws UserError as {@link loadScorer} does
 */
export async function openScorer(
  name: ScorerName,
  where: ScorerPlaces,
  programs: Pick<ProgramCache, 'get'>,
): Promise<TraceableScorer> {
  const place = where.weights ?? findScorerWeights(name, where.env);
  return name === 'image-reward'
    ? openImageReward(place, where)
    : openClipScorer(name, place, where, programs);
}
