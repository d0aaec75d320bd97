import { gradient, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createImage, planesFromImage } from '../image/image.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { Generator } from '../random/generator.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import { openModelFolder } from '../weights/open/model-folder.ts';
import { type ClipCritic, openClipCritic } from './clip-critic.ts';
import { aimInputs, clipGuide, clipObjectiveScorer } from './clip-guide.ts';
import { clipTarget } from './clip-target.ts';

let critic: ClipCritic;
let close: () => Promise<void>;
beforeAll(async () => {
  const { dir, remove } = await writeTinyModel();
  const programs = new ProgramCache({});
  const folder = await openModelFolder(dir);
  const found = await openClipCritic(folder, 'clip', programs, await loadTokenizer(`${dir}/tokenizer`));
  if (!found) throw new Error('the tiny model has a CLIP');
  critic = found;
  close = async () => {
    await programs.dispose();
    await remove();
  };
});
afterAll(() => close());

const picture = (seed: number) =>
  createImage(
    16,
    16,
    Uint8Array.from(new Generator(seed).rand([16 * 16 * 3]), (value) => 255 * value),
  );
const image = picture(3);

/** The loss of the whole image, and the length of its gradient. */
async function lossOf(loss: 'cosine' | undefined, target = clipTarget('a red cat')) {
  const guide = clipGuide(critic, loss);
  const aim = aimInputs(await target.aim(critic));
  const inputs = Object.fromEntries(
    Object.entries(aim).map(([name, { length }]) => [name, { shape: name === 'share' ? [1] : [1, length] }]),
  );
  const programs = new ProgramCache({});
  const program = await programs.get('loss', () => {
    const forward = trace({ planes: { shape: [1, 3, 16, 16] }, ...inputs }, ({ planes, ...aims }) => ({
      loss: guide.loss(planes, aims),
    }));
    return gradient(forward, { of: 'loss', wrt: ['planes'], cotangents: 'cotangent', keep: ['loss'] });
  });
  const result = await program.run({
    planes: planesFromImage(image),
    cotangent: Float32Array.of(1),
    ...aim,
  });
  await programs.dispose();
  return { loss: Number(result.loss[0]), gradient: result['grad:planes'] as Float32Array };
}

it('is the spherical distance, or linear in the cosine, where images and scores say the same', async () => {
  const cosine = clipObjectiveScorer('clip_a', critic, 'cosine');
  const distance = clipObjectiveScorer('clip_a', critic);
  const score = await cosine.score(image, clipTarget('a red cat'));
  expect(await distance.score(image, clipTarget('a red cat'))).toBe(score);
  expect((await lossOf('cosine')).loss).toBeCloseTo(-score, 3);
  expect(cosine.lossOf(score)).toBe(-score);
  expect((await lossOf(undefined)).loss).toBeCloseTo(distance.lossOf(score), 4);
  expect(distance.lossOf(score)).toBeCloseTo(Math.acos(score / 100) ** 2 / 2, 12);
});

it('has gradients of one direction: that of the distance is the angle over its sine as long, in units of 100', async () => {
  const [linear, sphere] = [await lossOf('cosine'), await lossOf(undefined)];
  const angle = Math.acos(-linear.loss / 100);
  const factor = angle / Math.sin(angle) / 100;
  linear.gradient.forEach((value, i) => {
    expect(sphere.gradient[i]).toBeCloseTo(factor * value, 5);
  });
});

it('weighs target images by their share', async () => {
  const target = clipTarget('a red cat', [{ image: picture(5) }], 3);
  const score = await clipObjectiveScorer('clip_a', critic, 'cosine').score(image, target);
  expect((await lossOf('cosine', target)).loss).toBeCloseTo(-score, 3);
});

it('has programs of its own for each loss', () => {
  expect(clipGuide(critic, 'cosine').key).not.toBe(clipGuide(critic).key);
});
