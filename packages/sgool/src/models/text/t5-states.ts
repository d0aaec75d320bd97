/**
 * @file What Stable Diffusion 3 and Flux read of T5: the state of each token. The encoder runs a layer at a time, each as a program of its
 * own over the mapped file, so that the 9.5 GB of T5-XXL are never in memory together.
 */
import { type Graph, trace } from '@sgool/autodiff';
import { layoutFor, networkWeights } from '../../networks/network-weights.ts';
import { perceptronOf, t5Config } from '../../networks/text/t5-config.ts';
import { t5Encoder } from '../../networks/text/t5-encoder.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { checkIds } from '../../text/fitted-ids.ts';
import { weightBytes } from '../../weights/formats/weight-source.ts';
import type { ModelComponent } from '../../weights/open/model-folder.ts';

/**
 * The states of texts, all run through a layer before the next one is opened. Padding is attended to, as in diffusers' pipelines: each text
 * has as many ids as the network that reads the states was trained with (Stable Diffusion 3 and Flux schnell 256, Flux dev 512).
 *
 * It computes in float32 on every device: float16 overflows in T5. Its programs have keys that begin with the component's name, and a large one
 * is released as soon as it has run.
 *
 * @param component a T5EncoderModel
 * @param texts ids of each, with end and padding; of one length
 * @returns [tokens, d_model] of each text
 * @throws UserError where an id has no embedding
 */
export async function t5States(
  { name, dir, config: stated, weights: source }: ModelComponent,
  programs: ProgramCache,
  texts: readonly Int32Array[],
): Promise<Float32Array[]> {
  if (texts.length === 0) return [];
  const config = t5Config(stated, `${dir}/config.json`);
  for (const ids of texts) checkIds(ids, config.vocab_size, dir);
  const [{ length: tokens }] = texts;
  const { d_model: width, num_heads: heads, num_layers: layers } = config;
  // A ReLU that ONNX Runtime fuses with a product makes zero of NaN, so that a damaged weight would not show.
  const checkNumbers = perceptronOf(config.feed_forward_proj).activation === 'relu';
  const encoder = t5Encoder(config, networkWeights(source, { checkNumbers }));
  const layout = layoutFor(weightBytes(source.tensors));

  async function run(part: string, build: () => Graph, inputs: readonly Inputs[]): Promise<Outputs[]> {
    const key = `${name} ${part}, ${tokens} tokens`;
    const program = await programs.get(key, build, 'float32', layout);
    const outputs: Outputs[] = [];
    for (const each of inputs) outputs.push((await program.run(each)) as Outputs);
    await programs.release(key);
    return outputs;
  }

  const embed = () =>
    trace({ ids: { shape: [1, tokens], dtype: 'int32' } }, ({ ids }) => ({ x: encoder.embed(ids) }));
  const position = () => trace({}, () => ({ bias: encoder.positionBias(tokens) }));
  const layer = (index: number) => () =>
    trace(
      { x: { shape: [1, tokens, width] }, bias: { shape: [1, heads, tokens, tokens] } },
      ({ x, bias }) => {
        const y = encoder.layer(index, x, bias);
        return { x: index === layers - 1 ? encoder.finalNorm(y) : y };
      },
    );

  const [{ bias }] = await run('position bias', position, [{}]);
  let states = await run(
    'embeddings',
    embed,
    texts.map((ids) => ({ ids })),
  );
  for (let index = 0; index < layers; index++) {
    states = await run(
      `layer ${index}`,
      layer(index),
      states.map(({ x }) => ({ x, bias })),
    );
  }
  return states.map(({ x }) => x);
}

type Inputs = Readonly<Record<string, Float32Array | Int32Array>>;
type Outputs = Readonly<Record<string, Float32Array>>;
