/**
 * @file The terms of a clip's loss that are of several frames at once: its motion, and how alike neighbouring frames are.
 *
 *     T = w_m · motion + w_c · mean over pairs of consistency + w_s · mean over pairs of (1 - cc)
 *
 * Of some pairs of neighbours, as the loss of single frames is taken of some frames: each stands for its part of the clip, so the estimate is unbiased.
 * Terms of weight 0 cost nothing and draw no random number.
 */
import { addFrameLatent, frameLatent, framesOf } from '../../models/frames.ts';
import { mean } from '../../numbers.ts';
import type { FrameFeatures } from '../../objectives/frame-features.ts';
import {
  consistencyTerm,
  correlationTerm,
  frameCosine,
  type LikenessTerm,
} from '../../objectives/frame-likeness.ts';
import type { FrameShare } from '../../objectives/frames.ts';
import { latentMotion, motionTerm } from '../../objectives/motion-term.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { DifferentiationSettings } from '../../request/settings/differentiation.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import { seenThroughBox } from '../../saliency/seen-through-box.ts';
import type { Track } from '../../saliency/track.ts';
import { heldState, type Stateful } from '../../state.ts';
import type { LossParts } from './iteration.ts';
import type { Run } from './run.ts';

/** What the terms are taken of: the first frames of pairs, and where salient things are in each frame. */
export interface TermInput {
  readonly pairs: readonly FrameShare[];
  /** None where nothing is followed: then frames are compared as a whole. */
  readonly tracks?: readonly Pick<Track, 'boxes'>[] | undefined;
}

/** The weighted sum of the terms. */
export interface TermsResult {
  readonly total: number;
  /** d total / d latent, of the whole clip. */
  readonly gradient: Float64Array;
  /** Each term by itself, not weighted. */
  readonly parts: Pick<LossParts, 'motion' | 'consistency' | 'saliency'>;
}

/** What is remembered of the plain clip: its motion, and how alike its neighbouring frames are. */
interface PlainClip {
  readonly motion?: number;
  readonly consistency?: number;
}

/** The terms of a run. Their state is what is remembered of the plain clip. */
export interface FrameTerms extends Stateful<PlainClip> {
  /** Whether terms are taken of pairs of frames. */
  readonly ofPairs: boolean;
  /** Remembers the plain clip, which is the first one that is seen. */
  begin(final: Float64Array): Promise<void>;
  evaluate(final: Float64Array, input: TermInput): Promise<TermsResult>;
}

export type TermSettings = Pick<
  DifferentiationSettings,
  'motionWeight' | 'clipConsistencyWeight' | 'saliencyConsistencyWeight'
>;

/** Opens the terms whose weights are not 0. @throws UserError where the model lacks a network that they need */
export async function frameTerms(
  pipeline: Pick<Pipeline, 'latentShape' | 'frameFeatures'>,
  { settings, signal }: Pick<Run<SamplingSettings & TermSettings>, 'settings' | 'signal'>,
): Promise<FrameTerms> {
  const shape = pipeline.latentShape(settings);
  const frames = framesOf(shape);
  const weightOf = (weight: number) => (frames > 1 ? weight : 0);
  const motionWeight = weightOf(settings.motionWeight);
  const consistencyWeight = weightOf(settings.clipConsistencyWeight);
  const saliencyWeight = weightOf(settings.saliencyConsistencyWeight);
  const guideOf = (name: 'clip' | 'transalnet', weight: number) =>
    weight > 0 ? pipeline.frameFeatures(name, settings) : undefined;
  const embedding = await guideOf('clip', consistencyWeight);
  const saliency = await guideOf('transalnet', saliencyWeight);
  let plain: PlainClip = {};

  /** Adds a term of pairs, and its gradient. */
  async function overPairs(
    features: FrameFeatures,
    final: Float64Array,
    { pairs }: TermInput,
    weight: number,
    gradient: Float64Array,
    termOf: (first: Float32Array, second: Float32Array, frame: number) => LikenessTerm,
  ): Promise<number> {
    const seen = new Map<number, Promise<Float32Array>>();
    const latentOf = (frame: number) => frameLatent(final, shape, frame);
    const featuresOf = (frame: number) => {
      const found = seen.get(frame) ?? features.of(latentOf(frame));
      seen.set(frame, found);
      return found;
    };
    let value = 0;
    const cotangents = new Map<number, Float64Array>();
    for (const { frame, share } of pairs) {
      signal?.throwIfAborted();
      const [first, second] = [await featuresOf(frame), await featuresOf(frame + 1)];
      const term = termOf(first, second, frame);
      value += share * term.value;
      term.gradients.forEach((part, i) => {
        const sum = cotangents.get(frame + i) ?? new Float64Array(part.length);
        for (let k = 0; k < part.length; k++) sum[k] += weight * share * part[k];
        cotangents.set(frame + i, sum);
      });
    }
    for (const [frame, cotangent] of cotangents) {
      if (cotangent.every((one) => one === 0)) continue;
      signal?.throwIfAborted();
      addFrameLatent(gradient, shape, frame, await features.pullback(latentOf(frame), cotangent));
    }
    return value;
  }

  return {
    ofPairs: embedding !== undefined || saliency !== undefined,
    async begin(final) {
      if (motionWeight > 0 && plain.motion === undefined)
        plain = { ...plain, motion: latentMotion(final, shape) };
      if (embedding && plain.consistency === undefined) {
        const all: Float32Array[] = [];
        for (let frame = 0; frame < frames; frame++) {
          signal?.throwIfAborted();
          all.push(await embedding.of(frameLatent(final, shape, frame)));
        }
        plain = { ...plain, consistency: mean(all.slice(1).map((one, f) => frameCosine(all[f], one))) };
      }
    },
    async evaluate(final, input) {
      const gradient = new Float64Array(final.length);
      let parts: TermsResult['parts'] = {};
      let total = 0;
      if (motionWeight > 0) {
        const motion = motionTerm(final, shape, plain.motion ?? 0);
        for (let i = 0; i < gradient.length; i++) gradient[i] += motionWeight * motion.gradient[i];
        total += motionWeight * motion.value;
        parts = { ...parts, motion: motion.value };
      }
      if (embedding) {
        const least = plain.consistency ?? -1;
        const value = await overPairs(embedding, final, input, consistencyWeight, gradient, (u, v) =>
          consistencyTerm(u, v, least),
        );
        total += consistencyWeight * value;
        parts = { ...parts, consistency: value };
      }
      if (saliency) {
        const { tracks } = input;
        const value = await overPairs(saliency, final, input, saliencyWeight, gradient, (a, b, frame) =>
          likenessOfThings(a, b, settings.width, boxPairs(tracks, frame)),
        );
        total += saliencyWeight * value;
        parts = { ...parts, saliency: value };
      }
      return { total, gradient, parts };
    },
    ...heldState<PlainClip>(
      () => plain,
      (state) => {
        plain = state;
      },
    ),
  };
}

type Boxes = NonNullable<Track['boxes'][number]>;

/** Where the things are that are seen in a frame and in the next one. */
function boxPairs(tracks: TermInput['tracks'], frame: number): (readonly [Boxes, Boxes])[] {
  return (tracks ?? []).flatMap(({ boxes }) => {
    const [first, second] = [boxes[frame], boxes[frame + 1]];
    return first && second ? [[first, second] as const] : [];
  });
}

/** One minus the correlation of two maps, mean over the things; of the whole maps where there are none. */
function likenessOfThings(
  a: Float32Array,
  b: Float32Array,
  width: number,
  things: readonly (readonly [Boxes, Boxes])[],
): LikenessTerm {
  if (things.length === 0) return correlationTerm(a, b);
  const gradients = [new Float64Array(a.length), new Float64Array(b.length)] as const;
  let value = 0;
  for (const pair of things) {
    const [first, second] = pair.map((box) => seenThroughBox(box, { width, height: a.length / width }));
    const term = correlationTerm(first.seen(a), second.seen(b));
    value += term.value / things.length;
    [first, second].forEach(({ addBack }, i) => {
      addBack(gradients[i], term.gradients[i], 1 / things.length);
    });
  }
  return { value, gradients };
}
