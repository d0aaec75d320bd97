import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import { familyOf } from './families.ts';
import { flux } from './flux/backbone.ts';
import { sd3 } from './sd3/backbone.ts';
import { stableDiffusion } from './stable-diffusion/backbone.ts';

const made: string[] = [];
afterEach(async () => {
  for (const dir of made.splice(0)) await rm(dir, { recursive: true });
});

/** A model folder of which nothing but names is there. */
async function folderOf(modelIndex: unknown, ...folders: string[]) {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-family-'));
  made.push(dir);
  await writeFile(join(dir, 'model_index.json'), JSON.stringify(modelIndex));
  for (const folder of folders) await mkdir(join(dir, folder));
  return dir;
}

describe('the family of a model', () => {
  it.each([
    [{ _class_name: 'StableDiffusionPipeline' }, ['unet', 'vae', 'text_encoder']],
    [{ _class_name: 'LatentConsistencyModelPipeline' }, ['unet', 'vae', 'text_encoder']],
    [{}, ['unet', 'vae', 'text_encoder']],
  ])('is Stable Diffusion where there is its UNet: %j', async (modelIndex, folders) => {
    expect(await familyOf(await folderOf(modelIndex, ...folders))).toBe(stableDiffusion);
  });

  it.each([
    ['StableDiffusion3Pipeline', sd3],
    ['FluxPipeline', flux],
  ])('is that of the pipeline %s', async (className, family) => {
    const folder = await folderOf({ _class_name: className }, 'transformer', 'vae', 'text_encoder_2');
    expect(await familyOf(folder)).toBe(family);
    await expect(loadPipeline(folder)).rejects.toThrow(/transformer\/config\.json/);
  });

  it('is recognised in a folder without a UNet, whose error then says that the UNet is missing', async () => {
    const dir = await folderOf({ _class_name: 'StableDiffusionPipeline' }, 'vae');
    await expect(loadPipeline(dir)).rejects.toThrow(/unet does not exist/);
  });

  it.each([
    ['StableDiffusionXLPipeline', ['unet', 'vae', 'text_encoder', 'text_encoder_2'], 'Stable Diffusion XL'],
    ['FluxKontextPipeline', ['transformer', 'vae'], 'Flux Kontext, which edits pictures'],
    ['WanPipeline', ['transformer', 'vae'], 'a video model'],
    ['StableCascadeDecoderPipeline', ['decoder'], 'Stable Cascade'],
  ])('%s is refused by its name', async (_class_name, folders, what) => {
    const dir = await folderOf({ _class_name }, ...folders);
    await expect(loadPipeline(dir)).rejects.toThrow(
      `${dir}: ${what} (${_class_name}), which is not supported; use `,
    );
  });

  it('is refused in one line where it is unknown', async () => {
    const dir = await folderOf({}, 'prior');
    await expect(loadPipeline(dir)).rejects.toThrow(
      `${dir}: a model of an unknown family, got no _class_name in model_index.json; known are Stable Diffusion 1.x and 2.x`,
    );
  });
});
