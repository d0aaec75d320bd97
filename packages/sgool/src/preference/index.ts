/** @file Floor 4: preference models, which say how people would like a picture for a prompt. */
export { type ClipScorerName, clipPreference } from './clip-preference.ts';
export { imageRewardPreference } from './image-reward.ts';
export { type LoadScorerOptions, loadScorer } from './load-scorer.ts';
export {
  findScorerWeights,
  findVocabulary,
  type VocabularySearch,
  vocabularyTexts,
} from './locate.ts';
export {
  type PictureView,
  type Preprocessing,
  pictureGradient,
  pictureView,
  seenPlanes,
} from './picture-view.ts';
export {
  createScorer,
  type PreferenceModel,
  type PromptFit,
  type PromptInputs,
  type Scorer,
} from './scorer.ts';
export { SCORER_NAMES, SCORERS, type ScorerInfo, type ScorerName } from './scorer-names.ts';
