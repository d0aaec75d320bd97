/** Scorers as parts of an objective, against the results of their authors' code in PyTorch: fixtures/make/preference.py. */
import { clip as clamp, reshape } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wholeCrop } from '../image/crops.ts';
import { type Image, planesFromImage } from '../image/image.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeOnnxScorer, writePreferenceModels, writeTinyModel } from '../pipeline/testing.ts';
import { clipTarget } from '../preference/clip-target.ts';
import type { Guide } from '../preference/guide.ts';
import { seenPlanes } from '../preference/image-view.ts';
import { preferenceCases } from '../preference/testing.ts';
import { parseObjective } from '../request/objective-text.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { createObjective, type View } from './objective.ts';

let pipeline: Pipeline;
let remove: () => Promise<void>;
let onnx: string;
let objectiveOfScorers: Awaited<ReturnType<typeof writePreferenceModels>>;
const programs = new ProgramCache({ device: 'cpu' });
beforeAll(async () => {
  const model = await writeTinyModel({ without: ['transalnet'] });
  onnx = await writeOnnxScorer(model.dir);
  remove = model.remove;
  objectiveOfScorers = await writePreferenceModels(model.dir);
  pipeline = await loadPipeline(model.dir, { env: { SGOOL_DATA_DIR: model.dir, HF_HUB_CACHE: model.dir } });
});
afterAll(async () => {
  await programs.dispose();
  await pipeline.dispose();
  await remove();
});

async function guidesOf(objective: string): Promise<Guide[]> {
  const scorers = await pipeline.scorers(parseObjective(objective));
  return scorers.map(({ guide }) => guide as Guide);
}

/** An objective whose latent is the image itself. */
function onImage({ width, height }: Image, guides: readonly Guide[], views: number) {
  return createObjective({
    programs,
    backbone: {
      latentShape: () => [3, height, width],
      decodedPlanes: (latent) => clamp(reshape(latent, [1, 3, height, width]), -1, 2),
    },
    size: { width, height },
    saturatedGradient: 'through',
    parts: guides.map((guide) => ({ guide, views })),
  });
}

const relative = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i])) / Math.hypot(...Array.from(b));

describe.each(['hps-v2', 'pickscore', 'image-reward'] as const)('%s as a part of an objective', (name) => {
  it('has minus the score and the gradient of its authors, for several images and prompts in one program', async () => {
    const cases = await preferenceCases(name);
    const [guide] = await guidesOf(objectiveOfScorers[name]);
    const { image } = cases[0];
    const same = cases.filter((one) => one.image.width === image.width && one.image.height === image.height);
    const view = async (prompt: string): Promise<View> => ({
      crop: guide.whole(image),
      aim: await guide.aim(clipTarget(prompt)),
      weight: 1,
    });
    const objective = onImage(image, [guide], 1);
    const { total, gradient } = await objective.evaluate(Float64Array.from(planesFromImage(image)), [
      { views: [await view(same[0].prompt)] },
    ]);
    // What the authors round to whole levels is not rounded here.
    const size = Math.max(...cases.map(({ score }) => Math.abs(score)));
    expect(Math.abs(total + same[0].score) / size).toBeLessThan(0.02);
    expect(
      relative(
        gradient,
        same[0].gradient.map((value) => -value),
      ),
    ).toBeLessThan(0.1);
  });

  it('gives each view the score of its own prompt', async () => {
    const [first] = await preferenceCases(name);
    const [guide] = await guidesOf(objectiveOfScorers[name]);
    const prompts = ['a red cat', 'two yellow boats'];
    const views = await Promise.all(
      prompts.map(async (prompt) => ({
        crop: guide.whole(first.image),
        aim: await guide.aim(clipTarget('not this'), prompt),
        weight: 1,
      })),
    );
    const latent = Float64Array.from(planesFromImage(first.image));
    const both = await onImage(first.image, [guide], 2).evaluate(latent, [{ views }]);
    for (const [i, one] of views.entries()) {
      const alone = await onImage(first.image, [guide], 1).evaluate(latent, [{ views: [one] }]);
      expect(both.losses[0][i]).toBeCloseTo(alone.total, 5);
    }
    expect(both.losses[0][0]).not.toBeCloseTo(both.losses[0][1], 5);
  });
});

describe('a scorer whose preprocessing rounds nothing', () => {
  it('has exactly the score and the gradient of PyTorch', async () => {
    const cases = await preferenceCases('hps-v2');
    const [guide] = await guidesOf(objectiveOfScorers['hps-v2']);
    for (const { image, prompt, score, gradient: wanted, seen } of cases) {
      const view = guide.whole(image);
      expect(relative(seenPlanes(image, { ...view, rounded: false }), seen)).toBeLessThan(1e-5);
      const views = [{ crop: view, aim: await guide.aim(clipTarget(prompt)), weight: 2 }];
      const latent = Float64Array.from(planesFromImage(image));
      const { total, losses, gradient } = await onImage(image, [guide], 1).evaluate(latent, [{ views }]);
      expect(losses[0][0]).toBeCloseTo(-score, 5);
      expect(total).toBeCloseTo(-2 * score, 5);
      expect(
        relative(
          gradient,
          wanted.map((value) => -2 * value),
        ),
      ).toBeLessThan(1e-4);
    }
  });
});

describe('a sum of scorers', () => {
  it('is the sum of each alone, and so is its gradient', async () => {
    const [{ image }] = await preferenceCases('hps-v2');
    const guides = await guidesOf(`clip,${objectiveOfScorers['hps-v2']},onnx:${onnx}`);
    const latent = Float64Array.from(planesFromImage(image));
    const parts = await Promise.all(
      guides.map(async (guide, k) => ({
        views: [{ crop: guide.whole(image), aim: await guide.aim(clipTarget('a red cat')), weight: k + 0.5 }],
      })),
    );
    const whole = await onImage(image, guides, 1).evaluate(latent, parts);
    const single = await Promise.all(
      guides.map((guide, k) => onImage(image, [guide], 1).evaluate(latent, [parts[k]])),
    );
    expect(whole.total).toBeCloseTo(
      single.reduce((sum, { total }) => sum + total, 0),
      4,
    );
    const summed = whole.gradient.map((_, i) => single.reduce((sum, { gradient }) => sum + gradient[i], 0));
    expect(relative(whole.gradient, summed)).toBeLessThan(1e-5);
    for (const { gradient } of single) expect(Math.hypot(...gradient)).toBeGreaterThan(1e-4);
  });
});

describe('an ONNX file', () => {
  it.each([true, false])(
    'guides by its gradient (higherIsBetter %s), of every view',
    async (higherIsBetter) => {
      const path = await writeOnnxScorer(pipeline.model.dir, { higherIsBetter });
      const [guide] = await guidesOf(`onnx:${path}`);
      const [{ image }] = await preferenceCases('hps-v2');
      const latent = Float64Array.from(planesFromImage(image));
      const views = [0, 1].map((i) => ({
        crop: i === 0 ? guide.whole(image) : wholeCrop({ ...image, side: guide.side }, 'bilinear'),
        aim: {},
        weight: 1,
      }));
      const objective = onImage(image, [guide], 2);
      const { total, losses, gradient } = await objective.evaluate(latent, [{ views }]);
      expect(total).toBeCloseTo(losses[0][0] + losses[0][1], 4);
      const [scorer] = await pipeline.scorers(parseObjective(`onnx:${path}`));
      expect(scorer.lossOf(await scorer.score(image, clipTarget('x')))).toBeCloseTo(losses[0][0], 1);
      const length = Math.hypot(...gradient);
      const at = async (step: number) =>
        (
          await objective.evaluate(
            latent.map((value, i) => value + (step * gradient[i]) / length),
            [{ views }],
          )
        ).total;
      expect(((await at(0.02)) - (await at(-0.02))) / 0.04 / length).toBeCloseTo(1, 1);
      SIGNS.push(Math.sign(total));
    },
  );
  const SIGNS: number[] = [];
  it('of which less is better is the same with the other sign', () => expect(SIGNS[0]).toBe(-SIGNS[1]));
});

describe('a CLIP of another folder', () => {
  it('is a scorer of its own beside that of the model', async () => {
    const dir = `${pipeline.model.dir}/clip_b`;
    const [a, b] = await pipeline.scorers(parseObjective(`clip,clip=${dir}`));
    expect([a.name, b.name]).toEqual(['clip_a', 'clip_b']);
    const [{ image }] = await preferenceCases('hps-v2');
    const scores = await pipeline.score(image, 'a red cat');
    const target = clipTarget('a red cat');
    expect(await a.score(image, target)).toBeCloseTo(scores.A ?? 0, 5);
    expect(await b.score(image, target)).toBeCloseTo(scores.B ?? 0, 5);
  });
});

it('what is not there is named in one line', async () => {
  await expect(pipeline.scorers(parseObjective('hps-v1'))).rejects.toThrow(
    /scorer hps-v1: its weights are not here/,
  );
  await expect(pipeline.scorers(parseObjective('onnx:none.onnx'))).rejects.toThrow(
    /none\.onnx: there is no such file/,
  );
  await expect(pipeline.scorers(parseObjective('exec:./x'))).rejects.toThrow(
    /x gets every picture and prompt, and was not allowed/,
  );
});
