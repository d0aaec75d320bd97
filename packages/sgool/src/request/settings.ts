/**
 * @file Every setting of every method, in groups. A method has the settings of some groups (see `methods/`).
 *
 * The description of a setting is kept in its schema, so that help texts, documentation and other surfaces share it.
 */
import { z } from 'zod';
import { SIGMA_SPREADS, STEP_ENDS } from '../diffusion/noise-path.ts';
import { SAMPLER_NAMES } from '../diffusion/sampler-names.ts';
import { parseBoxes } from '../image/boxes.ts';
import { FPS } from '../image/video/video.ts';
import { RNG_NAMES } from '../random/random-source.ts';
import { PROMPT_SYNTAXES } from '../text/prompt/prompt.ts';
import { budgetText } from './budget.ts';
import { isSaliency, SALIENCY_NAMES, type SaliencyChoice } from './detectors.ts';
import { parseObjective } from './objective-text.ts';

/** Most frames of a clip. */
const MOST_FRAMES = 1024;

/** What a clip is made of: frames that one model makes together. */
export const clipSettings = {
  frames: z
    .int()
    .min(1)
    .max(MOST_FRAMES)
    .describe('frames of a clip, for a model that has motion; 1 for a picture'),
  fps: z
    .int()
    .min(FPS.least)
    .max(FPS.most)
    .describe('frames per second that a clip is shown with; it changes no frame'),
  sharedNoise: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'share of the noise that all frames have in common, by its variance: more keeps them alike; its gradient moves all of them',
    ),
};

/** How an image, or a clip, is sampled from noise. */
export const samplingSettings = {
  ...clipSettings,
  width: z.int().min(8).max(4096).describe('width of the image in pixels'),
  height: z.int().min(8).max(4096).describe('height of the image in pixels'),
  steps: z.int().min(1).max(1000).describe('denoising steps'),
  guidanceScale: z
    .number()
    .min(0)
    .max(100)
    .describe('strength of classifier-free guidance; 1 or less switches it off'),
  guidanceStart: z
    .number()
    .min(0)
    .max(1)
    .describe('where guidance begins, between noise (0) and finished image (1)'),
  guidanceStop: z
    .number()
    .min(0)
    .max(1)
    .describe('where guidance ends; a step without guidance costs one network evaluation instead of two'),
  guidanceRescale: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'how far the guided prediction is scaled back to the deviation of the unguided one; 0.7 suits zero-terminal-SNR models',
    ),
  skipGuidanceLayers: z
    .string()
    .regex(/^(\d{1,3}(,\d{1,3})*)?$/, 'must be numbers of layers with commas between them, as 7,8,9')
    .describe(
      'layers of the transformer of Stable Diffusion 3 that guidance also leads away from leaving out, as 7,8,9 for 3.5 medium; empty for none',
    ),
  skipLayerGuidanceScale: z
    .number()
    .min(0)
    .max(100)
    .describe('strength of the guidance away from the network without these layers'),
  skipLayerGuidanceStart: z
    .number()
    .min(0)
    .max(1)
    .describe('share of the steps behind which layers are skipped; each step then costs one evaluation more'),
  skipLayerGuidanceStop: z
    .number()
    .min(0)
    .max(1)
    .describe('share of the steps from which on no layers are skipped any more'),
  sampler: z
    .enum(SAMPLER_NAMES)
    .describe(
      'sampler; edict and reversible-heun are exactly invertible; edict, heun, midpoint and dpm-sde call the network twice per step, the others once',
    ),
  sigmas: z
    .enum(['model', ...SIGMA_SPREADS])
    .describe(
      "spread of the noise levels of euler, heun, midpoint, reversible-heun, lms, unipc and the dpm samplers; model for what the scheduler's file says",
    ),
  eta: z
    .number()
    .min(0)
    .max(1)
    .describe('fresh noise between the steps of ddim and tcd: 0 for none, 1 for as much as DDPM'),
  stepEnds: z
    .enum(STEP_ENDS)
    .describe(
      'where steps of ddim and edict end that do not divide the trained timesteps: as in their published code (reference), or where the next one begins (next)',
    ),
  mixingWeight: z
    .number()
    .gt(0.5)
    .max(1)
    .describe("EDICT's p: the share that each latent of the pair keeps when the two are mixed"),
  promptSyntax: z
    .enum(PROMPT_SYNTAXES)
    .describe(
      'how prompts are read: (red:1.3), [a:b:0.5], [a|b] and BREAK (a1111), (red)1.3, red++, .blend() and .and() (compel), or as they are, cut where they are too long (plain)',
    ),
  clipSkip: z
    .int()
    .min(1)
    .max(24)
    .describe('layer of the text encoder that conditions, counted from the end; 1 is the last'),
  rng: z
    .enum(RNG_NAMES)
    .describe(
      "generator of all random numbers: torch's on the processor (cpu, as diffusers' examples), or on a graphics card (cuda, as the web UI's default), computed here",
    ),
};

/** How the loss of a clip is taken of its frames. */
export const frameLossSettings = {
  lossFrames: z
    .int()
    .min(0)
    .max(MOST_FRAMES)
    .describe(
      'frames of a clip whose loss is taken in each iteration: the worst one, and one drawn from each of as many parts as are left; 0 for all',
    ),
  motionWeight: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'weight of what keeps the motion of a clip: the loss rises where its frames differ much less or more than those of the plain clip',
    ),
};

/** What the gradient is taken of, and how it is computed. */
export const differentiationSettings = {
  ...frameLossSettings,
  optimiseFrom: z
    .number()
    .min(0)
    .max(999)
    .describe(
      'where the latent is optimised: below 1 a share of the steps, from 1 on a number of steps that run once before; 0 for the starting noise',
    ),
  edictOutput: z
    .enum(['both', 'x'])
    .describe('latents of the EDICT pair that the loss is computed on: both, or x alone'),
  trajectory: z
    .enum(['invertible', 'checkpointed'])
    .describe(
      'source of the latents in the backward pass: inversion of each step (invertible, edict and reversible-heun only) or memory (checkpointed)',
    ),
  gradientSteps: z
    .int()
    .min(0)
    .max(1000)
    .describe('backpropagate through the last N steps only; 0 for all steps, which is the true gradient'),
  jacobianShare: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'share of the network calls that the backward pass goes through, drawn anew for each gradient; 1 for all',
    ),
};

/** Most iterations of a run. */
export const MOST_ITERATIONS = 10_000;

/** The text of an objective, perhaps an empty one. */
const scorersText = (shortest: 0 | 1) =>
  z
    .string()
    .min(shortest)
    .max(10_000)
    .superRefine((text, context) => {
      if (text === '') return;
      try {
        parseObjective(text);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: (error as Error).message.replace(/^objective: /, 'must be an objective: '),
        });
      }
    });

/** How many iterations there are, which one is the result, and what ends a run early. */
export const selectionSettings = {
  iterations: z
    .int()
    .min(0)
    .max(MOST_ITERATIONS)
    .describe(
      'iterations after the plain image: updates of the noise, further noises (searches), populations (resampling)',
    ),
  budget: budgetText.describe(
    'what the run may spend: 640calls (network evaluations, forward and back), 2e12flops (of all networks) or 30s; it ends before an iteration that would not fit, and without iterations makes as many as fit; empty for no limit',
  ),
  keep: z
    .enum(['loss', 'clip', 'objective', 'last'])
    .describe(
      'iteration that is the result: of lowest loss (loss), of highest CLIP A score (clip), of highest score of the whole image by the scorers of selector, or else of the objective (objective), or the last (last)',
    ),
  selector: scorersText(0).describe(
    'scorers of the whole image that select the result where keep is objective, written like an objective, such as clip_c; empty for the objective itself',
  ),
  patience: z
    .int()
    .min(0)
    .max(10_000)
    .describe(
      'stop after this many iterations that brought no lower loss or, with keep objective, no higher score; 0 for never',
    ),
  minImprovement: z
    .number()
    .min(0)
    .max(100)
    .describe('how far the loss must fall, or the score rise, to count (see patience)'),
  targetClip: z
    .number()
    .min(-100)
    .max(100)
    .describe('stop when the CLIP A score reaches this value; 100 for never'),
};

/** Which iteration is the result, for methods without a loss that two iterations could be compared by. */
export const keepWithoutLoss = selectionSettings.keep
  .exclude(['loss'])
  .describe(selectionSettings.keep.description ?? '');

/** What CLIP compares the image with, beside the target images of the request. */
export const targetSettings = {
  clipPrompt: z
    .string()
    .max(10_000)
    .describe(
      'text that CLIP steers to and scores instead of the prompt, read as it is; empty for the prompt itself',
    ),
  textWeight: z
    .number()
    .min(0)
    .max(1000)
    .describe('weight of the text in the CLIP loss beside target images; 0 for the images alone'),
};

/** What is wanted of an image. */
export const objectiveSettings = {
  objective: scorersText(1).describe(
    'what guides and selects: scorers with their weights, perhaps of the whole image or the salient regions alone, such as clip,hps-v2.1:0.5,pickscore@whole:0.2',
  ),
  spreadPictures: z
    .int()
    .min(0)
    .max(64)
    .refine((count) => count !== 1, 'must be 0, or 2 or more')
    .describe(
      'plain images of the prompt by whose spread the scales of several scorers are made alike; 0 takes their scores as they are',
    ),
};

/** Random cutouts, which take the place of the whole image in the CLIP loss. */
export const cutoutSettings = {
  cutouts: z
    .int()
    .min(0)
    .max(256)
    .describe('random cutouts of the image that CLIP sees in place of the whole; 0 for the whole image'),
  cutSize: z
    .number()
    .gt(0)
    .max(1)
    .describe("smallest cutout, as a share of CLIP's input size (or of the image, if that is smaller)"),
  cutPower: z
    .number()
    .min(0)
    .max(10)
    .describe('sizes of the cutouts: below 1 favours large ones, above 1 small ones'),
  cutReduction: z
    .enum(['min', 'mean'])
    .describe('how the distances of the cutouts are combined: the smallest (min) or the mean (mean)'),
  saturatedGradient: z
    .enum(['clamp', 'through'])
    .describe('gradient of pixels beyond black or white: zero (clamp) or unchanged (through)'),
};

/** Which parts of the image are salient. */
export const detectionSettings = {
  saliency: z
    .string()
    .refine(isSaliency, `must be one of ${SALIENCY_NAMES.join(', ')}, or an .onnx file`)
    .transform((name) => name as SaliencyChoice)
    .describe(
      "saliency model: transalnet, grad-cam, grad-cam++, spectral-residual, centre, mask, or an .onnx file with its description beside it; random (a random box) and judge (the boxes of Toybox's judge, which then judges nothing) are for comparison, none is for no regions",
    ),
  centreBias: z
    .enum(['keep', 'remove'])
    .describe(
      "a saliency model's preference for the middle of the image: kept, or divided out of the map (remove; boxes of random and judge stay)",
    ),
  thresholdRule: z
    .enum(['otsu', 'quantile', 'fixed'])
    .describe('how the threshold on the saliency map is chosen'),
  thresholdValue: z
    .number()
    .min(0)
    .max(1)
    .describe("threshold: share of pixels below it (quantile), or share of the map's maximum (fixed)"),
  regionPadding: z
    .number()
    .min(0)
    .max(2)
    .describe('margin on each side of a region, as a share of its longer side'),
  minRegionSide: z
    .number()
    .min(0)
    .max(1)
    .describe("shortest side of a region, as a share of the image's shorter side"),
  maxRegions: z
    .int()
    .min(1)
    .max(16)
    .describe('largest number of regions; those with the most saliency are kept'),
};

/** How the salient regions enter the loss. */
export const regionSettings = {
  lambda: z
    .number()
    .min(0)
    .max(1000)
    .describe('weight of the salient regions in the loss; the whole image has weight 1'),
  ...detectionSettings,
  saliencyEvery: z
    .int()
    .min(0)
    .max(10_000)
    .describe('update the saliency map every N iterations; 0 keeps the first one'),
  regionText: z
    .enum(['prompt', 'parts'])
    .describe(
      'text that a region is compared with, or repainted under: the whole prompt (prompt), or its best-matching part, without what the prompt excludes (parts)',
    ),
  regionView: z
    .enum(['crop', 'mask'])
    .describe(
      'how CLIP sees a region: cut out (crop), or the whole image with all but the salient pixels of the region faded out (mask)',
    ),
};

/** Names of the optimisers, which `optimisers/` implements. */
export const OPTIMISER_NAMES = [
  'doodl',
  'normalised',
  'adam',
  'sign',
  'line-search',
  'trust-region',
  'reno',
  'pcn-langevin',
] as const;
export type OptimiserName = (typeof OPTIMISER_NAMES)[number];

/** Settings that the optimisers of a kind share. */
const ANGLE = ['learningRate', 'momentum'] as const;
const STEP = [...ANGLE, 'perturbation', 'renormalise'] as const;

/** The settings that each optimiser reads. */
export const OPTIMISER_READS = {
  doodl: ['gradScale', 'clipGradient', 'momentum', 'nesterov', 'perturbation', 'renormalise'],
  normalised: STEP,
  adam: STEP,
  sign: STEP,
  reno: ['learningRate', 'momentum', 'nesterov', 'clipNorm', 'normWeight'],
  'pcn-langevin': ['learningRate', 'temperature'],
  // These two move along the sphere and take no perturbed steps, so that losses can be compared.
  'line-search': ANGLE,
  'trust-region': ANGLE,
} as const satisfies Readonly<Record<OptimiserName, readonly string[]>>;

/** How a gradient moves the noise. */
export const optimiserSettings = {
  optimiser: z.enum(OPTIMISER_NAMES).describe('update rule of the noise'),
  gradScale: z
    .number()
    .min(0)
    .max(1e6)
    .describe('factor on the gradient before it is clipped (optimiser doodl)'),
  clipGradient: z
    .number()
    .gt(0)
    .max(1e6)
    .describe('largest absolute value of a gradient element (optimiser doodl)'),
  momentum: z.number().min(0).lt(1).describe('share of the last step that is kept'),
  nesterov: z.boolean().describe('Nesterov momentum (optimisers doodl and reno)'),
  clipNorm: z
    .number()
    .gt(0)
    .max(1e6)
    .describe('longest gradient; a longer one is scaled down (optimiser reno)'),
  normWeight: z
    .number()
    .min(0)
    .max(1e6)
    .describe('weight of the term that pulls the norm to that of noise (optimiser reno)'),
  temperature: z
    .number()
    .gt(0)
    .max(1e6)
    .describe('loss that makes noise e times less likely (optimiser pcn-langevin)'),
  learningRate: z
    .number()
    .gt(0)
    .max(100)
    .describe(
      'step size: per element (adam, sign), or a factor on the gradient (reno), the share of fresh noise as ε (pcn-langevin), or an angle in radians (normalised; line-search and trust-region: of the first step)',
    ),
  perturbation: z
    .number()
    .min(0)
    .max(10)
    .describe('standard deviation of the noise that is added after each update'),
  renormalise: z.boolean().describe('keep the norm of the latent that is optimised'),
};

/** Which noise a search tries next. */
export const searchSettings = {
  neighbours: z
    .int()
    .min(1)
    .max(1000)
    .describe('noises that are tried around the best one before the search moves (zero-order)'),
  similarity: z
    .number()
    .gt(-1)
    .lt(1)
    .describe('cosine similarity of these noises and the one that they are drawn around (zero-order)'),
  centres: z
    .int()
    .min(1)
    .max(1000)
    .describe('best noises so far that have a box of their own to search in (trust-region-search)'),
  boxSide: z
    .number()
    .min(0.05)
    .max(2.4)
    .describe(
      'side of each box at first, in standard deviations of the noise; it grows and shrinks between 0.05 and 2.4 (trust-region-search)',
    ),
  warmUp: z
    .number()
    .min(0)
    .max(1)
    .describe('share of the run that tries fresh noise before it searches in boxes (trust-region-search)'),
};

/** How particles are resampled on their way from noise to image. */
export const resamplingSettings = {
  particles: z
    .int()
    .min(1)
    .max(10_000)
    .describe(
      'images of a population, made together; fewer where the budget does not hold more (resampling)',
    ),
  resamplings: z
    .int()
    .min(0)
    .max(1000)
    .describe('how often the particles of a population are scored and resampled on their way (resampling)'),
  resampleFrom: z
    .number()
    .min(0)
    .lt(1)
    .describe('share of the steps that is done before the particles are resampled first (resampling)'),
  resampleStrength: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'how strongly better particles are preferred at the end of the steps, per standard deviation of the scores; it rises evenly from 0 (resampling)',
    ),
};

const STAGE = /^\s*[a-z-]+\s*:\s*\d+(\.\d+)?\s*%?\s*$/;

/** Which methods follow one another. */
export const planSettings = {
  plan: z
    .string()
    .refine(
      (text) => text.split(',').every((stage) => STAGE.test(stage)),
      'must be methods with their iterations or their share of the budget, such as "best-of:16, sgool:8" or "best-of:80%, sgool:20%"',
    )
    .describe(
      'methods that follow one another, each from the best noise so far, with their iterations or their share of the budget: "best-of:16, sgool:8", "best-of:80%, sgool:20%" (plan)',
    ),
};

/** How CLIP steers the sampling itself. */
export const clipGuidanceSettings = {
  clipGuidanceScale: z.number().min(0).max(1e6).describe('factor on the CLIP loss at each denoising step'),
};

/** How the latent of each denoising step is moved while what the network says of it is held. */
export const steeringSettings = {
  steeringSteps: z.int().min(1).max(1000).describe('steps of Adam at each denoising step'),
  steeringRate: z.number().positive().max(100).describe("Adam's learning rate there"),
  steeringStop: z
    .number()
    .positive()
    .max(1)
    .describe('share of the denoising steps at which the latent is moved, from the first one on'),
};

/**
 * Which regions the detail pass repaints, and how. The names in brackets are those of After Detailer's settings.
 *
 * Reference: Bing-su/adetailer, README (arguments)
 */
export const detailSettings = {
  boxes: z
    .string()
    .max(10_000)
    .refine(
      (text) => parseBoxes(text) !== undefined,
      'must be x,y,width,height in whole pixels, at least 1 wide and high; four numbers for each further box',
    )
    .describe(
      'boxes that are repainted instead of the salient regions: x,y,width,height in pixels; empty for the salient regions',
    ),
  regionPrompt: z
    .string()
    .max(50_000)
    .describe(
      'what a region is repainted under: one text for all, or one for each with [SEP] between; [PROMPT] stands for the prompt, [SKIP] leaves a region as it is; empty for what regionText says',
    ),
  regionNegativePrompt: z
    .string()
    .max(50_000)
    .describe(
      'what a region should not show, written as the texts of the regions are; empty for the negative prompt',
    ),
  minRegionMass: z
    .number()
    .min(0)
    .max(1)
    .describe("least share of the map's saliency that a salient region holds (confidence)"),
  minRegionArea: z
    .number()
    .min(0)
    .max(1)
    .describe('smallest salient region, as a share of the area of the image (mask min ratio)'),
  maxRegionArea: z
    .number()
    .gt(0)
    .max(1)
    .describe('largest salient region, as a share of the area of the image (mask max ratio)'),
  regionOrder: z
    .enum(['saliency', 'left-to-right', 'centre-to-edge', 'largest-first'])
    .describe(
      'order in which regions are repainted: most salient first, or boxes as they are given (saliency); left-to-right; centre-to-edge; largest-first',
    ),
  regionOffsetX: z
    .int()
    .min(-4096)
    .max(4096)
    .describe('pixels by which each region moves to the right (x offset)'),
  regionOffsetY: z.int().min(-4096).max(4096).describe('pixels by which each region moves up (y offset)'),
  regionDilation: z
    .int()
    .min(-4096)
    .max(4096)
    .describe('pixels by which each region grows on every side; below 0 it shrinks (dilate, erode)'),
  regionMerge: z
    .enum(['none', 'merge', 'invert'])
    .describe(
      'each region is repainted by itself (none), all as one (merge), or all that is outside of them (invert)',
    ),
  detailStrength: z
    .number()
    .gt(0)
    .max(1)
    .describe(
      'share of the denoising steps that a region is taken through, at least one (denoising strength)',
    ),
  detailFeather: z
    .int()
    .min(0)
    .max(1024)
    .describe('width in pixels of the soft edge inside a repainted region (3.5 times the mask blur)'),
  onlyMasked: z
    .boolean()
    .describe(
      'repaint the surroundings of a region enlarged, instead of the whole image (inpaint only masked)',
    ),
  detailPadding: z
    .int()
    .min(0)
    .max(4096)
    .describe('pixels around a region that are repainted with it for context (inpaint padding)'),
  detailWidth: z
    .int()
    .min(0)
    .max(4096)
    .describe('width in which a region is repainted; 0 for the width of the run (inpaint width)'),
  detailHeight: z
    .int()
    .min(0)
    .max(4096)
    .describe('height in which a region is repainted; 0 for the height of the run (inpaint height)'),
  detailSteps: z
    .int()
    .min(0)
    .max(1000)
    .describe('denoising steps, of which a region takes the share of the strength; 0 for those of the run'),
  detailGuidance: z
    .number()
    .min(0)
    .max(100)
    .describe(
      'strength of classifier-free guidance for regions; 1 switches it off, 0 stands for that of the run',
    ),
  detailSampler: z.enum(['same', ...SAMPLER_NAMES]).describe('sampler for regions; same for that of the run'),
  detailClipSkip: z
    .int()
    .min(0)
    .max(24)
    .describe('layer of the text encoder for regions, counted from the end; 0 for that of the run'),
};

/** Names of the losses of the attention, which `objectives/attention/losses/` implements. */
export const ATTENTION_LOSS_NAMES = ['attend-and-excite', 'predicated', 'divide-and-bind', 'syngen'] as const;
export type AttentionLossName = (typeof ATTENTION_LOSS_NAMES)[number];

const NUMBER = '\\s*\\d+(?:\\.\\d+)?\\s*';
/** Places in a chain, each with a number: `0:0.05,0.2:0.5`. */
const THRESHOLDS = new RegExp(`^\\s*(?:published|none|${NUMBER}:${NUMBER}(?:,${NUMBER}:${NUMBER})*)\\s*$`);

/** How the attention of the network steers the sampling itself. */
export const attentionSettings = {
  tokens: z
    .string()
    .max(10_000)
    .describe(
      'words of the prompt that must get a place, with commas between them; cat#2 is the second cat; empty for its nouns',
    ),
  require: z
    .string()
    .max(10_000)
    .describe(
      'what the attention must do, instead of tokens: "cat and dog; cat apart from dog; dog: blue" (both exist, do not overlap, the dog is blue)',
    ),
  attentionLoss: z
    .enum(ATTENTION_LOSS_NAMES)
    .describe(
      'loss of the attention: attend-and-excite knows things that exist, divide-and-bind attributes too, syngen attributes alone, predicated everything',
    ),
  attentionResolution: z
    .int()
    .min(1)
    .max(512)
    .describe('the largest attention maps are used whose shorter side has at most so many positions'),
  attentionStepSize: z
    .number()
    .min(0)
    .max(1e6)
    .describe('factor on the gradient of the loss in the first step; it falls to 0.71 of it in the last'),
  attendUntil: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'where the latent stops being moved: below 1 a share of the steps, from 1 on a number of steps',
    ),
  refineThresholds: z
    .string()
    .regex(
      THRESHOLDS,
      'must be published, none, or step:threshold pairs with commas between them, as 0:0.05,0.2:0.5',
    )
    .describe(
      'steps (below 1 shares of all) at which the latent is moved until every thing has so much attention: step:threshold with commas between them, those of the loss (published), or none',
    ),
  refineSteps: z.int().min(1).max(1000).describe('most moves of the latent at such a step'),
};

/** A part of all settings, by key. */
export type SettingsShape = Readonly<Record<string, z.ZodType>>;
/** The values of some settings. */
export type SettingsOf<Shape extends SettingsShape> = { [Key in keyof Shape]: z.output<Shape[Key]> };

/**
 * How an image is sampled.
 *
 * @interface
 */
export type SamplingSettings = SettingsOf<typeof samplingSettings>;
export type DifferentiationSettings = SettingsOf<typeof differentiationSettings>;
export type SelectionSettings = SettingsOf<typeof selectionSettings>;
export type TargetSettings = SettingsOf<typeof targetSettings>;
export type ObjectiveSettings = SettingsOf<typeof objectiveSettings>;
export type CutoutSettings = SettingsOf<typeof cutoutSettings>;
export type DetectionSettings = SettingsOf<typeof detectionSettings>;
export type RegionSettings = SettingsOf<typeof regionSettings>;
export type OptimiserSettings = SettingsOf<typeof optimiserSettings>;
export type DetailSettings = SettingsOf<typeof detailSettings>;
export type SearchSettings = SettingsOf<typeof searchSettings>;
/** @interface */
export type PlanSettings = SettingsOf<typeof planSettings>;
export type ResamplingSettings = SettingsOf<typeof resamplingSettings>;

export type AttentionSettings = SettingsOf<typeof attentionSettings>;

const without = (shape: SettingsShape, others: SettingsShape): SettingsShape =>
  Object.fromEntries(Object.entries(shape).filter(([key]) => !Object.hasOwn(others, key)));

/** The groups under their headings, in the order in which help texts show them. */
export const SETTING_GROUPS: readonly (readonly [heading: string, settings: SettingsShape])[] = [
  ['Clip', { ...clipSettings, ...frameLossSettings }],
  ['Sampling', without(samplingSettings, clipSettings)],
  ['Iterations', selectionSettings],
  ['Objective', objectiveSettings],
  ['Target of CLIP', targetSettings],
  ['Salient regions', regionSettings],
  ['Cutouts', cutoutSettings],
  ['Optimiser', optimiserSettings],
  ['Search', searchSettings],
  ['Resampling', resamplingSettings],
  ['Gradient', without(differentiationSettings, frameLossSettings)],
  ['CLIP guidance', clipGuidanceSettings],
  ['Steering', steeringSettings],
  ['Detail pass', detailSettings],
  ['Attention', attentionSettings],
  ['Plan', planSettings],
];

/** Schemas of all settings by key. */
export const SETTINGS = {
  ...samplingSettings,
  ...differentiationSettings,
  ...selectionSettings,
  ...objectiveSettings,
  ...targetSettings,
  ...regionSettings,
  ...cutoutSettings,
  ...optimiserSettings,
  ...searchSettings,
  ...resamplingSettings,
  ...clipGuidanceSettings,
  ...steeringSettings,
  ...detailSettings,
  ...attentionSettings,
  ...planSettings,
};

/**
 * All settings; each method has some of them.
 *
 * @interface
 */
export type Settings = SettingsOf<typeof SETTINGS>;
export type SettingKey = keyof Settings;

/** What is known of the settings of a method without knowing which method it is. */
export type MethodSettings = SamplingSettings & Partial<Settings>;

/** The values whose keys are in the shape. */
export function pickSettings<Shape extends SettingsShape>(
  shape: Shape,
  values: Readonly<Record<string, unknown>>,
): Partial<SettingsOf<Shape>> {
  const picked = Object.keys(shape).flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]]));
  return Object.fromEntries(picked) as Partial<SettingsOf<Shape>>;
}
