/** @file The doors of flow models, T5, motion adapters, clips, fine-tunings, suites and states: see doors.ts. */
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readStateFile, writeStateFile } from '../../src/cli/run/state-file.ts';
import { openSuite } from '../../src/evaluate/suites/open-suite.ts';
import { parseConcepts } from '../../src/finetune/concepts.ts';
import { createImage } from '../../src/image/image.ts';
import { VIDEO_FORMATS, videoEncoder } from '../../src/image/video/encode-video.ts';
import { decodeVideo } from '../../src/image/video/read-video.ts';
import { motionConfig } from '../../src/networks/motion/motion-config.ts';
import { t5Config } from '../../src/networks/text/t5-config.ts';
import { fluxConfig } from '../../src/networks/transformer/flux-config.ts';
import { sd3Config } from '../../src/networks/transformer/sd3-config.ts';
import { loadTokenizer } from '../../src/text/load-tokenizer.ts';
import { openAdapter } from '../../src/weights/open/adapter.ts';
import { openLora } from '../../src/weights/open/lora.ts';
import { openMotionAdapter } from '../../src/weights/open/motion-adapter.ts';
import { openSingleFile } from '../../src/weights/open/single-file.ts';
import { readConfig } from '../../src/weights/sources/read-config.ts';
import {
  type Door,
  FIXTURES,
  fixtures,
  jsonSeed,
  type Seed,
  safetensorsFile,
  textOf,
  textSeed,
} from './door.ts';

/** Header and data of a safetensors file: its header is damaged as JSON, so that most damages hit names, shapes and types. */
function parts(bytes: Uint8Array): { header: string; data: Uint8Array } {
  const end = 8 + Number(Buffer.from(bytes).readBigUInt64LE());
  return { header: textOf(bytes.subarray(8, end)), data: bytes.subarray(end) };
}

/** Seeds of headers; {@link written} makes files of them again. */
const headers = async (...paths: string[]): Promise<Seed[]> =>
  (await fixtures(...paths)).map(({ name, bytes }) => ({
    ...textSeed(`${name}.json`, parts(bytes).header),
    beside: { [name]: bytes },
  }));

/** The file of a damaged header, with the data that it had. @returns its path */
async function written(path: string, { name, beside = {} }: Seed, header: Uint8Array): Promise<string> {
  const own = name.replace(/\.json$/, '');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = join(dirname(path), own);
  await writeFile(file, Buffer.concat([length, header, parts(beside[own]).data]));
  return file;
}

/** A field of a Protocol Buffers message with bytes in it, of fewer than 2^21. */
function lengthOf(bytes: Uint8Array, at: number): { length: number; from: number } {
  let [length, shift, from] = [0, 0, at];
  for (; ; from++, shift += 7) {
    length |= (bytes[from] & 0x7f) << shift;
    if (bytes[from] < 0x80) return { length, from: from + 1 };
  }
}

/** A SentencePiece model with its first pieces only: all of them are 32,000, and few damages would hit anything else. */
function fewerPieces(model: Uint8Array, most: number): Uint8Array {
  const PIECE = 0x0a;
  const kept: Uint8Array[] = [];
  let pieces = 0;
  for (let at = 0; at < model.length; ) {
    const { length, from } = lengthOf(model, at + 1);
    if (model[at] !== PIECE || pieces++ < most) kept.push(model.subarray(at, from + length));
    at = from + length;
  }
  return new Uint8Array(Buffer.concat(kept));
}

const CONFIGS: Readonly<
  Record<string, { parse: (config: unknown, owner: string) => unknown; whole: object }>
> = {
  t5: { parse: t5Config, whole: t5Config({}) },
  sd3: { parse: sd3Config, whole: sd3Config({ dual_attention_layers: [0, 1] }) },
  flux: { parse: fluxConfig, whole: fluxConfig({}) },
  motion: { parse: motionConfig, whole: motionConfig({}) },
};

const ADAPTER = {
  ...{ format: 1, method: 'separate-enhance', step: 3, sgool: '0.1.0', task: { words: ['cat', 'boat'] } },
  base: { model: 'toybox', weights: ['down.attn2.to_k.weight'], fingerprint: '0123' },
};

export const FAMILY_DOORS: Readonly<Record<string, Door>> = {
  'sentence pieces': {
    kind: 'bytes',
    async seeds() {
      const model = gunzipSync(await readFile(join(FIXTURES, 'text/t5/spiece.model.gz')));
      return [{ name: 'spiece.model', bytes: fewerPieces(model, 200) }];
    },
    async open(path) {
      (await loadTokenizer(dirname(path))).encode('a red cat é ﬁ');
    },
  },
  'configurations of families': {
    kind: 'json',
    seeds: async () => Object.entries(CONFIGS).map(([name, { whole }]) => jsonSeed(`${name}.json`, whole)),
    async open(path, { name }) {
      CONFIGS[name.replace('.json', '')].parse(await readConfig(path), path);
    },
  },
  'flow files': {
    kind: 'json',
    seeds: () => headers('flow-files/flux.safetensors', 'flow-files/sd3.safetensors'),
    open: async (path, seed, bytes) => openSingleFile(await written(path, seed, bytes)),
  },
  'LoRAs of flow models': {
    kind: 'json',
    seeds: () =>
      headers(
        ...['flux-comfy', 'flux-diffusers', 'flux-kohya', 'flux-xlabs', 'sd3-kohya'].map(
          (name) => `flow-files/lora-${name}.safetensors`,
        ),
      ),
    open: async (path, seed, bytes) => openLora(await written(path, seed, bytes)),
  },
  'motion adapters': {
    kind: 'mixed',
    async seeds() {
      const [config, weights, original] = await fixtures(
        'motion/adapter/config.json',
        'motion/adapter/diffusion_pytorch_model.safetensors',
        'motion/original.ckpt',
      );
      return [{ ...config, beside: { [weights.name]: weights.bytes } }, original];
    },
    open: (path, { name }) => openMotionAdapter(name === 'config.json' ? dirname(path) : path),
  },
  clips: {
    kind: 'bytes',
    seeds: () =>
      Promise.all(
        VIDEO_FORMATS.filter((format) => format !== 'mp4').map(async (format) => {
          const frames = [0, 1, 2].map((i) => createImage(5, 4, [80 * i, 200 - 80 * i, 30]));
          const encode = await videoEncoder(format);
          return { name: `clip.${format}`, bytes: await encode({ frames, fps: 8 }) };
        }),
      ),
    open: (_, { name }, bytes) => decodeVideo(bytes, name),
  },
  'adapters of fine-tunings': {
    kind: 'json',
    seeds: async () => [jsonSeed('adapter.json', ADAPTER)],
    async open(path, _, bytes) {
      const tensor = { dtype: 'F32', shape: [1, 0], data_offsets: [0, 0] };
      const header = {
        __metadata__: { format: 'pt', sgool_adapter: textOf(bytes) },
        'lora_unet_down_attn2_to_k.diff': tensor,
      };
      await writeFile(`${path}.safetensors`, safetensorsFile(header));
      await openAdapter(`${path}.safetensors`);
    },
  },
  states: {
    kind: 'bytes',
    async seeds() {
      const path = join(tmpdir(), `sgool-fuzz-state-${process.pid}.safetensors`);
      await writeStateFile(path, { iteration: 2, noise: Float64Array.of(1, 2), parts: [{ a: null }, 'é'] });
      return [{ name: 'state.safetensors', bytes: new Uint8Array(await readFile(path)) }];
    },
    open: readStateFile,
  },
  suites: {
    kind: 'mixed',
    seeds: async () => [
      textSeed('list.csv', 'prompt,category,id\n"a red cat, two dogs",Colors,1\na boat,"Cou""nting",2\n'),
      textSeed('list.tsv', 'Prompt\tCategory\na red cat\tColors\n'),
      textSeed('list.txt', 'a red cat\n\na boat é\n'),
      textSeed('list.jsonl', '{"prompt":"a red cat","category":"Colors"}\n{"prompt":"a boat"}\n'),
      jsonSeed('list.json', [{ prompt: 'a red cat', category: 'Colors', id: 'one' }, { prompt: 'a boat' }]),
    ],
    open: (path) => openSuite(path, dirname(path), {}),
  },
  concepts: {
    kind: 'text',
    seeds: async () => [textSeed('things.txt', '# animals\ncat\npolar bear\nred car = car\n')],
    open: (path, _, bytes) => parseConcepts(textOf(bytes), path),
  },
};
