/** The block of each module of Stable Diffusion 1.5, as A1111's own renaming of diffusers' names gives it. */
import { expect, it } from 'vitest';
import { required } from '../errors.ts';
import { readKeys } from '../networks/testing.ts';
import { sourceOf, type WeightTensor } from '../weights/formats/weight-source.ts';
import { loraModule } from '../weights/names/lora.ts';
import { BLOCKS } from '../weights/names/lora-blocks.ts';
import { applyLora } from '../weights/open/apply-lora.ts';
import type { Lora } from '../weights/open/lora.ts';

const one: WeightTensor = {
  dtype: 'F32',
  shape: [1, 1],
  path: 'one',
  byteLength: 4,
  compute: () => Float32Array.of(1),
};

const number = (value: number) => String(value).padStart(2, '0');

/** AUTOMATIC1111/stable-diffusion-webui, extensions-builtin/Lora/networks.py, `convert_diffusers_name_to_compvis`. */
function blockInWebUi(module: string): string | undefined {
  const [, side, block, kind, place] =
    /^(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\./.exec(`${module}.`) ??
    [];
  const [i, j] = [Number(block), Number(place)];
  if (/^mid_block\./.test(module)) return 'M00';
  if (module === 'conv_in') return 'IN00';
  if (side === undefined) return undefined;
  if (kind === 'downsamplers') return `IN${number(3 + 3 * i)}`;
  if (kind === 'upsamplers') return `OUT${number(2 + 3 * i)}`;
  return side === 'down' ? `IN${number(1 + 3 * i + j)}` : `OUT${number(3 * i + j)}`;
}

const strengths = (component: {
  readonly weights: { readonly tensors: ReadonlyMap<string, WeightTensor> };
}) =>
  new Map(
    [...component.weights.tensors].map(([name, tensor]) => [
      name.replace(/\.weight$/, ''),
      'lowRank' in tensor ? required(tensor.lowRank).scale : undefined,
    ]),
  );

const lora = (modules: readonly string[], network: 'unet' | 'text_encoder'): Lora => {
  const changes = new Map(
    modules.map((each) => [loraModule(each), { parts: { up: one, down: one }, scale: 0.5 }]),
  );
  const none = new Map();
  return { path: 'style', changes: { unet: none, text_encoder: none, [network]: changes } };
};

it('changes every module of the UNet by the weight of its block', async () => {
  const names = [...(await readKeys('sd14_unet')).keys()].filter((name) => name.endsWith('.weight'));
  const modules = names.map((name) => name.replace(/\.weight$/, ''));
  const component = {
    name: 'unet',
    dir: 'unet',
    config: { layers_per_block: 2 },
    weights: sourceOf('unet', new Map(names.map((name) => [name, one]))),
  };
  const blockWeights = BLOCKS.map((_, i) => i + 2);
  const changed = applyLora(new Map([['unet', component]]), lora(modules, 'unet'), {
    weight: 0.1,
    textEncoderWeight: 7,
    blockWeights,
  });
  const seen = new Set<string>();
  for (const [module, scale] of strengths(required(changed.get('unet')))) {
    const block = blockInWebUi(module);
    const factor = block === undefined ? 1 : blockWeights[BLOCKS.indexOf(block)];
    expect(scale, module).toBeCloseTo(0.5 * 0.1 * factor, 12);
    if (block !== undefined) seen.add(block);
  }
  expect([...seen].sort()).toEqual(BLOCKS.filter((name) => name !== 'BASE').sort());
});

it('changes the text encoder by its own weight and BASE', async () => {
  const modules = ['text_model.encoder.layers.0.mlp.fc1', 'text_model.final_layer_norm'];
  const component = {
    name: 'text_encoder',
    dir: 'text_encoder',
    config: {},
    weights: sourceOf('text', new Map(modules.map((name) => [`${name}.weight`, one]))),
  };
  const blockWeights = BLOCKS.map((_, i) => (i === 0 ? 3 : 0));
  const apply = (strength: Parameters<typeof applyLora>[2]) =>
    applyLora(new Map([['text_encoder', component]]), lora(modules, 'text_encoder'), strength);
  const scalesOf = (strength: Parameters<typeof applyLora>[2]) => [
    ...strengths(required(apply(strength).get('text_encoder'))).values(),
  ];
  expect(scalesOf({ weight: 0.5 })).toEqual([0.25, 0.25]);
  expect(scalesOf({ weight: 9, textEncoderWeight: 2, blockWeights })).toEqual([3, 1]);
});

it.each([
  [{ weight: Number.NaN }, /the weight must be a number, got NaN/],
  [{ textEncoderWeight: Number.POSITIVE_INFINITY }, /the weight must be a number, got Infinity/],
  [{ blockWeights: [1, 2] }, /block weights are 17 numbers .* or 26, got 2/],
])('refuses %j', (strength, message) => {
  expect(() => applyLora(new Map(), lora([], 'unet'), strength)).toThrow(message);
});
