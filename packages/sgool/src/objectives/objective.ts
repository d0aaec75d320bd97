/**
 * @file The loss of a latent: decoder, views, scorers and their losses as one differentiable program.
 *
 *     L = Σ over scorers (Σ over views w·loss(view) + b · least loss among its candidates)
 *
 * Crops are inputs as matrices and weights as numbers, so that boxes and weights change without a new program: the whole image,
 * cutouts by their mean or their best, λ times the mean over salient regions all run the same program. Target images beside the
 * text of a CLIP take a program of their own, with a second distance for each view, and so do views with masks.
 */
import {
  add,
  clip as clamp,
  gradient,
  min,
  mul,
  type Shape,
  stopGradient,
  sub,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import { required } from '../errors.ts';
import type { Crop } from '../image/crops.ts';
import type { ImageSize } from '../image/image.ts';
import type { Backbone } from '../models/backbone.ts';
import { layoutFor } from '../networks/network-weights.ts';
import { sum as addUp, product } from '../numbers.ts';
import type { Guide } from '../preference/guide.ts';
import { batchShapes, type PromptInputs } from '../preference/scorer.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import { cropped, masked } from './traced-views.ts';

/** A crop and what it is compared with. */
export interface View {
  readonly crop: Crop;
  /** What the scorer compares it with: of `Guide.aim`. */
  readonly aim: PromptInputs;
  /** Factor on its loss. Default 0. */
  readonly weight?: number;
  /** Whether it is a candidate: of those only the best counts. Default false. */
  readonly candidate?: boolean;
}

/** The views that one scorer gets, with their weights. */
export interface PartInput {
  readonly views: readonly View[];
  /** Factor on the least loss among the candidates. Default 0. */
  readonly bestWeight?: number;
}

/** What the loss of a latent is made of, scorer by scorer. */
export type ObjectiveInput = readonly PartInput[];

/** The loss of a latent, its parts and its gradient. */
export interface ObjectiveResult {
  readonly total: number;
  /** Losses of the views of each scorer: of a CLIP spherical distances or minus the score, of the others minus their scores. */
  readonly losses: readonly Float32Array[];
  /** d total / d latent. */
  readonly gradient: Float64Array;
}

/** The loss for latents of one size, ready to run. */
export interface Objective {
  /** @param input a part for each scorer, in their order */
  evaluate(latent: Float64Array, input: ObjectiveInput): Promise<ObjectiveResult>;
}

/** A scorer that guides. */
export interface ObjectivePart {
  readonly guide: Guide;
  /** Its views per run; fewer are filled up with copies of weight 0. More views need a program of their own. */
  readonly views: number;
  /** What these are copies of where there is no view at all; needed only where that may be. */
  readonly standIn?: Pick<View, 'crop' | 'aim'>;
}

export interface ObjectiveParts {
  readonly programs: ProgramCache;
  readonly backbone: Pick<Backbone, 'latentShape' | 'decodedPlanes'>;
  readonly parts: readonly ObjectivePart[];
  /** Of the decoded image. */
  readonly size: ImageSize;
  /**
   * The gradient of pixels below black or above white: with `clamp` it is zero, as in DOODL; with `through` it passes as if
   * they had not been clamped.
   */
  readonly saturatedGradient: 'clamp' | 'through';
}

/** Keeps a view that is no candidate from being the best: more than the losses of a CLIP differ, which is at most 200. */
const NO_CANDIDATE = 1000;

/** The objective for latents of one size. */
export function createObjective({
  programs,
  backbone,
  parts,
  size,
  saturatedGradient,
}: ObjectiveParts): Objective {
  const latentShape = backbone.latentShape(size);
  const layout = layoutFor(addUp(parts.map(({ guide }) => guide.bytes)));

  const graph = (inputs: readonly PartProgram[]) => {
    const shapes = Object.fromEntries(
      inputs.flatMap(({ shapes }, p) =>
        Object.entries(shapes).map(([name, spec]) => [inputName(p, name), spec]),
      ),
    );
    const specs: Readonly<Record<string, InputShape>> = { latent: { shape: latentShape }, ...shapes };
    const forward = trace(specs, ({ latent, ...all }) => {
      const decoded = backbone.decodedPlanes(latent);
      const planes = clampPlanes(decoded, saturatedGradient);
      const traced = inputs.map((part, p) => {
        const own = Object.keys(part.shapes).map((name) => [name, all[inputName(p, name)]]);
        return tracePart(parts[p].guide, planes, Object.fromEntries(own));
      });
      return {
        ...Object.fromEntries(traced.map(({ losses }, p) => [inputName(p, 'losses'), losses])),
        total: traced.map(({ total }) => total).reduce((all, one) => add(all, one)),
        // Zero, unless a plane holds an infinity, which the clamping makes white or black.
        planesTimesZero: sum(mul(decoded, 0)),
      };
    });
    const losses = inputs.map((_, p) => inputName(p, 'losses'));
    return gradient(forward, { of: 'total', wrt: ['latent'], keep: [...losses, 'total', 'planesTimesZero'] });
  };

  return {
    async evaluate(latent, input) {
      const inputs = input.map((part, p) => partProgram(parts[p], part, size));
      const kinds = inputs.map(({ kind }) => kind).join('; ');
      const program = await programs.get(
        `objective ${kinds} of ${latentShape.join('x')}, ${saturatedGradient}`,
        () => graph(inputs),
        undefined,
        layout === 'lean' ? layout : undefined,
      );
      const values = inputs.flatMap(({ values }, p) =>
        Object.entries(values).map(([name, value]) => [inputName(p, name), value]),
      );
      const result = await program.run({ latent: Float32Array.from(latent), ...Object.fromEntries(values) });
      return {
        total: result.total[0] as number,
        losses: input.map(({ views }, p) =>
          (result[inputName(p, 'losses')] as Float32Array).subarray(0, views.length),
        ),
        gradient: Float64Array.from(result['grad:latent'] as Float32Array),
      };
    },
  };
}

/** Inputs and outputs of the scorers in one program. */
const inputName = (part: number, name: string) => `${part}.${name}`;

interface InputShape {
  readonly shape: Shape;
  readonly dtype?: 'float32' | 'int32' | 'int64';
}

/** What a scorer adds to a program. */
interface PartProgram {
  /** Tells programs of other inputs apart. */
  readonly kind: string;
  readonly shapes: Readonly<Record<string, InputShape>>;
  readonly values: Readonly<Record<string, Float32Array | Int32Array | BigInt64Array>>;
}

/** Matrices, weights and aims of the views as inputs of a program. */
function partProgram(
  { guide, views: most, standIn }: ObjectivePart,
  { views, bestWeight = 0 }: PartInput,
  { width, height }: ImageSize,
): PartProgram {
  const { side } = guide;
  const count = Math.max(views.length, most);
  const some = views.length > 0 ? views : [required(standIn, 'view')];
  const filled = Array.from({ length: count }, (_, i) => some[Math.min(i, some.length - 1)]);
  const hasMasks = some.some(({ crop }) => crop.mask !== undefined);
  const masks = new Float32Array(hasMasks ? count * side * side : 0).fill(1);
  const aimed = Object.entries(guide.shapes).filter(([name]) => some.some(({ aim }) => name in aim));
  const rows = new Float32Array(count * side * height);
  const columns = new Float32Array(count * side * width);
  filled.forEach(({ crop }, i) => {
    if (crop.mask) masks.set(crop.mask, i * side * side);
    rows.set(crop.rows, i * side * height);
    columns.set(crop.columns, i * side * width);
  });
  return {
    kind: `${guide.key}, ${count} views${aimed.map(([name]) => ` ${name}`).join('')}${hasMasks ? ' masks' : ''}`,
    shapes: {
      rows: { shape: [count, side, height] },
      columns: { shape: [count, side, width] },
      weights: { shape: [count] },
      penalties: { shape: [count] },
      bestWeight: { shape: [] },
      ...(hasMasks && { masks: { shape: [count, 1, side, side] } }),
      ...Object.fromEntries(
        Object.entries(batchShapes(Object.fromEntries(aimed), count)).map(([name, spec]) => [
          aimName(name),
          spec,
        ]),
      ),
    },
    values: {
      rows,
      columns,
      weights: Float32Array.from({ length: count }, (_, i) => views[i]?.weight ?? 0),
      penalties: Float32Array.from({ length: count }, (_, i) => (views[i]?.candidate ? 0 : NO_CANDIDATE)),
      bestWeight: Float32Array.of(bestWeight),
      ...(hasMasks && { masks }),
      ...Object.fromEntries(
        aimed.map(([name, { shape }]) => [
          aimName(name),
          joined(
            filled.map(({ aim }) => aim[name]),
            product(shape),
          ),
        ]),
      ),
    },
  };
}

const aimName = (name: string) => `aim.${name}`;

/** Arrays of one length behind one another; an absent one is zero. */
function joined<T extends PromptInputs[string]>(arrays: readonly (T | undefined)[], length: number): T {
  const found = arrays.find((array) => array !== undefined) as T;
  const all = new (found.constructor as new (length: number) => T)(arrays.length * length);
  arrays.forEach((array, i) => {
    if (array) (all as Float32Array).set(array as Float32Array, i * length);
  });
  return all;
}

/** The losses of the views of a scorer, and what they add to the total. */
function tracePart(guide: Guide, planes: Tensor, inputs: Readonly<Record<string, Tensor>>) {
  const { rows, columns, weights, penalties, bestWeight, masks } = inputs;
  const aims = Object.keys(guide.shapes).flatMap((name) => {
    const aim = inputs[aimName(name)];
    return aim === undefined ? [] : [[name, aim] as const];
  });
  const losses = guide.loss(masked(cropped(planes, rows, columns), masks), Object.fromEntries(aims));
  const best = min(add(losses, penalties));
  return { losses, total: add(sum(mul(weights, losses)), mul(bestWeight, best)) };
}

/** Planes in [0, 1]. */
function clampPlanes(planes: Tensor, saturatedGradient: 'clamp' | 'through'): Tensor {
  const inside = clamp(planes, 0, 1);
  return saturatedGradient === 'clamp' ? inside : add(planes, stopGradient(sub(inside, planes)));
}
