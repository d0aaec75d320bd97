/** @file Scorers of an objective by what is asked for. */
import { places } from '#platform';
import { required, UserError } from '../errors.ts';
import type { ObjectiveItem } from '../request/objective-text.ts';
import type { ClipPart } from '../request/wanted-scorer.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Environment } from '../weights/hub/environment.ts';
import { openClip } from '../weights/open/open-model.ts';
import { type ClipCritic, criticOf } from './clip-critic.ts';
import { clipObjectiveScorer } from './clip-guide.ts';
import type { ObjectiveScorer } from './guide.ts';
import { httpVerifier } from './http-verifier.ts';
import { openScorer } from './load-scorer.ts';
import { networkObjectiveScorer } from './network-guide.ts';
import { openOnnxScorer } from './onnx/onnx-scorer.ts';
import { programVerifier } from './program-verifier.ts';

/** What scorers may need. */
export interface ObjectiveScorerParts {
  readonly programs: ProgramCache;
  /** A CLIP of the model; default the one that guides. Only a CLIP needs it. @throws UserError where the model has none */
  readonly critic?: (part?: ClipPart) => Promise<ClipCritic>;
  /** The vocabulary of a CLIP that has no files of its own. */
  readonly clipTokenizer?: Tokenizer | undefined;
  /** The vocabulary of preference models; by default it is looked for. */
  readonly tokenizer?: string | undefined;
  readonly env?: Environment | undefined;
  /** Whether an objective may call programs and servers. */
  readonly allowVerifiers?: boolean | undefined;
}

/**
 * Opens a scorer; its networks are compiled on first use.
 *
 * @throws UserError where its weights are missing or broken, or it is a verifier and those are not allowed
 */
export async function openObjectiveScorer(
  { scorer, name }: Pick<ObjectiveItem, 'scorer' | 'name'>,
  { programs, critic, clipTokenizer, tokenizer, env, allowVerifiers = false }: ObjectiveScorerParts,
): Promise<ObjectiveScorer> {
  switch (scorer.kind) {
    case 'clip': {
      const { folder, part, loss } = scorer;
      if (folder === undefined) return clipObjectiveScorer(name, await required(critic, 'model')(part), loss);
      const component = { ...(await openClip(folder, { env })), name: `clip ${folder}` };
      return clipObjectiveScorer(name, await criticOf(component, programs, clipTokenizer), loss);
    }
    case 'preference': {
      const { weights } = scorer;
      return networkObjectiveScorer(
        await openScorer(scorer.name, { weights, tokenizer, env }, programs),
        programs,
      );
    }
    case 'onnx': {
      const { model } = await openOnnxScorer(places.resolve(scorer.file));
      return networkObjectiveScorer(model, programs);
    }
    case 'http':
    case 'exec': {
      if (!allowVerifiers) {
        throw new UserError(
          `objective: ${name} gets every picture and prompt, and was not allowed; allow it with --allow-verifiers of sgool repeat, or with allowVerifiers of loadPipeline`,
        );
      }
      const call = scorer.kind === 'http' ? httpVerifier(scorer.url) : programVerifier(scorer.program);
      // A dry run calls nobody.
      return { name, lossOf: (score) => -score, score: programs.computes ? call : async () => 0 };
    }
  }
}
