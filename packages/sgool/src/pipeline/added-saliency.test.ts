import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { methods, parseRequest } from '../methods/index.ts';
import { settingsOf } from '../methods/run/create-method.ts';
import { saliencyNote } from '../request/resolve.ts';
import { loadPipeline } from './load-pipeline.ts';
import { writeTinyModel } from './testing.ts';

let bare: Awaited<ReturnType<typeof writeTinyModel>>;
let data: string;
beforeAll(async () => {
  data = await mkdtemp(path.join(tmpdir(), 'sgool-data-'));
  const whole = await writeTinyModel();
  await cp(path.join(whole.dir, 'transalnet'), path.join(data, 'weights/transalnet'), { recursive: true });
  await whole.remove();
  bare = await writeTinyModel({ without: ['transalnet'] });
});
afterAll(async () => {
  await bare.remove();
  await rm(data, { recursive: true });
});

async function saliencyOf(env: Record<string, string>, saliency?: 'transalnet' | 'centre') {
  const { model, detector, dispose } = await loadPipeline(bare.dir, { env });
  try {
    const request = parseRequest({ prompt: 'a cat', ...(saliency ? { saliency } : {}) });
    const settings = settingsOf(methods.sgool, { model }, request);
    const { name } = await detector(settings.saliency, { prompt: 'a cat' });
    return { name, note: saliencyNote(settings, request, model) };
  } finally {
    await dispose();
  }
}

it('uses a TranSalNet that was added for every model that has none', async () => {
  expect(await saliencyOf({ SGOOL_DATA_DIR: data })).toEqual({ name: 'transalnet', note: undefined });
});

it('falls back to Grad-CAM without one, requested or by default, and says so in one line', async () => {
  const none = { SGOOL_DATA_DIR: path.join(data, 'none') };
  const note =
    'the saliency model is Grad-CAM on CLIP, because there are no TranSalNet weights; add them with: sgool models add transalnet <file>';
  expect(await saliencyOf(none)).toEqual({ name: 'grad-cam', note });
  expect(await saliencyOf(none, 'transalnet')).toEqual({ name: 'grad-cam', note });
  expect(await saliencyOf(none, 'centre')).toEqual({ name: 'centre', note: undefined });
});
