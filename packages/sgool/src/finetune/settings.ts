/**
 * @file The settings of a fine-tuning by Separate-and-Enhance, and the two recipes of its paper.
 *
 * Reference: Bao et al. 2024, "Separate-and-Enhance", section 5, and its published code: the learning rates are those that reach
 * the optimiser, after the code has multiplied them by the batch size, and at large scale by two.
 */
import { z } from 'zod';
import { UserError } from '../errors.ts';
import { PROJECTIONS } from '../models/trainable-network.ts';

const side = z.int().min(8).max(4096);
const weight = z.number().min(0).max(1000);
const template = z.string().min(1).max(1000);

/** Most updates of the weights. */
export const MOST_STEPS = 1_000_000;

/** Every setting, described where it is defined. */
export const fineTuneSettings = {
  steps: z.int().min(1).max(MOST_STEPS).describe('updates of the weights'),
  batch: z.int().min(1).max(256).describe('prompts of each step'),
  learningRate: z.number().gt(0).max(1).describe('learning rate of AdamW, the same in every step'),
  weightDecay: z.number().min(0).max(1).describe('weight decay of AdamW, per step and unit of learning rate'),
  maxNorm: z.number().gt(0).max(1e6).describe('largest norm of the gradient over all trained weights'),
  trains: z
    .enum(PROJECTIONS)
    .describe('projections of the cross-attention that are trained: keys, values or queries'),
  separateWeight: weight.describe('weight of the loss Separate: how much the attention of objects overlaps'),
  enhanceWeight: weight.describe('weight of the loss Enhance: how little attention the weakest object gets'),
  normWeight: weight.describe(
    'weight of the regulariser: the difference from the frozen model on prompts of one object',
  ),
  normStep: z
    .enum(['own', 'joint'])
    .describe(
      "when the regulariser moves the weights: in an update of its own after that of the other losses (own, as the paper's code does), or with them (joint, as its formula says)",
    ),
  mapSide: z
    .int()
    .min(1)
    .max(512)
    .describe(
      'shorter side of the attention maps that the losses read, in positions; the default is the largest up to 16',
    ),
  templates: z
    .array(template)
    .min(1)
    .max(100)
    .describe('prompts with {1} and {2} for two concepts of the list; one is drawn for each step'),
  singleTemplate: template.describe('prompt of the regulariser, with {1} for one object'),
  width: side.describe('width of the images whose latents are trained on, in pixels'),
  height: side.describe('height of these images in pixels'),
  microBatch: z
    .int()
    .min(1)
    .max(256)
    .describe('prompts that go through the network at once; fewer take less memory, the result is the same'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .describe('seed of latents, noise, timesteps and the order of the concepts'),
};

/**
 * The settings of a fine-tuning.
 *
 * @interface
 */
export type FineTuneSettings = {
  readonly [K in keyof typeof fineTuneSettings]: z.output<(typeof fineTuneSettings)[K]>;
};
export type FineTuneSettingKey = keyof FineTuneSettings;

/** The settings without those whose defaults depend on the model. */
type Recipe = Omit<FineTuneSettings, 'mapSide' | 'width' | 'height' | 'microBatch'>;

const COMMON = {
  batch: 4,
  weightDecay: 0.01,
  maxNorm: 1,
  trains: 'keys',
  separateWeight: 1,
  enhanceWeight: 0.5,
  normStep: 'own',
  singleTemplate: 'a photo of a {1}',
  templates: ['a photo of a {1} and a {2}', 'a photo of a {1} with a {2}'],
  seed: 0,
} as const satisfies Partial<Recipe>;

/** `individual`: the objects of one prompt. `large-scale`: pairs of a list of concepts. */
export const RECIPES = {
  individual: { ...COMMON, steps: 200, learningRate: 8e-6, normWeight: 0 },
  'large-scale': { ...COMMON, steps: 10_000, learningRate: 4e-6, normWeight: 0.5 },
} as const satisfies Record<string, Recipe>;
export type RecipeName = keyof typeof RECIPES;

/** From so many positions of a latent on (64x64), one sample keeps the threads of a processor as busy as several. */
const BUSY_POSITIONS = 4096;

/**
 * The default of `microBatch`.
 *
 * @param positions of a latent
 */
export const defaultMicroBatch = (batch: number, positions: number): number =>
  positions >= BUSY_POSITIONS ? 1 : batch;

/**
 * Checks settings against each other.
 *
 * @throws UserError in one line
 */
export function checkFineTuneSettings({
  separateWeight,
  enhanceWeight,
  templates,
  singleTemplate,
}: Pick<FineTuneSettings, 'separateWeight' | 'enhanceWeight' | 'templates' | 'singleTemplate'>): void {
  if (separateWeight === 0 && enhanceWeight === 0) {
    throw new UserError(
      'finetune: separateWeight and enhanceWeight are both 0, which trains nothing; give one of them a weight',
    );
  }
  const incomplete = templates.find(
    (text) => !['{1}', '{2}'].every((place) => text.split(place).length === 2),
  );
  if (incomplete !== undefined) {
    throw new UserError(`finetune: templates: "${incomplete}" must have {1} and {2}, each once`);
  }
  if (singleTemplate.split('{1}').length !== 2 || singleTemplate.includes('{2}')) {
    throw new UserError(`finetune: singleTemplate: "${singleTemplate}" must have {1} once, and no {2}`);
  }
}

/**
 * Checks that every setting of a request is read.
 *
 * @param given what the request says
 * @param own all settings, those of the recipe included
 * @param isList whether the objects come from a list of concepts
 * @throws UserError for a setting that another one switches off, unless it has the value of all recipes
 */
export function refuseUnreadSettings(
  given: Partial<FineTuneSettings>,
  { normWeight, batch }: Pick<FineTuneSettings, 'normWeight' | 'batch'>,
  isList: boolean,
): void {
  const rules: readonly [isRead: boolean, keys: readonly (keyof typeof COMMON)[], needs: string][] = [
    [isList, ['templates'], 'a list of concepts; a prompt is its own'],
    [normWeight > 0, ['singleTemplate', 'normStep'], 'normWeight above 0'],
  ];
  for (const [isRead, keys, needs] of rules) {
    const unread = keys.find(
      (key) => given[key] !== undefined && JSON.stringify(given[key]) !== JSON.stringify(COMMON[key]),
    );
    if (!isRead && unread !== undefined)
      throw new UserError(`finetune: ${unread} has no effect; it needs ${needs}`);
  }
  if (given.microBatch !== undefined && given.microBatch > batch) {
    throw new UserError(
      `finetune: microBatch: a step has ${batch} prompts (batch), got ${given.microBatch}; give at most as many`,
    );
  }
}
