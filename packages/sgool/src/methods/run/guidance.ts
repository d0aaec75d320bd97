/**
 * @file The objective of a run that follows gradients: what each scorer sees of an image, and how their losses add up.
 *
 *     L = Σ over scorers k of w_k / u_k · (whole_k + λ · mean over regions of loss_k(region))
 *
 * A scorer with `@whole` or `@regions` has only that term. For w and u see run-scorers.ts.
 */
import { UserError } from '../../errors.ts';
import type { Crop } from '../../image/crops.ts';
import type { ResampleFilter } from '../../image/resample.ts';
import { mean } from '../../numbers.ts';
import type { ObjectiveInput, ObjectivePart, PartInput } from '../../objectives/objective.ts';
import { type WholeViews, wholeViews } from '../../objectives/whole-views.ts';
import type { CutoutSettings } from '../../request/settings/cutouts.ts';
import type { ObjectiveSettings } from '../../request/settings/objective.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { Stateful } from '../../state.ts';
import type { LossPart, LossParts, ScorerLoss } from './iteration.ts';
import type { Run } from './run.ts';
import { type GuidingScorer, guidingScorers, type RunScorers } from './run-scorers.ts';

/** How regions enter the loss; absent for methods without them. */
export interface GuidedRegions {
  /** λ. */
  readonly lambda: number;
  /** Largest number of regions. */
  readonly most: number;
}

/** A region, and the text that it is compared with. */
export interface AimedRegion {
  /** Its view for a scorer whose input has this side. */
  crop(side: number): Crop;
  readonly text: string;
}

/** What guides a run. */
export interface Guidance {
  readonly parts: readonly ObjectivePart[];
  readonly memory: Stateful;
  /** The loss of an image with these regions. */
  aimed(regions: readonly AimedRegion[]): Promise<AimedGuidance>;
}

/** The loss for the regions of one image. */
export interface AimedGuidance {
  /** The views for one evaluation; random cutouts are drawn afresh. */
  input(): ObjectiveInput;
  /** The parts of the loss, from the losses of the views. */
  partsOf(losses: readonly Float32Array[]): Omit<LossParts, 'total'>;
}

type GuidedRun = Run<SamplingSettings & CutoutSettings & ObjectiveSettings>;

/**
 * Prepares what guides a run.
 *
 * @param resize of the whole image to CLIP's input, without cutouts
 * @throws UserError where a scorer has no gradient, or sees regions that the method does not have
 */
export async function createGuidance(
  run: GuidedRun,
  scorers: RunScorers,
  { regions, resize }: { readonly regions?: GuidedRegions; readonly resize?: ResampleFilter },
): Promise<Guidance> {
  const guiding = guidingScorers(scorers, run.method, regions !== undefined);
  const regionsOnly = guiding.find(({ place }) => place === 'regions');
  if (regionsOnly && regions?.lambda === 0) {
    throw new UserError(
      `objective: ${regionsOnly.name}@regions counts nothing with lambda 0; give lambda above 0, or leave it out`,
    );
  }
  /** Whether it was said that there are no regions. */
  let isNoted = false;
  const seen = await Promise.all(guiding.map((scorer) => seenBy(scorer, run, resize)));
  const most = regions?.most ?? 0;
  return {
    parts: seen.map(({ scorer, whole, standIn }) => ({
      guide: scorer.guide,
      views: (whole?.count ?? 0) + (scorer.place === 'whole' ? 0 : most),
      ...(standIn && { standIn }),
    })),
    memory: scorers.memory,
    async aimed(aims) {
      if (aims.length === 0 && regionsOnly && !isNoted) {
        isNoted = true;
        run.note(`objective: ${regionsOnly.name}@regions sees nothing of an image without salient regions`);
      }
      const units = await scorers.units();
      const lambda = regions?.lambda ?? 0;
      const salient = await Promise.all(seen.map(({ scorer }) => salientViews(scorer, aims, run)));
      return {
        input: () =>
          seen.map(({ scorer, whole }, k): PartInput => {
            const factor = scorer.weight / units[k];
            const share = (factor * lambda) / Math.max(1, aims.length);
            const views = whole?.draw() ?? [];
            return {
              views: [
                ...views.map((view) => ({ ...view, ...(view.weight && { weight: factor * view.weight }) })),
                ...salient[k].map((view) => ({ ...view, weight: share })),
              ],
              bestWeight: factor * (whole?.bestWeight ?? 0),
            };
          }),
        partsOf: (losses) =>
          lossParts(seen.map(({ scorer, whole }, k) => scorerLoss(scorer, whole, units[k], losses[k]))),
      };
    },
  };
}

/** What a scorer sees of an image as a whole. */
async function seenBy(scorer: GuidingScorer, run: GuidedRun, resize: ResampleFilter | undefined) {
  const { guide, place } = scorer;
  const { settings, target, random } = run;
  const aim = await guide.aim(target);
  if (place === 'regions') return { scorer, whole: undefined, standIn: { crop: guide.whole(settings), aim } };
  if (guide.takesCutouts) {
    return { scorer, whole: wholeViews(settings, { ...settings, side: guide.side }, aim, random, resize) };
  }
  const view = { crop: guide.whole(settings), aim, weight: 1 };
  const whole: WholeViews = {
    count: 1,
    bestWeight: 0,
    draw: () => [view],
    part: ([loss]) => ({ whole: loss }),
  };
  return { scorer, whole };
}

/** The views of the regions, each with what its text asks for. */
async function salientViews(
  { guide, place }: GuidingScorer,
  aims: readonly AimedRegion[],
  { target }: GuidedRun,
) {
  if (place === 'whole') return [];
  return Promise.all(
    aims.map(async ({ crop, text }) => ({
      crop: crop(guide.side),
      aim: await guide.aim(target, text),
    })),
  );
}

/** What one scorer says of the views that it got. */
function scorerLoss(
  { name, weight }: GuidingScorer,
  whole: WholeViews | undefined,
  unit: number,
  losses: Float32Array,
): ScorerLoss {
  const ofRegions = losses.subarray(whole?.count ?? 0);
  return {
    name,
    weight,
    unit,
    ...whole?.part(losses),
    ...(ofRegions.length > 0 && { regions: mean(ofRegions) }),
  };
}

/** The parts of the loss, weighted and added up, and those of each scorer. */
function lossParts(scorers: readonly ScorerLoss[]): Omit<LossParts, 'total'> {
  const sumOf = (part: LossPart) => {
    const terms = scorers.flatMap((scorer) => {
      const loss = scorer[part];
      return loss === undefined ? [] : [(scorer.weight / scorer.unit) * loss];
    });
    return terms.length === 0 ? undefined : terms.reduce((sum, term) => sum + term, 0);
  };
  return { whole: sumOf('whole'), cutouts: sumOf('cutouts'), regions: sumOf('regions'), scorers };
}
