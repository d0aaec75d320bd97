import { compile, constant, gradient, type Tensor, trace, type Weights } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { product } from '../../numbers.ts';
import { Generator } from '../../random/generator.ts';
import { relativeError } from '../testing.ts';
import { IMAGE_STREAM, streamAttention, TEXT_STREAM } from './joint-attention.ts';

const [IMAGE, WORDS, WIDTH] = [5, 3, 8];
const random = new Generator(4);
const draw = (...shape: number[]) => Float32Array.from(random.randn(shape));
const made = new Map<string, Float32Array>();
const weights: Weights = {
  has: () => true,
  get(name, shape) {
    const data = made.get(name) ?? draw(product(shape));
    made.set(name, data);
    return constant({ dtype: 'float32', shape, data });
  },
};
const image = draw(2, IMAGE, WIDTH);
const words = draw(2, WORDS, WIDTH);
const cotangent = draw(2, IMAGE, WIDTH);

/** Words of two prompts with the last word of each so many times in place of once. */
function repeated(times: number): Float32Array {
  const rows = Array.from({ length: 2 * (WORDS - 1 + times) }, (_, i) => {
    const prompt = Math.floor(i / (WORDS - 1 + times));
    const word = Math.min(i % (WORDS - 1 + times), WORDS - 1);
    return words.subarray((prompt * WORDS + word) * WIDTH, (prompt * WORDS + word + 1) * WIDTH);
  });
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

/** What picture and text read, and the gradient of the picture's at its own tokens. */
async function run(text: Float32Array, lastRepeats: number) {
  const tokens = text.length / 2 / WIDTH;
  const specs = { x: { shape: [2, IMAGE, WIDTH] }, text: { shape: [2, tokens, WIDTH] } };
  const graph = () =>
    trace(specs, ({ x, text }) => {
      const streams: [Tensor, typeof IMAGE_STREAM][] = [
        [x, IMAGE_STREAM],
        [text, TEXT_STREAM],
      ];
      const [seen, read] = streamAttention(weights, 'attn', streams, {
        heads: 2,
        normalised: true,
        lastRepeats,
      });
      return { seen, read };
    });
  const given = { x: image, text };
  const forward = await compile(graph());
  const backward = await compile(gradient(graph(), { of: 'seen', wrt: ['x'], cotangents: 'cotangent' }));
  const { seen, read } = await forward.run(given);
  const { 'grad:x': slope } = await backward.run({ ...given, cotangent });
  for (const program of [forward, backward]) await program.dispose();
  return { seen: seen as Float32Array, read: read as Float32Array, slope: slope as Float32Array };
}

describe('a last token that stands for several', () => {
  it.each([2, 256])('is read as if %i equal ones stood there', async (times) => {
    const [one, all, alone] = [await run(words, times), await run(repeated(times), 1), await run(words, 1)];
    expect(relativeError(one.seen, all.seen)).toBeLessThan(1e-5);
    expect(relativeError(one.slope, all.slope)).toBeLessThan(2e-5);
    expect(relativeError(one.seen, alone.seen)).toBeGreaterThan(1e-2);
    // Each of the equal ones reads the same.
    const perPrompt = (WORDS - 1 + times) * WIDTH;
    for (const prompt of [0, 1]) {
      const ofOne = one.read.subarray(prompt * WORDS * WIDTH, (prompt + 1) * WORDS * WIDTH);
      const ofAll = all.read.subarray(prompt * perPrompt, (prompt + 1) * perPrompt);
      expect(relativeError(ofOne, ofAll.subarray(0, WORDS * WIDTH))).toBeLessThan(1e-5);
      expect(relativeError(ofOne.subarray(-WIDTH), ofAll.subarray(-WIDTH))).toBeLessThan(1e-5);
    }
  });
});
