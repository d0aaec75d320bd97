/**
 * @file Imports a scorer that was exported to ONNX, differentiates it, and follows its gradient.
 *
 * npx tsx examples/07-import-an-onnx-file.ts
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { compile, grad, importOnnx, sizeOf, sum, trace } from '@sgool/autodiff';

// A small vision transformer with random weights, exported by PyTorch.
const file = new URL('../fixtures/data/ops-scorer-transformer-script.onnx', import.meta.url);
const scorer = importOnnx(await readFile(file));
const [[name, spec]] = Object.entries(scorer.inputs);

const graph = trace({ image: spec }, ({ image }) => {
  const score = sum(scorer({ [name]: image })[scorer.outputs[0]]);
  return { score, gradient: grad(score, [image])[0] };
});
const program = await compile(graph);

let image = new Float32Array(sizeOf(spec.shape)).fill(0.5);
const scores: number[] = [];
for (let iteration = 0; iteration < 5; iteration++) {
  const { score, gradient } = await program.run({ image });
  scores.push(Number(score[0]));
  image = image.map((value, i) => value + 0.01 * Math.sign(Number(gradient[i])));
}
await program.dispose();

console.log(`score of the image, step by step: ${scores.map((score) => score.toFixed(4)).join(', ')}`);
assert(scores[4] > scores[0], 'steps along the gradient must raise the score');
