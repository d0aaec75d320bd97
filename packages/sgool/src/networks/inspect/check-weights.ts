/** @file Checking that a file has the tensors that a network needs: names and shapes, before anything is computed. */
import { input, type Shape, type Tensor, trace, type Weights } from '@sgool/autodiff';
import type { WeightSource } from '../../weights/formats/weight-source.ts';
import { CLIP_NETWORKS } from '../../weights/names/extra-networks.ts';
import { autoencoder } from '../autoencoder/autoencoder.ts';
import { autoencoderConfig } from '../autoencoder/autoencoder-config.ts';
import { clip } from '../clip/clip.ts';
import { clipConfig } from '../clip/clip-config.ts';
import { linearLayer } from '../layers.ts';
import { motionConfig } from '../motion/motion-config.ts';
import { motionUNetConfig } from '../motion/motion-unet.ts';
import { isObject } from '../parse-config.ts';
import { transalnet } from '../saliency/transalnet.ts';
import { transalnetConfig } from '../saliency/transalnet-config.ts';
import { t5Config } from '../text/t5-config.ts';
import { t5Encoder } from '../text/t5-encoder.ts';
import { textEncoder, tokenAt } from '../text/text-encoder.ts';
import { clipTextConfig } from '../text/text-encoder-config.ts';
import { fluxConfig, PACKED_SIDE } from '../transformer/flux-config.ts';
import { fluxTransformer } from '../transformer/flux-transformer.ts';
import { sd3Config } from '../transformer/sd3-config.ts';
import { sd3Transformer } from '../transformer/sd3-transformer.ts';
import { type Motion, unet } from '../unet/unet.ts';
import { type UNetConfig, unetConfig } from '../unet/unet-config.ts';

/** A weight that is missing or has the wrong shape. */
export interface WeightProblem {
  readonly name: string;
  readonly expected: Shape;
  /** Undefined where there is no such weight. */
  readonly actual?: Shape;
}

/** The result of comparing a network with a file. */
export interface WeightCheck {
  /** Names of the weights that the network needs. */
  readonly asked: ReadonlySet<string>;
  readonly problems: readonly WeightProblem[];
}

/**
 * Traces a network to record the weights that it needs, and compares them with those of a file.
 *
 * @param build calls every part of the network that should be checked
 */
export function checkWeights(
  source: Pick<WeightSource, 'tensors'>,
  build: (weights: Weights) => void,
): WeightCheck {
  const asked = new Map<string, Tensor>();
  const problems: WeightProblem[] = [];
  const weights: Weights = {
    has: (name) => source.tensors.has(name),
    get(name, shape) {
      const known = asked.get(name);
      if (known !== undefined) return known;
      const actual = source.tensors.get(name)?.shape;
      if (actual === undefined || actual.join() !== shape.join()) {
        problems.push({ name, expected: shape, ...(actual === undefined ? {} : { actual }) });
      }
      const tensor = input(`weight ${name}`, shape);
      asked.set(name, tensor);
      return tensor;
    },
  };
  trace({}, () => {
    build(weights);
    return {};
  });
  return { asked: new Set(asked.keys()), problems };
}

/** `the weight x is missing`, `the weight x has shape [2, 3] instead of [3, 2]`, and how many more. */
export function describeProblems(problems: readonly WeightProblem[]): string {
  const [first, ...others] = problems;
  const { name, expected, actual } = first;
  const what =
    actual === undefined
      ? `the weight ${name} [${expected.join(', ')}] is missing`
      : `the weight ${name} has shape [${actual.join(', ')}] instead of [${expected.join(', ')}]`;
  return others.length > 0 ? `${what}, and ${others.length} more do not fit` : what;
}

type Build = (config: unknown, owner: string) => (weights: Weights) => void;

/** A small image: shapes of weights do not depend on its size, except where the configuration fixes it. */
const SIDE = 64;

const buildClip: Build = (config, owner) => {
  const settings = clipConfig(config, owner);
  const { image_size: side, num_channels: channels } = settings.vision_config;
  return (weights) => {
    const both = clip(settings, weights);
    both.image(input('pixels', [1, channels, side, side]));
    both.text(input('ids', [1, 8], 'int32'), input('end', [1], 'int32'));
  };
};

/** Traces a UNet on a picture, or with motion modules on a clip. */
function buildUNet(settings: UNetConfig, weights: Weights, motion?: Motion): void {
  unet(settings, weights, { motion })({
    sample: input('sample', [1, settings.in_channels, ...(motion ? [2] : []), SIDE, SIDE]),
    timestep: input('timestep', [1]),
    context: input('context', [1, 8, settings.cross_attention_dim[0]]),
  });
}

/** Weights that are whatever a network asks for. */
function anyWeights(): Weights {
  const known = new Map<string, Tensor>();
  return {
    has: () => false,
    get(name, shape) {
      const tensor = known.get(name) ?? input(`any ${name}`, shape);
      known.set(name, tensor);
      return tensor;
    },
  };
}
/** A text encoder of any place: a T5, or a CLIP with or without a projection. */
const buildTextEncoder: Build = (config, owner) => {
  const ids = () => input('ids', [1, 8], 'int32');
  if ((config as { model_type?: unknown }).model_type === 't5') {
    const settings = t5Config(config, owner);
    return (weights) => {
      const encoder = t5Encoder(settings, weights);
      encoder.encode(encoder.embed(ids()));
    };
  }
  const settings = clipTextConfig(config, owner);
  return (weights) => {
    const { lastHiddenState } = textEncoder(settings, weights)(ids());
    if (!weights.has('text_projection.weight')) return;
    const pooled = tokenAt(lastHiddenState, input('end', [1], 'int32'));
    linearLayer(weights, 'text_projection', pooled, settings.projection_dim, { bias: false });
  };
};

const buildTransformer: Build = (config, owner) => {
  if ((config as { _class_name?: unknown })._class_name === 'FluxTransformer2DModel') {
    const settings = fluxConfig(config, owner);
    const { in_channels: channels, joint_attention_dim: width, pooled_projection_dim: pooled } = settings;
    return (weights) => {
      fluxTransformer(
        settings,
        weights,
      )({
        ...flowInputs(channels / PACKED_SIDE ** 2, width, pooled),
        ...(settings.guidance_embeds && { guidance: input('guidance', [1]) }),
      });
    };
  }
  const settings = sd3Config(config, owner);
  const { in_channels: channels, joint_attention_dim: width, pooled_projection_dim: pooled } = settings;
  return (weights) => {
    sd3Transformer(settings, weights)(flowInputs(channels, width, pooled));
  };
};

/** The smallest latent that has patches. */
const flowInputs = (channels: number, width: number, pooled: number) => ({
  sample: input('sample', [1, channels, PACKED_SIDE, PACKED_SIDE]),
  timestep: input('timestep', [1]),
  context: input('context', [1, 8, width]),
  pooled: input('pooled', [1, pooled]),
});

const BUILDS: Readonly<Record<string, Build>> = {
  unet(config, owner) {
    const hasModules = isObject(config) && config._class_name === 'UNetMotionModel';
    if (!hasModules) {
      const settings = unetConfig(config, owner);
      return (weights) => buildUNet(settings, weights);
    }
    const { unet: settings, motion } = motionUNetConfig(config, owner);
    return (weights) => buildUNet(settings, weights, { config: motion, weights });
  },
  motion_adapter(config, owner) {
    const settings = motionConfig(config, owner);
    const { block_out_channels: widths, motion_layers_per_block: layers } = settings;
    // A UNet that has the places of its modules.
    const around = unetConfig({
      block_out_channels: widths,
      layers_per_block: layers,
      norm_num_groups: settings.motion_norm_num_groups,
      attention_head_dim: 1,
      down_block_types: widths.map(() => 'DownBlock2D'),
      up_block_types: widths.map(() => 'UpBlock2D'),
    });
    return (weights) => buildUNet(around, anyWeights(), { config: settings, weights });
  },
  vae(config, owner) {
    const settings = autoencoderConfig(config, owner);
    return (weights) => {
      const vae = autoencoder(settings, weights);
      vae.encode(input('image', [1, settings.in_channels, SIDE, SIDE]));
      vae.decode(input('latent', [1, settings.latent_channels, 8, 8]));
    };
  },
  transformer: buildTransformer,
  text_encoder: buildTextEncoder,
  text_encoder_2: buildTextEncoder,
  text_encoder_3: buildTextEncoder,
  ...Object.fromEntries(CLIP_NETWORKS.map((name) => [name, buildClip])),
  transalnet(config, owner) {
    const settings = transalnetConfig(config, owner);
    return (weights) => {
      transalnet(settings, weights)(input('image', [1, 3, ...settings.image_size]));
    };
  },
};

/**
 * Checks one network of a model by the name of its folder.
 *
 * @returns undefined for an unknown network
 * @throws UserError when the configuration is not supported
 */
export function checkNetwork(
  name: string,
  config: unknown,
  source: Pick<WeightSource, 'tensors'>,
  owner?: string,
): WeightCheck | undefined {
  const build = BUILDS[name]?.(config, owner ?? `${name} config`);
  return build && checkWeights(source, build);
}
