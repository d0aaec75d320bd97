import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoadOptions } from '../../pipeline/load-pipeline.ts';
import { FORMATS, PIPELINE } from '../../weights/testing.ts';
import { runCli } from '../cli.ts';
import { engine } from '../engine.ts';
import { fakeHost } from '../testing.ts';
import {
  checkedParts,
  loadOptionsOf,
  locatedParts,
  PART_OPTIONS,
  scorerTokenizer,
  typedParts,
} from './model-options.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-parts-'));
});
afterAll(() => rm(cwd, { recursive: true }));

/** Runs a command with the real networks; returns the options that the library got too. */
async function sgool(...argv: string[]) {
  let options: LoadOptions | undefined;
  const host = fakeHost(cwd, {
    engine: {
      ...engine,
      openPipeline(model, given) {
        options = given;
        return engine.openPipeline(model, given);
      },
    },
  });
  return { code: await runCli(argv, host), options, ...host.written };
}

const checkpoint = ['--model', `${FORMATS}ldm-v1.ckpt`, '--model-config', PIPELINE];
const lora = `${FORMATS}lora-kohya.safetensors:0.7,${FORMATS}lora-old.bin`;

it('an image from a single file, with CLIP and LoRAs from others, and the command that repeats it', async () => {
  const words = [
    'generate',
    'a photo of a cat',
    '--method',
    'sd',
    '--size',
    '32',
    '--steps',
    '1',
    '--out',
    'cat',
  ];
  const clip = `${FORMATS}clip-openai.pt`;
  const { code, options, stderr } = await sgool(
    ...words,
    ...checkpoint,
    '--clip',
    clip,
    '--lora',
    lora,
    '--no-ema',
  );
  expect(stderr).toMatch(/CLIP A/);
  expect(code).toBe(0);
  expect(options).toEqual({
    allowVerifiers: true,
    device: 'cpu',
    precision: 'float32',
    clip,
    config: PIPELINE,
    ema: false,
    loras: [{ path: `${FORMATS}lora-kohya.safetensors`, weight: 0.7 }, { path: `${FORMATS}lora-old.bin` }],
  });
  const run = JSON.parse(await readFile(join(cwd, 'cat', 'run.json'), 'utf8'));
  expect(run.request).toMatchObject({ clip, lora, ema: false, modelConfig: PIPELINE });
  expect(run.repeat).toContain(`--lora ${lora} --model-config ${PIPELINE} --no-ema`);
});

it('an image is scored by a CLIP that the model does not have', async () => {
  const image = join(cwd, 'cat', 'image.png');
  const { stdout } = await sgool(
    'score',
    image,
    'a cat',
    '--model',
    PIPELINE,
    '--clip',
    `${FORMATS}clip-openai.pt`,
  );
  expect(stdout).toMatch(/^CLIP A +-?\d+\.\d\d$/m);
});

it('options of the device are checked, passed on and recorded', async () => {
  const words = ['generate', 'a cat', '--model', PIPELINE, '--method', 'sd', '--size', '32', '--steps', '1'];
  const given = ['--clip', `${FORMATS}clip-openai.pt`, '--out', 'with-options', '--device-options'];
  const { code, options } = await sgool(...words, ...given, 'enableMemPattern=false,enableCpuMemArena=true');
  expect(code).toBe(0);
  expect(options).toMatchObject({ deviceOptions: { enableMemPattern: 'false', enableCpuMemArena: 'true' } });
  const run = JSON.parse(await readFile(join(cwd, 'with-options', 'run.json'), 'utf8'));
  expect(run.request.deviceOptions).toBe('enableMemPattern=false,enableCpuMemArena=true');
  expect(run.repeat).toContain('--device-options enableMemPattern=false,enableCpuMemArena=true ');
  const refused = async (text: string) => (await sgool(...words, ...given, text)).stderr;
  expect(await refused('nonsense=1')).toContain(
    'sgool: device option nonsense: device cpu has no such option; cpu has enableCpuMemArena, ',
  );
  expect(await refused('nonsense')).toContain('--device-options: not usable, got nonsense; give name=value');
  expect(await refused('deviceId=1,deviceId=2')).toContain('--device-options: deviceId is given twice');
});

it('a list of LoRAs that is none is a mistake of the command line', async () => {
  const { code, stderr } = await sgool('generate', 'a cat', '--lora', ',');
  expect(code).toBe(2);
  expect(stderr).toContain('--lora: not usable, got ,; give file or file:weight');
});

it('embeddings come several times or with commas, each perhaps with its word', async () => {
  const file = (name: string) => `${FORMATS}../embeddings/${name}`;
  const words = [
    'generate',
    'a <Cat-Toy> web',
    '--method',
    'sd',
    '--size',
    '32',
    '--steps',
    '1',
    '--out',
    'toy',
  ];
  const { code, options, stderr } = await sgool(
    ...words,
    ...['--model', PIPELINE, '--embedding', file('one.bin')],
    ...['--embedding', `${file('several.safetensors')}=<other>,${file('web.pt')}`],
  );
  expect(stderr).toContain('<other> in a prompt stands for several.safetensors (3 vectors)');
  expect(code).toBe(0);
  expect(options?.embeddings).toEqual([
    { path: file('one.bin') },
    { path: file('several.safetensors'), name: '<other>' },
    { path: file('web.pt') },
  ]);
  const run = JSON.parse(await readFile(join(cwd, 'toy', 'run.json'), 'utf8'));
  expect(run.repeat).toContain('--embedding ');
});

it('an embedding without a file or a word is a mistake of the command line', async () => {
  const { code, stderr } = await sgool('generate', 'a cat', '--embedding', 'a.pt=');
  expect(code).toBe(2);
  expect(stderr).toContain('--embedding: not usable, got a.pt=; give file or file=word');
});

it('places separated by commas are several, and may be given one by one', () => {
  expect(
    loadOptionsOf({ tokenizer: 'words, pieces', textEncoders: 'clip_l.safetensors,t5xxl.safetensors' }),
  ).toMatchObject({
    tokenizer: ['words', 'pieces'],
    textEncoders: ['clip_l.safetensors', 't5xxl.safetensors'],
  });
  const option = PART_OPTIONS.find(({ flag }) => flag === 'text-encoders');
  expect(option?.isList).toBe(true);
});

describe('parts that go with an evaluation', () => {
  it('are typed as options', () => {
    const parts = { vae: 'my vae.safetensors', textEncoders: 'a,b', modelConfig: 'c', ema: false };
    expect(typedParts({ ...parts, contextFrames: 16 })).toEqual([
      '--text-encoders a,b',
      "--vae 'my vae.safetensors'",
      '--context-frames 16',
      '--model-config c',
      '--no-ema',
    ]);
    expect(typedParts({ ema: true })).toEqual(['--ema']);
  });

  it('are found from other folders, but names of the Hub stay as they are', async () => {
    await writeFile(join(cwd, 'vae.safetensors'), '');
    const parts = {
      vae: 'vae.safetensors',
      textEncoders: 'vae.safetensors, openai/clip',
      lora: 'x:0.5, vae.safetensors:0.8:lbw=1,0',
      embedding: 'vae.safetensors = my word, other',
      ema: false,
    };
    expect(locatedParts(parts, { cwd })).toEqual({
      vae: join(cwd, 'vae.safetensors'),
      textEncoders: `${join(cwd, 'vae.safetensors')},openai/clip`,
      lora: `x:0.5,${join(cwd, 'vae.safetensors')}:0.8:lbw=1,0`,
      embedding: `${join(cwd, 'vae.safetensors')}=my word,other`,
      ema: false,
    });
  });

  it('are checked where they arrive', () => {
    expect(checkedParts({ vae: 'a', ema: false })).toEqual({ vae: 'a', ema: false });
    expect(() => checkedParts({ vea: 'a' })).toThrow(
      'parts of the model: not known here, got {"vea":"a"}; use the version of sgool that began the evaluation',
    );
  });

  it('give scorers the first tokenizer', () => {
    expect(scorerTokenizer({ tokenizer: 'a, b' })).toEqual({ tokenizer: 'a' });
    expect(scorerTokenizer({})).toEqual({});
  });
});
