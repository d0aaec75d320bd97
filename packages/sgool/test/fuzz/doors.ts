/**
 * @file The doors of the fuzzing: every reader of what users bring, with files that are right to begin with.
 *
 * A door must read what it gets, or end in one `UserError`.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { importOnnx, trace } from '@sgool/autodiff';
import { readRecordedRun } from '../../src/cli/run/recorded-run.ts';
import { SAMPLER_NAMES } from '../../src/diffusion/sampler-names.ts';
import { freshNoiseCount, namedSampler } from '../../src/diffusion/samplers/named-sampler.ts';
import { UserError } from '../../src/errors.ts';
import { createImage } from '../../src/image/image.ts';
import { parseParameters } from '../../src/image/parameters.ts';
import { encodePng } from '../../src/image/png.ts';
import { readPngText } from '../../src/image/png-text.ts';
import { decodeImage } from '../../src/image/read-image.ts';
import { parseRequest } from '../../src/methods/index.ts';
import { stableDiffusionSchedule } from '../../src/models/stable-diffusion/schedule.ts';
import { autoencoderConfig } from '../../src/networks/autoencoder/autoencoder-config.ts';
import { clipConfig } from '../../src/networks/clip/clip-config.ts';
import { imageRewardConfig } from '../../src/networks/preference/image-reward-config.ts';
import { transalnetConfig } from '../../src/networks/saliency/transalnet-config.ts';
import { clipTextConfig } from '../../src/networks/text/text-encoder-config.ts';
import { unetConfig } from '../../src/networks/unet/unet-config.ts';
import { loadTokenizer } from '../../src/text/load-tokenizer.ts';
import { extractNetworks } from '../../src/text/prompt/networks.ts';
import { hasSyntax, PROMPT_SYNTAXES, parsePrompt } from '../../src/text/prompt/prompt.ts';
import { openSharded } from '../../src/weights/formats/sharded.ts';
import { openTensorFile } from '../../src/weights/formats/tensor-file.ts';
import { valuesOf } from '../../src/weights/formats/tensor-views.ts';
import { openLora } from '../../src/weights/open/lora.ts';
import { openModelFolder } from '../../src/weights/open/model-folder.ts';
import { openSingleFile } from '../../src/weights/open/single-file.ts';
import { openEmbedding } from '../../src/weights/open/textual-inversion.ts';
import { readConfig } from '../../src/weights/sources/read-config.ts';
import {
  type Door,
  FIXTURES,
  fixture,
  fixtures,
  jsonSeed,
  type Seed,
  safetensorsFile,
  textOf,
  textSeed,
} from './door.ts';
import { FAMILY_DOORS } from './family-doors.ts';

/** All tensors of a file that has been read, where they are small. */
async function readValues(path: string): Promise<void> {
  const { tensors } = await openTensorFile(path);
  for (const tensor of tensors.values()) {
    if (tensor.shape.reduce((a, b) => a * b, 1) < 1e5) valuesOf(tensor);
  }
}

const CONFIGS: Readonly<Record<string, (config: unknown, owner?: string) => unknown>> = {
  unet: unetConfig,
  vae: autoencoderConfig,
  text_encoder: clipTextConfig,
  clip: clipConfig,
  transalnet: transalnetConfig,
  image_reward: imageRewardConfig,
};

const PROMPTS = [
  'a (red:1.3) cat, [day:night:0.5] <lora:style:0.8>',
  'a [cow|horse] BREAK ((sky)) \\(x\\) [x::10] [y:3]',
  '("a red cat", "a blue dog").and(0.7, 0.3) cat++ (dog)-- .blend(1,2)',
  'a plain prompt about é and 猫',
];

const PARAMETERS = `a (red:1.3) cat
second line
Negative prompt: grey, blurry
Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 42, Size: 512x512, Model hash: 0123456789, Model: v1-5, Lora hashes: "a: 1, b: 2", Version: v1.9.0`;

/** A `run.json`, as short as it can be. */
const RUN = {
  sgool: '0.1.0',
  status: 'done',
  request: { prompt: 'a red cat', negativePrompt: '', seed: 7, steps: 4, method: 'sd', guidanceScale: 7.5 },
  settings: { width: 64, height: 64, sampler: 'ddim', steps: 4 },
  model: { name: 'toybox', hash: '0123456789' },
  iterations: [{ iteration: 0, loss: 1, clip: 30 }],
};

const SCHEDULERS = [
  {
    _class_name: 'DDIMScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    num_train_timesteps: 1000,
    steps_offset: 1,
    clip_sample: false,
    set_alpha_to_one: false,
    prediction_type: 'epsilon',
    timestep_spacing: 'leading',
  },
  {
    _class_name: 'DPMSolverMultistepScheduler',
    algorithm_type: 'dpmsolver++',
    solver_order: 2,
    use_karras_sigmas: true,
    final_sigmas_type: 'zero',
    lower_order_final: true,
    trained_betas: [0.1, 0.2, 0.3],
  },
  {
    _class_name: 'UniPCMultistepScheduler',
    solver_type: 'bh2',
    solver_order: 3,
    use_beta_sigmas: false,
    disable_corrector: [],
  },
  {
    _class_name: 'LCMScheduler',
    original_inference_steps: 50,
    rescale_betas_zero_snr: true,
    timestep_scaling: 10,
  },
  {
    _class_name: 'EulerDiscreteScheduler',
    interpolation_type: 'linear',
    use_exponential_sigmas: true,
    sigma_min: 0.1,
    sigma_max: 10,
  },
];

const SAMPLING = {
  steps: 4,
  eta: 0,
  sigmas: 'model',
  stepEnds: 'reference',
  mixingWeight: 0.93,
  edictOutput: 'both',
} as const;

async function tokenizerSeeds(): Promise<Seed[]> {
  const names = ['vocab.json', 'merges.txt', 'tokenizer_config.json'];
  const all = await fixtures(...names.map((name) => `text/${name}`));
  const whole: Record<string, Uint8Array> = Object.fromEntries(all.map(({ name, bytes }) => [name, bytes]));
  const vocab = JSON.parse(textOf(whole['vocab.json'])) as Record<string, number>;
  const tokenizer = {
    version: '1.0',
    added_tokens: [
      {
        id: 1,
        content: '<|startoftext|>',
        special: true,
        normalized: false,
        lstrip: false,
        rstrip: false,
        single_word: false,
      },
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    model: {
      type: 'BPE',
      vocab,
      merges: textOf(whole['merges.txt']).split('\n').slice(1).filter(Boolean),
      end_of_word_suffix: '</w>',
      unk_token: '<|endoftext|>',
    },
  };
  return [
    ...all.map((seed) => ({ ...seed, beside: whole })),
    {
      ...jsonSeed('tokenizer.json', tokenizer),
      beside: { 'tokenizer_config.json': whole['tokenizer_config.json'] },
    },
    {
      ...jsonSeed('special_tokens_map.json', {
        pad_token: '!',
        bos_token: { content: '<|startoftext|>', lstrip: false },
      }),
      beside: whole,
    },
    { ...jsonSeed('added_tokens.json', { '<cat>': Object.keys(vocab).length }), beside: whole },
  ];
}

async function modelSeeds(): Promise<Seed[]> {
  const parts = [
    'model_index.json',
    'scheduler/scheduler_config.json',
    'unet/config.json',
    'vae/config.json',
    'text_encoder/config.json',
    'clip/config.json',
  ];
  const small = await Promise.all(
    parts.map(async (name) => [name, (await fixture(`pipeline/${name}`)).bytes] as const),
  );
  const beside = Object.fromEntries(small);
  return small.map(([name, bytes]) => ({ name, bytes, beside }));
}

async function pictures(): Promise<Seed[]> {
  const stored = JSON.parse(await readFile(join(FIXTURES, 'image-files.json'), 'utf8')) as {
    name: string;
    file: string;
  }[];
  const png = encodePng(createImage(6, 5, [10, 200, 30]), {
    text: { parameters: PARAMETERS, sgool: JSON.stringify(RUN) },
  });
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="red"/></svg>';
  return [
    ...stored.map(({ name, file }) => ({
      name: `${name.replaceAll(/\W/g, '-')}.img`,
      bytes: new Uint8Array(Buffer.from(file, 'base64')),
    })),
    { name: 'own.png', bytes: png },
    textSeed('plain.ppm', 'P3\n# a comment\n2 2\n255\n0 0 0 255 255 255 1 2 3 4 5 6\n'),
    textSeed('drawing.svg', svg),
  ];
}

export const DOORS: Readonly<Record<string, Door>> = {
  safetensors: {
    kind: 'bytes',
    seeds: () =>
      fixtures(
        'formats/values.safetensors',
        'formats/lora-kohya.safetensors',
        'quantised/fp8.safetensors',
        'adapters/norm.safetensors',
      ),
    open: readValues,
  },
  torch: {
    kind: 'bytes',
    seeds: () =>
      fixtures(
        'formats/values-zip.pt',
        'formats/values-legacy.pt',
        'formats/lora-old.bin',
        'embeddings/one.bin',
        'embeddings/web-params.pt',
      ),
    open: readValues,
  },
  gguf: { kind: 'bytes', seeds: () => fixtures('quantised/blocks.gguf'), open: readValues },
  shards: {
    kind: 'json',
    async seeds() {
      const [a, b] = await fixtures('formats/values.safetensors', 'adapters/norm.safetensors');
      const header = (bytes: Uint8Array) =>
        Object.keys(JSON.parse(textOf(bytes.subarray(8, 8 + Number(Buffer.from(bytes).readBigUInt64LE())))));
      const map = [
        ...header(a.bytes).map((name) => [name, 'a.safetensors']),
        ...header(b.bytes).map((name) => [name, 'b.safetensors']),
      ];
      const weight_map = Object.fromEntries(map.filter(([name]) => name !== '__metadata__'));
      const index = jsonSeed('model.safetensors.index.json', { metadata: { total_size: 10 }, weight_map });
      return [{ ...index, beside: { 'a.safetensors': a.bytes, 'b.safetensors': b.bytes } }];
    },
    open: openSharded,
  },
  tokenizers: {
    kind: 'mixed',
    seeds: tokenizerSeeds,
    async open(path) {
      const tokenizer = await loadTokenizer(dirname(path));
      tokenizer.encode('a red cat <cat> é');
    },
  },
  configurations: {
    kind: 'json',
    async seeds() {
      const names = ['unet', 'vae', 'text_encoder', 'clip'];
      const own = await Promise.all(
        names.map(async (name) => ({
          ...(await fixture(`pipeline/${name}/config.json`)),
          name: `${name}.json`,
        })),
      );
      const stated = {
        variant: 'res',
        image_size: [32, 64],
        base_width: 4,
        stage_layers: [1, 1, 1, 1],
        hidden_sizes: [8, 8, 8],
        heads: [2, 2, 2],
        decoder_widths: [8, 8, 4, 4],
      };
      return [...own, jsonSeed('transalnet.json', stated), jsonSeed('image_reward.json', {})];
    },
    async open(path, { name }) {
      CONFIGS[name.replace('.json', '')](await readConfig(path), path);
    },
  },
  schedulers: {
    kind: 'json',
    seeds: async () => SCHEDULERS.map((config, i) => jsonSeed(`scheduler-${i}.json`, config)),
    async open(path) {
      const schedulerConfig = await readConfig(path);
      const { schedule, sampler } = stableDiffusionSchedule({
        dir: 'model',
        modelIndex: {},
        schedulerConfig,
      });
      for (const name of new Set([sampler ?? SAMPLER_NAMES[0], 'ddim' as const])) {
        const settings = { ...SAMPLING, sampler: name };
        freshNoiseCount(schedule, settings);
        namedSampler(schedule, settings, { freshNoise: (_, length) => new Float64Array(length) });
      }
    },
  },
  models: {
    kind: 'json',
    seeds: modelSeeds,
    open: (path, { name }) =>
      openModelFolder(name.includes('/') ? dirname(dirname(path)) : dirname(path), { required: [] }),
  },
  'png texts': {
    kind: 'bytes',
    async seeds() {
      const texts = { parameters: PARAMETERS, sgool: JSON.stringify(RUN), Comment: 'é '.repeat(600) };
      return [{ name: 'texts.png', bytes: encodePng(createImage(3, 2), { text: texts }) }];
    },
    open: (_, __, bytes) => readPngText(bytes),
  },
  onnx: {
    kind: 'bytes',
    seeds: () =>
      fixtures(
        ...['convolutional-export', 'photometric-export', 'photometric-script', 'transformer-export'].map(
          (name) => `ops-scorer-${name}.onnx`,
        ),
      ),
    open(_, __, bytes) {
      const model = importOnnx(bytes);
      trace(model.inputs, (inputs) => model(inputs));
    },
    // Errors of JavaScript's own have no such beginning.
    says: /^[a-z]\w+: [^\n]{5,}$/,
  },
  loras: {
    kind: 'bytes',
    seeds: () =>
      fixtures(
        'formats/lora-kohya.safetensors',
        'formats/lora-peft.safetensors',
        'formats/lora-old.bin',
        'adapters/locon-cp.safetensors',
        'adapters/lokr-cp.safetensors',
        'adapters/ia3.safetensors',
        'adapters/dora.safetensors',
        'adapters/diffusers-metadata.safetensors',
      ),
    open: openLora,
  },
  adapters: {
    kind: 'json',
    async seeds() {
      const folders = ['peft-alpha', 'peft-patterns', 'peft-dora', 'peft-loha', 'peft-lokr', 'peft-rslora'];
      return Promise.all(
        folders.map(async (folder) => ({
          ...(await fixture(`adapters/${folder}/adapter_config.json`)),
          beside: {
            'adapter_model.safetensors': (await fixture(`adapters/${folder}/adapter_model.safetensors`))
              .bytes,
          },
        })),
      );
    },
    open: (path) => openLora(dirname(path)),
  },
  embeddings: {
    kind: 'bytes',
    seeds: () =>
      fixtures(
        'embeddings/one.bin',
        'embeddings/several.safetensors',
        'embeddings/web.pt',
        'embeddings/web-params.pt',
        'embeddings/xl.safetensors',
      ),
    open: (path) => openEmbedding({ path }),
  },
  'single files': {
    kind: 'bytes',
    async seeds() {
      // The header of a checkpoint, all shapes with a 0: damages then hit names and shapes.
      const rows = gunzipSync(await readFile(join(FIXTURES, 'formats-keys.tsv.gz')))
        .toString()
        .split('\n')
        .map((row) => row.split('\t'));
      const tables = new Map<string, Record<string, unknown>>();
      for (const [table, name, shape] of rows) {
        if (!shape || !/^ldm/.test(table)) continue;
        const header = tables.get(table) ?? {};
        const sizes = shape === 'scalar' ? [] : shape.split('x').map(Number);
        header[name] = { dtype: 'F16', shape: [...sizes, 0], data_offsets: [0, 0] };
        tables.set(table, header);
      }
      const [legacy] = await fixtures('formats/lora-kohya.safetensors');
      return [
        ...[...tables].map(([table, header]) => ({
          name: `${table}.safetensors`,
          bytes: safetensorsFile(header),
        })),
        legacy,
      ];
    },
    open: (path) => openSingleFile(path),
  },
  pictures: { kind: 'bytes', seeds: pictures, open: (_, { name }, bytes) => decodeImage(bytes, name) },
  prompts: {
    kind: 'text',
    seeds: async () => PROMPTS.map((prompt, i) => textSeed(`prompt-${i}.txt`, prompt)),
    open(_, __, bytes) {
      const prompt = textOf(bytes);
      extractNetworks(prompt);
      for (const syntax of PROMPT_SYNTAXES) {
        const refusals: UserError[] = [];
        try {
          hasSyntax(parsePrompt(prompt, syntax, 20));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          refusals.push(error);
        }
      }
    },
  },
  parameters: {
    kind: 'text',
    seeds: async () => [textSeed('parameters.txt', PARAMETERS)],
    open: (_, __, bytes) => parseParameters(textOf(bytes)),
  },
  'run.json': {
    kind: 'mixed',
    async seeds() {
      const texts = { parameters: PARAMETERS };
      return [
        jsonSeed('run.json', RUN),
        { name: 'foreign.png', bytes: encodePng(createImage(2, 2), { text: texts }) },
      ];
    },
    open: readRecordedRun,
  },
  requests: {
    kind: 'json',
    seeds: async () => [
      jsonSeed('request.json', {
        ...RUN.request,
        method: undefined,
        method_: 0,
        width: 64,
        height: 64,
        lambda: 1,
      }),
      jsonSeed('other.json', { prompt: 'a cat', iterations: 3, seed: '18446744073709551615' }),
    ],
    async open(path) {
      parseRequest(await readConfig(path));
    },
  },
  ...FAMILY_DOORS,
};
