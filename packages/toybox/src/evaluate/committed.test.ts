import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { judgePrompt, loadJudge } from 'sgool/evaluate';
import {
  autoencoderConfig,
  clipConfig,
  loadTokenizer,
  networkWeights,
  openComponent,
  openSafetensors,
} from 'sgool/networks';
import { describe, expect, it } from 'vitest';
import { FLOW_FOLDER, JUDGE_COUNTS_FILE, JUDGE_FILE, MOTION_FOLDER, WEIGHTS_FOLDER } from '../paths.ts';
import { FLOW_TOKENS } from '../stages/configs.ts';
import { testScenes } from '../train/scenes.ts';
import { FLOW_WORDS } from '../world/describe-counted.ts';
import { MOVE_WORDS } from '../world/describe-moves.ts';
import { promptSet } from '../world/prompt-sets.ts';
import { renderScene } from '../world/render.ts';
import { flowSceneFromSeed, sampleCountedScene } from '../world/sample-counted.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { captionChoice } from './measures/caption-choice.ts';
import { judgeTally } from './measures/judge-accuracy.ts';
import { movesRight } from './measures/moves-right.ts';
import { reconstructionQuality } from './measures/reconstruction.ts';

const COMPONENTS = ['clip', 'clip_b', 'clip_c', 'text_encoder', 'transalnet', 'unet', 'vae'];
const lacks = (name: string) => !existsSync(path.join(WEIGHTS_FOLDER, name, 'config.json'));

/**
 * A quick check that finds a broken file; `npm run evaluate:thresholds` measures all of it. A stage that is not trained yet is
 * skipped.
 */
describe('the trained weights', () => {
  it.skipIf(COMPONENTS.some(lacks) || !existsSync(JUDGE_FILE))(
    'are float16, and 30 MB at the most',
    async () => {
      const inside = await readdir(WEIGHTS_FOLDER, { recursive: true });
      const files = inside.filter((name) => name.endsWith('.safetensors'));
      expect(files.map((name) => path.dirname(name)).sort()).toEqual(COMPONENTS);
      let bytes = 0;
      for (const file of [...files.map((name) => path.join(WEIGHTS_FOLDER, name)), JUDGE_FILE]) {
        bytes += (await stat(file)).size;
        const { tensors } = await openSafetensors(file);
        expect(new Set([...tensors.values()].map(({ dtype }) => dtype)), file).toEqual(new Set(['F16']));
      }
      expect(bytes).toBeLessThan(30e6);
    },
  );

  it.skipIf(!existsSync(JUDGE_FILE))('hold a judge that knows rendered scenes', async () => {
    const judge = await loadJudge();
    const tally = judgeTally();
    for (const { scene, image } of testScenes(25)) tally.add(scene, await judge.detect(image));
    await judge.dispose();
    expect(tally.result().thingAndColour).toBeGreaterThan(0.93);
    expect(tally.result().relations).toBeGreaterThan(0.9);
  });

  it.skipIf(!existsSync(JUDGE_COUNTS_FILE))('hold a judge that counts, in float16', async () => {
    const { tensors } = await openSafetensors(JUDGE_COUNTS_FILE);
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F16']));
    const judge = await loadJudge({ name: 'judge-counts' });
    const tally = judgeTally();
    for (const { scene, image } of testScenes(25, flowSceneFromSeed))
      tally.add(scene, await judge.detect(image));
    await judge.dispose();
    const { thingAndColour, relations, counts } = tally.result();
    expect(thingAndColour).toBeGreaterThan(0.95);
    expect(relations).toBeGreaterThan(0.9);
    expect(counts).toBeGreaterThan(0.95);
  });

  it.skipIf(!existsSync(JUDGE_COUNTS_FILE))(
    'hold a judge that accepts pictures of prompts with numbers, and no others',
    async () => {
      const judge = await loadJudge({ name: 'judge-counts' });
      const prompts = promptSet('counts', 16);
      const others = [...prompts.slice(1), prompts[0]];
      let [right, wrong] = [0, 0];
      for (const [i, spec] of prompts.entries()) {
        const scene = sampleCountedScene(sceneGenerator(i), { groups: spec.counts });
        const detections = await judge.detect(renderScene(scene));
        right += Number(judgePrompt(detections, spec).correct);
        // The same things, and one more or one less of them.
        const counts = (spec.counts ?? []).map((group) => ({
          ...group,
          count: group.count === 4 ? 3 : group.count + 1,
        }));
        wrong += Number(judgePrompt(detections, { ...spec, counts }).correct);
        wrong += Number(judgePrompt(detections, others[i]).correct);
      }
      await judge.dispose();
      expect(right).toBeGreaterThanOrEqual(15);
      expect(wrong).toBe(0);
    },
  );

  it.skipIf(!existsSync(JUDGE_FILE))('hold a judge that knows how rendered things move', async () => {
    const judge = await loadJudge();
    const right = await movesRight(judge, 12);
    await judge.dispose();
    expect(right.moves).toBeGreaterThan(0.9);
    expect(right.frames).toBeGreaterThan(0.9);
  });

  it.skipIf(!existsSync(path.join(MOTION_FOLDER, 'config.json')))(
    'hold motion modules in float16, 10 MB at the most, and a text encoder that knows the words of moves',
    async () => {
      const file = path.join(MOTION_FOLDER, 'diffusion_pytorch_model.safetensors');
      const { tensors } = await openSafetensors(file);
      expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F16']));
      expect((await stat(file)).size).toBeLessThan(10e6);
      const { encode } = await loadTokenizer(path.join(WEIGHTS_FOLDER, 'tokenizer'));
      for (const word of MOVE_WORDS) expect(encode(word).tokens).toEqual([`${word}</w>`]);
    },
  );

  it.skipIf(!existsSync(path.join(FLOW_FOLDER, 'model_index.json')))(
    'hold toybox-flow in float16, 25 MB at the most, whose tokenizers know its words',
    async () => {
      const inside = await readdir(FLOW_FOLDER, { recursive: true });
      const files = inside.filter((name) => name.endsWith('.safetensors'));
      expect(files.map((name) => path.dirname(name)).sort()).toEqual([
        'text_encoder',
        'text_encoder_2',
        'transformer',
        'vae',
      ]);
      let bytes = 0;
      for (const name of files) {
        const file = path.join(FLOW_FOLDER, name);
        bytes += (await stat(file)).size;
        const { tensors } = await openSafetensors(file);
        expect(new Set([...tensors.values()].map(({ dtype }) => dtype)), name).toEqual(new Set(['F16']));
        expect(
          [...tensors.keys()].filter((key) => key.startsWith('auxiliary')),
          name,
        ).toEqual([]);
      }
      expect(bytes).toBeLessThan(25e6);
      for (const name of ['tokenizer', 'tokenizer_2']) {
        const { encode, maxLength } = await loadTokenizer(path.join(FLOW_FOLDER, name));
        expect(maxLength).toBe(FLOW_TOKENS);
        for (const word of FLOW_WORDS) expect(encode(word).tokens).toEqual([`${word}</w>`]);
      }
    },
  );

  it.skipIf(!existsSync(path.join(FLOW_FOLDER, 'vae')))(
    "hold an autoencoder of toybox-flow whose latents are about a standard normal one's",
    async () => {
      const { config, weights } = await openComponent(path.join(FLOW_FOLDER, 'vae'));
      const settings = autoencoderConfig(config);
      const found = await reconstructionQuality(settings, networkWeights(weights), testScenes(12));
      expect(found.psnr).toBeGreaterThan(28);
      expect((found.latentMean - (settings.shift_factor ?? 0)) * settings.scaling_factor).toBeCloseTo(0, 0);
      expect(found.latentDeviation * settings.scaling_factor).toBeCloseTo(1, 0);
    },
  );

  describe.each(['clip', 'clip_b', 'clip_c'])('%s', (name) => {
    it.skipIf(lacks(name))('distinguishes captions that differ in one point', async () => {
      const { config, weights } = await openComponent(path.join(WEIGHTS_FOLDER, name));
      const { encode } = await loadTokenizer(path.join(WEIGHTS_FOLDER, name));
      const right = await captionChoice(clipConfig(config), networkWeights(weights), encode, 20);
      // Guessing would be right once in 64 times.
      expect(right).toBeGreaterThan(0.15);
    });
  });
});
