/** @file A scorer that is a network as one of an objective. Its loss is minus its score. */
import { neg } from '@sgool/autodiff';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { ObjectiveScorer } from './guide.ts';
import { createScorer, programKey, type TraceableScorer } from './scorer.ts';

/** @param programs keeps its programs */
export function networkObjectiveScorer(
  model: TraceableScorer,
  programs: Pick<ProgramCache, 'get'>,
): ObjectiveScorer {
  const { name, side, bytes } = model;
  const scorer = createScorer(model, programs);
  return {
    name,
    score: (image, { text }) => scorer.score(image, text),
    lossOf: (score) => -score,
    fit: model.fit,
    guide: {
      key: programKey(model),
      side,
      bytes,
      takesCutouts: false,
      whole: (size) => model.view(size),
      aim: ({ text }, other = text) => model.encode(other),
      shapes: model.promptShapes,
      loss: (planes, aims) => neg(model.score(planes, aims)),
    },
  };
}
