/**
 * @file The compiled programs of a fine-tuning: gradients of the losses with respect to the trained weights, and the update.
 *
 * Gradient and update are apart, so that the samples of a batch can go through the network a few at a time: the loss is a mean over
 * samples, so their gradients add up.
 */
import {
  adamW,
  add,
  clipByGlobalNorm,
  concat,
  expand,
  type Graph,
  grad,
  input,
  mean,
  mul,
  type ParameterLayout,
  reshape,
  split,
  sum,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../errors.ts';
import type { TrainableNetwork, TrainingInputs } from '../models/trainable-network.ts';
import type { CrossAttentionLayer } from '../networks/unet/cross-attention-layers.ts';
import { enhanceLoss, normLoss, objectMaps, separateLoss } from './losses.ts';
import type { FineTuneSettings } from './settings.ts';

/** What the graphs of a network are traced for. */
export interface StepShape {
  /** Samples that go through the network at once. */
  readonly samples: number;
  /** [channels, height, width] */
  readonly latent: readonly number[];
  readonly tokens: number;
  /** Width of the text. */
  readonly width: number;
  readonly objects: number;
  /** Shorter side of the attention maps. */
  readonly mapSide: number;
}

const networkInputs = ({ samples, latent, tokens, width }: StepShape) => ({
  sample: { shape: [samples, ...latent] },
  timestep: { shape: [samples] },
  context: { shape: [samples, tokens, width] },
});

/** The trained weights over the frozen ones. */
function withTrained(frozen: Weights, trained: Weights): Weights {
  return {
    has: (name) => trained.has(name) || frozen.has(name),
    get: (name, shape) => (trained.has(name) ? trained : frozen).get(name, shape),
  };
}

/** Inside a trace: the trained weights as an input, and the network with them. */
function trainedNetwork(network: TrainableNetwork, layout: ParameterLayout) {
  const parameters = input('parameters', [layout.total]);
  return { parameters, weights: withTrained(network.weights, layout.weights(parameters)) };
}

/** The gradient of `share · Σ losses` over samples, `share` being 1 over the samples of the batch. */
function gradientOf(loss: Tensor, parameters: Tensor): Tensor {
  return grad(mul(sum(loss), input('share', [])), [parameters])[0];
}

/** Shorter sides of the maps of all cross-attention layers, the largest first. */
export function mapSides(network: TrainableNetwork, rows: number, columns: number): number[] {
  const sides = network.attentionLayers(rows, columns).map((layer) => Math.min(layer.rows, layer.columns));
  return [...new Set(sides)].sort((a, b) => b - a);
}

/**
 * The layers whose maps the losses read: those of one side.
 *
 * @throws UserError where they have different numbers of heads
 */
function layersOf(network: TrainableNetwork, { latent, mapSide }: StepShape): CrossAttentionLayer[] {
  const layers = network
    .attentionLayers(latent[1], latent[2])
    .filter(({ rows, columns }) => Math.min(rows, columns) === mapSide);
  if (layers.every(({ heads }) => heads === layers[0].heads)) return layers;
  throw new UserError(
    `finetune: layers whose maps have a side of ${mapSide} have different numbers of heads; choose another mapSide`,
  );
}

/** Inside a trace: the maps of the objects, [samples, objects, heads, positions], by the trained weights. */
function tracedMaps(
  network: TrainableNetwork,
  weights: Weights,
  layers: readonly CrossAttentionLayer[],
  { words, ...inputs }: TrainingInputs & { readonly words: Tensor },
): Tensor {
  const maps: Tensor[] = [];
  network.predict(inputs, weights, {
    layers: new Set(layers.map(({ name }) => name)),
    report: (_, probabilities) => void maps.push(probabilities),
  });
  return objectMaps(maps, words);
}

const mapsInputs = (shape: StepShape) => ({
  ...networkInputs(shape),
  words: { shape: [shape.samples, shape.objects, shape.tokens] },
});

/** The maps of the objects, the mean over heads: [samples, objects, positions]. */
export function mapsGraph(network: TrainableNetwork, layout: ParameterLayout, shape: StepShape): Graph {
  const layers = layersOf(network, shape);
  return trace(mapsInputs(shape), (inputs) => {
    const { weights } = trainedNetwork(network, layout);
    return { maps: mean(tracedMaps(network, weights, layers, inputs), { axes: [2] }) };
  });
}

/** The gradient of Separate and Enhance, and both losses of each sample. */
export function attentionGraph(
  network: TrainableNetwork,
  layout: ParameterLayout,
  shape: StepShape,
  { separateWeight, enhanceWeight }: Pick<FineTuneSettings, 'separateWeight' | 'enhanceWeight'>,
): Graph {
  const layers = layersOf(network, shape);
  const [{ rows, columns }] = layers;
  return trace(mapsInputs(shape), (inputs) => {
    const { parameters, weights } = trainedNetwork(network, layout);
    const maps = tracedMaps(network, weights, layers, inputs);
    const separate = separateLoss(maps);
    const enhance = enhanceLoss(maps, rows, columns);
    const loss = add(mul(separate, separateWeight), mul(enhance, enhanceWeight));
    return { gradient: gradientOf(loss, parameters), separate, enhance };
  });
}

/** The gradient of the regulariser, and its loss for each sample. */
export function normGraph(
  network: TrainableNetwork,
  layout: ParameterLayout,
  shape: StepShape,
  { normWeight }: Pick<FineTuneSettings, 'normWeight'>,
): Graph {
  const specs = { ...networkInputs(shape), target: { shape: [shape.samples, ...shape.latent] } };
  return trace(specs, ({ target, ...inputs }) => {
    const { parameters, weights } = trainedNetwork(network, layout);
    const norm = normLoss(network.predict(inputs, weights), target);
    return { gradient: gradientOf(mul(norm, normWeight), parameters), norm };
  });
}

/** The prediction of the frozen network. */
export function frozenGraph(network: TrainableNetwork, shape: StepShape): Graph {
  return trace(networkInputs(shape), (inputs: TrainingInputs) => ({
    prediction: network.predict(inputs, network.weights),
  }));
}

/**
 * One update of AdamW after clipping. A weight that no loss reaches is left alone, as torch leaves weights without a gradient:
 * `decays` holds 1 for each weight of the layout that decays, else 0.
 */
export function updateGraph(
  layout: ParameterLayout,
  { maxNorm, weightDecay }: Pick<FineTuneSettings, 'maxNorm' | 'weightDecay'>,
): Graph {
  const flat = { shape: [layout.total] };
  const number = { shape: [] };
  const specs = {
    ...{ parameters: flat, first: flat, second: flat, gradient: flat },
    ...{ learningRate: number, correction1: number, correction2: number },
    decays: { shape: [layout.slots.length] },
  };
  return trace(specs, ({ gradient, decays, learningRate, correction1, correction2, ...state }) => {
    const { clipped, norm } = clipByGlobalNorm([gradient], maxNorm);
    const ones = layout.slots.map(() => 1);
    const pieces = split(decays, ones, 0).map((each, i) => expand(each, [layout.slots[i].size]));
    const decayMask = pieces.length === 1 ? pieces[0] : concat(pieces, 0);
    const options = { weightDecay, decayMask };
    const next = adamW(state, clipped[0], learningRate, correction1, correction2, options);
    return { ...next, norm: reshape(norm, [1]) };
  });
}
