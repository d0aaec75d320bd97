/**
 * @file Stage: the three CLIPs, trained contrastively with hard negatives. A guides, B reports, C selects; they share the recipe but
 * differ in width, depth, seed and data. Three auxiliary heads, dropped after training, help a small image tower learn far sooner than from
 * captions alone: two predict the kind and the colour that cover each patch, one predicts facts about the whole image.
 */

import {
  add,
  bceWithLogits,
  concat,
  exp,
  linear,
  matmul,
  minimum,
  mul,
  scoped,
  slice,
  sum,
  type Tensor,
  transposeLast,
  type Weights,
} from '@sgool/autodiff';
import { CLIP_MEAN, CLIP_STD, clip, clipConfig, type EncodedPrompt } from 'sgool/networks';
import { captionChoice } from '../evaluate/measures/caption-choice.ts';
import { type BatchGenerator, below } from '../train/batch-generator.ts';
import { constantWeights, TRANSFORMERS_FILE, writeComponent } from '../train/export.ts';
import { IMAGE, PIXELS, type PooledMasks, TRAINING_POOLS, trainingScenesWithMasks } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { thingOfCells } from '../world/cells.ts';
import { type Described, describe, hardNegatives, holdsIn } from '../world/describe.ts';
import type { Scene } from '../world/scene.ts';
import { type SceneGenerator, sceneGenerator } from '../world/scene-generator.ts';
import { COLOUR_CLASSES, cellLoss, crossEntropy, KIND_CLASSES, writeCellLabels } from './cell-heads.ts';
import { FACTS, factsOf } from './clip-facts.ts';
import { type ClipSize, clipModelConfig } from './configs.ts';
import { toyboxTokenizer, writeTokenizer } from './tokenizer.ts';
import { cosinePatches, sinePlaces } from './vision-start.ts';

const BATCH = 48;
/** Hard negatives of each caption. */
const NEGATIVES = 4;
const TEXTS = BATCH * (1 + NEGATIVES);
/**
 * Two lengths of captions. Pooling reads the end token and causal attention ignores what follows it, so captions may be cut after
 * it. Most captions are short: the images of a batch are sorted by the length of their caption, and only the first have long ones.
 */
const LONG = { tokens: 24, images: 12 };
const SHORT = { tokens: 12, images: BATCH - LONG.images };
const GRID = 8;
/** The last layers of the image tower, which gather information from the patches. The patch heads read what enters them. */
const READING = 2;
const HELD_OUT = 200;

export interface ClipRecipe {
  /** Of the stage and of its folder in the model. */
  readonly name: 'clip' | 'clip_b' | 'clip_c';
  readonly size: ClipSize;
  readonly seed: number;
  readonly steps: number;
}

export function clipStage({ name, size, seed, steps }: ClipRecipe): Stage {
  const tokenizer = toyboxTokenizer();
  const config = clipConfig(clipModelConfig(tokenizer.vocabSize, size));
  let pool: PooledMasks[] | undefined;
  return {
    name,
    seed,
    inputs: {
      image: { shape: [BATCH, 3, IMAGE, IMAGE] },
      longIds: { shape: [LONG.images * (1 + NEGATIVES), LONG.tokens], dtype: 'int32' },
      longEnds: { shape: [LONG.images * (1 + NEGATIVES)], dtype: 'int32' },
      shortIds: { shape: [SHORT.images * (1 + NEGATIVES), SHORT.tokens], dtype: 'int32' },
      shortEnds: { shape: [SHORT.images * (1 + NEGATIVES)], dtype: 'int32' },
      // 0, or a large negative number where the text of another image is also true of this one.
      hidden: { shape: [BATCH, TEXTS] },
      target: { shape: [BATCH, TEXTS] },
      textHidden: { shape: [BATCH, BATCH] },
      textTarget: { shape: [BATCH, BATCH] },
      kinds: { shape: [BATCH, GRID * GRID, KIND_CLASSES] },
      colours: { shape: [BATCH, GRID * GRID, COLOUR_CLASSES] },
      facts: { shape: [BATCH, FACTS] },
    },
    optimiser: {
      steps,
      learningRate: 1.5e-3,
      warmup: 150,
      weightDecay: 0.05,
      beta2: 0.98,
      emaDecay: 0.995,
      maxNorm: 1,
      finalShare: 0.02,
      // Kinds in patches are correct in 66% after 90 s, and in 42% with AdamW alone.
      muon: {
        select: (weight, shape) => shape.length === 2 && weight.includes('.encoder.layers.'),
        learningRate: 0.02,
      },
    },
    initialise(weight) {
      const { hidden_size: width, patch_size: patch } = config.vision_config;
      if (weight === 'logit_scale') return Math.log(1 / 0.07);
      if (weight === 'vision_model.embeddings.patch_embedding.weight') return cosinePatches(width, patch);
      if (weight === 'vision_model.embeddings.position_embedding.weight') return sinePlaces(width, GRID);
      // Layers start as the identity.
      return /\.(out_proj|fc2)\.weight$/.test(weight) ? 0 : undefined;
    },
    objective(weights, t) {
      const network = clip(config, weights);
      const { embedding, normalisedInputs } = network.image(t.image);
      // First all true captions, image by image, then the false ones.
      const [long, short] = [network.text(t.longIds, t.longEnds), network.text(t.shortIds, t.shortEnds)];
      const part = (group: typeof long, start: number, end?: number) =>
        slice(group.embedding, [{ axis: 0, start, end }]);
      const texts = concat(
        [
          part(long, 0, LONG.images),
          part(short, 0, SHORT.images),
          part(long, LONG.images),
          part(short, SHORT.images),
        ],
        0,
      );
      const scale = exp(minimum(network.logitScale(), Math.log(100)));
      const logits = mul(matmul(embedding, transposeLast(texts)), scale);
      const images = crossEntropy(add(logits, t.hidden), t.target);
      const own = slice(logits, [{ axis: 1, start: 0, end: BATCH }]);
      const captions = crossEntropy(add(transposeLast(own), t.textHidden), t.textTarget);
      const tokens = slice(normalisedInputs[normalisedInputs.length - READING], [{ axis: 1, start: 1 }]);
      const patches = cellLoss(scoped(weights, 'auxiliary'), tokens, { kinds: t.kinds, colours: t.colours });
      const facts = factLoss(scoped(weights, 'auxiliary'), embedding, t.facts);
      return {
        loss: add(add(add(mul(add(images, captions), 0.5), mul(images, 0.5)), patches), facts),
        images,
        captions,
        patches,
        facts,
      };
    },
    batch(generator) {
      const scenes = (pool ??= trainingScenesWithMasks(TRAINING_POOLS[name]));
      const words = sceneGenerator(below(generator, 0x7fffffff));
      const image = new Float32Array(BATCH * 3 * PIXELS);
      const kinds = new Float32Array(BATCH * GRID * GRID * KIND_CLASSES);
      const colours = new Float32Array(BATCH * GRID * GRID * COLOUR_CLASSES);
      const facts = new Float32Array(BATCH * FACTS);
      const hidden = new Float32Array(BATCH * TEXTS);
      const target = new Float32Array(BATCH * TEXTS);
      const textHidden = new Float32Array(BATCH * BATCH);
      const textTarget = new Float32Array(BATCH * BATCH);
      const views = Array.from({ length: BATCH }, () =>
        chooseView(scenes[below(generator, scenes.length)], generator),
      );
      const shown = byCaptionLength(
        views.map((view) => {
          const caption = describe(view.scene, words);
          return { view, scene: view.scene, caption, encoded: tokenizer.encode(caption.text) };
        }),
        words,
        tokenizer.encode,
      );
      shown.forEach(({ view }, b) => {
        writeView(view, image, b, generator);
        writeCellLabels(
          thingOfCells(view.source.masks, IMAGE, GRID, view.things, view),
          view.source.scene,
          { kinds, colours },
          b,
        );
        for (const fact of factsOf(view.scene)) facts[b * FACTS + fact] = 1;
      });
      const falseTexts = shown.map(({ scene, caption }) =>
        hardNegatives(scene, caption, words, NEGATIVES).map((text) => tokenizer.encode(text)),
      );
      const textsOf = (first: number, { images, tokens }: typeof LONG) => {
        const own = shown.slice(first, first + images).map(({ encoded }) => encoded);
        return stackTexts([...own, ...falseTexts.slice(first, first + images).flat()], tokens);
      };
      const [long, short] = [textsOf(0, LONG), textsOf(LONG.images, SHORT)];
      for (let i = 0; i < BATCH; i++) {
        target[i * TEXTS + i] = 1;
        textTarget[i * BATCH + i] = 1;
        for (let j = 0; j < BATCH; j++) {
          if (i === j || !holdsIn(shown[i].scene, shown[j].caption)) continue;
          hidden[i * TEXTS + j] = -1e4;
          textHidden[j * BATCH + i] = -1e4;
        }
      }
      return {
        image,
        longIds: long.ids,
        longEnds: long.ends,
        shortIds: short.ids,
        shortEnds: short.ends,
        hidden,
        target,
        textHidden,
        textTarget,
        kinds,
        colours,
        facts,
      };
    },
    validateEvery: 250,
    async validate(weights) {
      const topOneOf64 = await captionChoice(config, constantWeights(weights), tokenizer.encode, HELD_OUT);
      return { topOneOf64 };
    },
  };
}

interface Shown {
  readonly view: View;
  readonly scene: Scene;
  readonly caption: Described;
  readonly encoded: EncodedPrompt;
}

/** Longest captions first. Where more are long than fit, the others get a caption without details. */
function byCaptionLength(
  shown: Shown[],
  words: SceneGenerator,
  encode: (text: string) => EncodedPrompt,
): Shown[] {
  const sorted = shown.sort((a, b) => b.encoded.length - a.encoded.length);
  return sorted.map((one, i) => {
    const room = i < LONG.images ? LONG.tokens : SHORT.tokens;
    if (one.encoded.length <= room) return one;
    let { caption, encoded } = one;
    for (let attempt = 0; encoded.length > room && attempt < 100; attempt++) {
      caption = describe(one.scene, words);
      encoded = encode(caption.text);
    }
    return { ...one, caption, encoded };
  });
}

/** Token ids, each text cut to `tokens`, and positions of the end tokens. */
function stackTexts(texts: readonly EncodedPrompt[], tokens: number) {
  const ids = new Int32Array(texts.length * tokens);
  const ends = new Int32Array(texts.length);
  texts.forEach((text, row) => {
    ids.set(text.ids.subarray(0, tokens), row * tokens);
    ends[row] = Math.min(text.length, tokens) - 1;
  });
  return { ids, ends };
}

/** Cross-entropy of the facts, summed over them, on a scale that makes it about as large as the other losses. */
function factLoss(weights: Weights, embedding: Tensor, facts: Tensor): Tensor {
  const width = embedding.shape[1];
  const logits = linear(
    mul(embedding, 10),
    weights.get('facts.weight', [FACTS, width]),
    weights.get('facts.bias', [FACTS]),
  );
  return mul(sum(bceWithLogits(logits, facts)), 0.15 / BATCH);
}

/** An image, or a part of it, and the scene that the part shows. */
interface View {
  readonly source: PooledMasks;
  readonly scene: Scene;
  /** Indices of the things in view, in the source. */
  readonly things: readonly number[];
  /** Left, top and side of the part, in pixels. */
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/**
 * The whole image, a random square around everything, or (for some images of several things) a square around one thing that leaves
 * the others out. Guidance evaluates CLIP on crops, so CLIP must be trained on crops.
 */
function chooseView(source: PooledMasks, generator: BatchGenerator): View {
  const { scene, masks } = source;
  const all = scene.objects.map((_, i) => i);
  const whole: View = { source, scene, things: all, x: 0, y: 0, side: IMAGE };
  const choice = generator();
  if (choice < 0.5) return whole;
  const alone =
    choice < 0.75 &&
    all.length > 1 &&
    scene.relation?.relation !== 'inside' &&
    scene.relation?.relation !== 'in front of';
  const chosen = alone ? [below(generator, all.length)] : all;
  const boxes = chosen.map((i) => masks[i].box);
  const [x0, y0] = [Math.min(...boxes.map((b) => b.x0)), Math.min(...boxes.map((b) => b.y0))];
  const [x1, y1] = [Math.max(...boxes.map((b) => b.x1)), Math.max(...boxes.map((b) => b.y1))];
  const side = Math.min(IMAGE, Math.max(x1 - x0, y1 - y0, 40) * (1.02 + 0.4 * generator()));
  const place = (low: number, high: number) =>
    Math.min(IMAGE - side, Math.max(0, high - side + generator() * (low - high + side)));
  const [x, y] = [place(x0, x1), place(y0, y1)];
  if (!alone) return { source, scene, things: all, x, y, side };
  const intruding = all.some(
    (i) =>
      !chosen.includes(i) &&
      masks[i].box.x1 > x + 2 &&
      masks[i].box.x0 < x + side - 2 &&
      masks[i].box.y1 > y + 2 &&
      masks[i].box.y0 < y + side - 2,
  );
  if (intruding) return whole;
  return {
    source,
    scene: { ...scene, objects: [scene.objects[chosen[0]]], relation: undefined },
    things: chosen,
    x,
    y,
    side,
  };
}

/** Resamples the view to the full size with a little noise, normalised like CLIP's images. */
function writeView(
  { source, x, y, side }: View,
  into: Float32Array,
  slot: number,
  generator: BatchGenerator,
): void {
  const scale = side / IMAGE;
  const noise = generator() < 0.5 ? 0.08 * generator() : 0;
  const gain = 1 + 0.1 * (generator() - 0.5);
  const at = (column: number, row: number, c: number) => source.image[3 * (row * IMAGE + column) + c] / 255;
  for (let i = 0; i < IMAGE; i++) {
    const v = Math.min(IMAGE - 1, Math.max(0, y + (i + 0.5) * scale - 0.5));
    const [top, bottom] = [Math.floor(v), Math.min(IMAGE - 1, Math.floor(v) + 1)];
    for (let j = 0; j < IMAGE; j++) {
      const u = Math.min(IMAGE - 1, Math.max(0, x + (j + 0.5) * scale - 0.5));
      const [left, right] = [Math.floor(u), Math.min(IMAGE - 1, Math.floor(u) + 1)];
      for (let c = 0; c < 3; c++) {
        let value = at(left, top, c);
        if (scale !== 1) {
          const upper = value + (at(right, top, c) - value) * (u - left);
          const lower = at(left, bottom, c) + (at(right, bottom, c) - at(left, bottom, c)) * (u - left);
          value = upper + (lower - upper) * (v - top);
        }
        value = value * gain + noise * (generator() - 0.5);
        into[slot * 3 * PIXELS + c * PIXELS + i * IMAGE + j] = (value - CLIP_MEAN[c]) / CLIP_STD[c];
      }
    }
  }
}

/** Writes the CLIP without its training heads, with its tokenizer. */
export async function exportClip({ name, size }: ClipRecipe, result: TrainResult): Promise<void> {
  const weights = new Map([...result.weights].filter(([name]) => !name.startsWith('auxiliary.')));
  const { vocabSize } = toyboxTokenizer();
  await writeComponent(name, clipModelConfig(vocabSize, size), TRANSFORMERS_FILE, weights);
  await writeTokenizer(name);
}
