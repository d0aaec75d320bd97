/** @file A request to `refine`: the settings of SGOOL, and an image or a clip to begin with instead of a seed. */
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { mayChange } from '../../image/mask.ts';
import { FPS, steadyVideo, type Video } from '../../image/video/video.ts';
import {
  checkRequest,
  commonShape,
  INPUTS,
  imageSchema,
  type MethodRequest,
  type MethodSchema,
  noSuchOption,
  promptText,
} from '../../request/request.ts';
import { clipSettings, MOST_FRAMES } from '../../request/settings/frames.ts';
import { METHODS } from '../index.ts';
import { sgool } from '../sgool.ts';

/** How `refine` inverts an image, where the model says nothing else. */
export const DEFAULT_INVERSION = { sampler: 'edict', guidanceScale: 1 } as const;

/** How an image is taken to noise and back, with the strength that each has where none is given. */
const DEFAULT_STRENGTH = { edict: 1, sdedit: 0.8, p2p: 1, 'rf-inversion': 1 } as const;
/** Name of an edit. */
export type EditName = keyof typeof DEFAULT_STRENGTH;

/** Words with factors: `red=2,cat=0.5`. */
const REWEIGHT = /^\s*[^=,]+=\s*(\d{1,2}(\.\d+)?|100)\s*(,\s*[^=,]+=\s*(\d{1,2}(\.\d+)?|100)\s*)*$/;

/** Settings of one edit alone. */
const KEYS_OF_EDIT = {
  p2p: ['crossReplace', 'selfReplace', 'reweight'],
  'rf-inversion': ['controlGamma', 'controlEta', 'controlStart', 'controlStop'],
} as const;

/** The first step of a chain that is inverted by a share of its steps: at least one, and as many as the share is nearest to. */
export const firstInvertedStep = (strength: number, steps: number): number =>
  steps - Math.max(1, Math.round(strength * steps));

/** The settings that `refine` has beside those of SGOOL. */
export const refineShape = {
  edit: z
    .enum(Object.keys(DEFAULT_STRENGTH) as [EditName, ...EditName[]])
    .describe(
      'how the image is edited: inverted to its noise, which is optimised (edict), noised and sampled again as in image-to-image pipelines (sdedit), or inverted and sampled again with the attention of the text that it was inverted under, as in Prompt-to-Prompt (p2p), or on a rectified flow taken to noise and led back to itself in the first steps (rf-inversion); a model for inpainting paints a mask instead, and refuses the others there (default: edict)',
    ),
  sourcePrompt: promptText
    .refine((text) => text.trim() !== '', 'must not be empty')
    .describe('what the image shows now; where it differs from the prompt, the image changes at once'),
  strength: z
    .number()
    .gt(0)
    .max(1)
    .describe(
      'share of the denoising steps that the image is taken through; less keeps more of the image (default: 1; sdedit: 0.8)',
    ),
  fit: z
    .enum(['crop', 'letterbox'])
    .describe(
      'for an image of another shape: take its middle (crop), or keep all of it and extend its edges (letterbox)',
    ),
  invertMask: z.boolean().describe('swap the colours of the mask: black may change, white is protected'),
  crossReplace: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'edit p2p: share of the steps in which the attention to words is that of the image as it was; less allows larger changes of shape (default: 0.8)',
    ),
  selfReplace: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'edit p2p: share of the steps in which the attention of the image to itself is that of the image as it was (default: 0.4)',
    ),
  reweight: z
    .string()
    .regex(
      REWEIGHT,
      'must be word=weight with commas between them, as red=2,cat=0.5, the weights from 0 to 100',
    )
    .describe('edit p2p: factors on the attention to words of the prompt: red=2,cat=0.5'),
  controlGamma: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'edit rf-inversion: how strongly the inversion is drawn towards noise; more makes larger changes possible (default: 0.5)',
    ),
  controlEta: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'edit rf-inversion: how strongly the steps are drawn back to the image; more keeps more of it (default: 0.9)',
    ),
  controlStart: z
    .number()
    .min(0)
    .max(1)
    .describe('edit rf-inversion: share of the steps that pass before they are drawn back (default: 0)'),
  controlStop: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'edit rf-inversion: share of the steps from which on they are not drawn back; less allows larger changes (default: 0.25)',
    ),
  feather: z
    .int()
    .min(0)
    .max(1024)
    .describe(
      'width in pixels of the soft edge inside the part that may change; default a 64th of the shorter side',
    ),
};

/** The method that `refine` runs. */
export const REFINING_METHOD = sgool.name;

/** The options of `refine`, for error messages. */
export const REFINE: MethodSchema = {
  name: 'refine',
  settings: { ...sgool.settings, ...refineShape },
  inputs: sgool.inputs,
};

/** A clip: frames of one size, at a rate or each for its own time. */
const clipSchema = z
  .object({
    frames: z.array(imageSchema),
    fps: clipSettings.fps,
    seconds: z.array(z.number().gt(0)).optional(),
  })
  .refine(
    ({ frames, seconds = frames }) => frames.length > 0 && seconds.length === frames.length,
    'a clip has frames, and as many seconds as frames if any',
  );

const refineSchema = z.strictObject({
  ...commonShape,
  ...z.object(sgool.settings).partial().shape,
  image: z
    .union([imageSchema, clipSchema], 'must be an image, or a clip with its frames and fps')
    .describe('the image or the clip to refine'),
  mask: imageSchema.optional().describe('image that is white where the image may change, black elsewhere'),
  targetImages: INPUTS.targetImages.optional(),
  sourcePrompt: refineShape.sourcePrompt.optional(),
  edit: refineShape.edit.default('edict'),
  strength: refineShape.strength.optional(),
  fit: refineShape.fit.default('crop'),
  invertMask: refineShape.invertMask.default(false),
  crossReplace: refineShape.crossReplace.optional(),
  selfReplace: refineShape.selfReplace.optional(),
  reweight: refineShape.reweight.optional(),
  controlGamma: refineShape.controlGamma.optional(),
  controlEta: refineShape.controlEta.optional(),
  controlStart: refineShape.controlStart.optional(),
  controlStop: refineShape.controlStop.optional(),
  feather: refineShape.feather.optional(),
});

type OwnKeys = 'image' | 'mask' | keyof typeof refineShape;
type Input = z.input<typeof refineSchema>;
type Output = z.output<typeof refineSchema>;

/**
 * A request as callers write it: image and prompt are needed. The image may be a clip, as `readVideo` gives it; then `fps` and `frames` say which
 * frames of it are taken: so many in a second, and the first so many of these. By default they are those of the clip.
 *
 * @interface
 */
export type RefineRequest = Omit<MethodRequest, 'mask'> &
  Omit<Pick<Input, OwnKeys & keyof Input>, 'image'> & { readonly image: Image | Video };

/** What a request says of the image. */
export type RefineSource = Omit<Pick<Output, OwnKeys & keyof Output>, 'strength' | 'image'> & {
  readonly strength: number;
  /** As it was given. A picture is a clip of one frame. */
  readonly clip: Video;
  /** The frames that are taken of it, and how many are shown in a second. */
  readonly taken: Video;
};

/** Whether iteration 0 shows a change already, instead of the image as the autoencoder reproduces it. */
export const changesAtOnce = ({ edit, sourcePrompt }: Pick<RefineSource, 'edit' | 'sourcePrompt'>): boolean =>
  edit === 'sdedit' || edit === 'rf-inversion' || sourcePrompt !== undefined;

/** A request that passed the schema. */
export type ParsedRefineRequest = Omit<MethodRequest, 'mask'> & RefineSource;

/** The part of a request that is one to the method. */
export function methodRequest(request: ParsedRefineRequest): MethodRequest {
  const { clip, taken, mask, edit, sourcePrompt, fit, strength, invertMask, feather, ...others } = request;
  const { crossReplace, selfReplace, reweight, ...unpaired } = others;
  const { controlGamma, controlEta, controlStart, controlStop, ...rest } = unpaired;
  return rest;
}

/** The frames of an image or a clip that a request takes, and how the result is shown. @throws UserError where it has fewer, or too many */
function takenOf(
  image: Image | Video,
  { frames, fps }: Pick<MethodRequest, 'frames' | 'fps'>,
): Pick<ParsedRefineRequest, 'clip' | 'taken' | 'frames' | 'fps'> {
  const clip: Video = 'frames' in image ? image : { frames: [image], fps: FPS.least };
  const [first] = clip.frames;
  const other = clip.frames.find(({ width, height }) => width !== first.width || height !== first.height);
  if (other !== undefined) {
    throw new UserError(
      `refine: all frames of the clip must have one size, got ${first.width} x ${first.height} and ${other.width} x ${other.height}`,
    );
  }
  // A picture has no time: a rate of it is refused, as that of a generated one.
  const wanted = clip.frames.length === 1 ? { frames } : { frames, fps };
  const taken = steadyVideo(clip, wanted, { who: 'refine', most: MOST_FRAMES });
  const count = taken.frames.length;
  return { clip, taken, frames: count, ...(count > 1 ? { fps: taken.fps } : { fps }) };
}

/** How far width / height of mask and image may differ, as a share: scaling rounds to whole pixels. */
const SHAPE_TOLERANCE = 0.02;

/** @throws UserError where a setting of an edit is switched off by another one */
function refuseUnread(source: ParsedRefineRequest): void {
  const rules = [
    { by: 'crossReplace', keys: ['reweight'] },
    { by: 'controlEta', keys: ['controlStart', 'controlStop'] },
  ] as const;
  for (const { by, keys } of rules) {
    const unread = source[by] === 0 ? keys.find((key) => source[key] !== undefined) : undefined;
    if (unread === undefined) continue;
    throw new UserError(
      `refine: ${unread} ${source[unread]} has no effect with ${by} 0; it needs ${by} above 0`,
    );
  }
}

/**
 * Checks a request, and that its parts fit together.
 *
 * @throws UserError in one line that says what would be right
 */
export function parseRefineRequest(request: unknown): ParsedRefineRequest {
  const foreign = (key: string) => noSuchOption('refine', key, METHODS);
  const { image, ...given } = checkRequest(refineSchema, 'refine', request, foreign) as Omit<
    Output,
    'image'
  > &
    MethodRequest &
    Pick<RefineRequest, 'image'>;
  const parsed: ParsedRefineRequest = {
    ...given,
    ...takenOf(image, given),
    strength: given.strength ?? DEFAULT_STRENGTH[given.edit],
  };
  const { clip, invertMask, edit, sourcePrompt } = parsed;
  if (edit === 'sdedit' && sourcePrompt !== undefined) {
    throw new UserError(
      `refine: sourcePrompt ${JSON.stringify(sourcePrompt)} is the text that edit edict inverts the image under; edit sdedit inverts nothing, so leave it out`,
    );
  }
  if (edit === 'p2p' && sourcePrompt === undefined) {
    throw new UserError(
      'refine: edit p2p needs sourcePrompt, the text that describes the image as it is: its attention is what stays',
    );
  }
  for (const [owner, keys] of Object.entries(KEYS_OF_EDIT)) {
    const foreignKey = edit === owner ? undefined : keys.find((key) => parsed[key] !== undefined);
    if (foreignKey === undefined) continue;
    throw new UserError(
      `refine: ${foreignKey} is a setting of edit ${owner}, got edit ${edit}; leave it out`,
    );
  }
  refuseUnread(parsed);
  if (parsed.mask === undefined) {
    if (invertMask) throw new UserError('refine: invertMask needs a mask; give one');
    if (parsed.feather !== undefined && parsed.fit === 'crop') {
      throw new UserError(
        `refine: feather ${parsed.feather} is the width of the edge of a mask, and there is none; give a mask, or leave it out`,
      );
    }
    return parsed;
  }
  const { width, height } = parsed.mask;
  const [first] = clip.frames;
  const shape = (width / height) * (first.height / first.width);
  if (Math.abs(Math.log(shape)) > SHAPE_TOLERANCE) {
    throw new UserError(
      `refine: the mask is ${width} x ${height}, the image ${first.width} x ${first.height}; they must have the same shape`,
    );
  }
  if (!mayChange(parsed.mask, invertMask).includes(1)) {
    const [all, paint] = invertMask ? ['white', 'black'] : ['black', 'white'];
    throw new UserError(
      `refine: the mask is ${all} all over, so nothing may change; paint ${paint} what may, or switch invertMask`,
    );
  }
  return parsed;
}
