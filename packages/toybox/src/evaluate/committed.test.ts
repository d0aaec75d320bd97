import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { loadJudge } from 'sgool/evaluate';
import { clipConfig, loadTokenizer, networkWeights, openComponent, openSafetensors } from 'sgool/networks';
import { describe, expect, it } from 'vitest';
import { JUDGE_FILE, MOTION_FOLDER, WEIGHTS_FOLDER } from '../paths.ts';
import { testScenes } from '../train/scenes.ts';
import { MOVE_WORDS } from '../world/describe-moves.ts';
import { captionChoice } from './measures/caption-choice.ts';
import { judgeTally } from './measures/judge-accuracy.ts';
import { movesRight } from './measures/moves-right.ts';

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
