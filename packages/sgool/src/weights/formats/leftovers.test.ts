/** What downloads leave behind, through every place where a file of weights can be given. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openClipFile } from '../open/clip-file.ts';
import { openLora } from '../open/lora.ts';
import { openModelFolder } from '../open/model-folder.ts';
import { openClip, openModel, openVae } from '../open/open-model.ts';
import { FORMATS, messageOf, PIPELINE, zipOf } from '../testing.ts';
import { refuseLeftover } from './leftovers.ts';
import { openSafetensors } from './safetensors.ts';
import { openSharded } from './sharded.ts';
import { openTensorFile } from './tensor-file.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-leftovers-'));
});
afterAll(() => rm(dir, { recursive: true }));

const LFS = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d'.repeat(32)}\nsize 12345\n`;
const HTML =
  '\n<!doctype html>\n<html class=""><head><title>Sign in</title></head><body>Access denied</body></html>';
const latin1 = (text: string) => Buffer.from(text, 'latin1');

const KINDS: [string, string | Uint8Array, RegExp][] = [
  ['nothing', '', /: the file is empty; download the file itself again$/],
  ['white space', ' \n\n', /: nothing but white space; /],
  [
    'a Git LFS pointer',
    LFS,
    /: a Git LFS pointer \(\d+ bytes that stand for 12345\), not weights; run git lfs pull in its repository, or /,
  ],
  ['a Xet pointer', '# xet version 0\nfilesize = 3\n', /: a Xet pointer, not weights; /],
  [
    'a web page',
    HTML,
    /: a web page \("Sign in"\), not weights; log in or accept the terms there, then download/,
  ],
  ['a web page without a title', '<html><body>no</body></html>', /: a web page, not weights; /],
  ['a long web page', HTML.repeat(200), /: a web page \("Sign in"\)/],
  [
    'an error of the Hub',
    '{"error":"Unauthorized"}',
    /: an error message of a server \("\\?"?Unauthorized"\), not weights; log in/,
  ],
  [
    'an error of CivitAI',
    '{"message":"The creator requires you to be logged in"}',
    /server \("The creator requires/,
  ],
  [
    'an error of S3',
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    /an XML message of a server \("AccessDenied"\)/,
  ],
  [
    'a text of the Hub',
    'Invalid username or password.',
    /: a text \("Invalid username or password\."\), not weights; /,
  ],
  ['a text with escapes', 'Entry not found \u{1F600}', /: a text \("Entry not found/],
  [
    'a configuration',
    '{"_class_name": "UNet2DConditionModel"}',
    /a configuration, not weights; give the folder/,
  ],
  ['an index of shards', '{"metadata": {}, "weight_map": {"a": "b"}}', /an index of shards; give the folder/],
  ['other JSON', '[1, 2]', /JSON text, not weights; give a \.safetensors/],
  ['ONNX', latin1('\x08\x07\x12\x07pytorch\x1a\x03'), /an ONNX file; use the \.safetensors/],
  ['HDF5', latin1('\x89HDF\r\n\x1a\n\0\0\0\0'), /an HDF5 file/],
  ['PNG', latin1('\x89PNG\r\n\x1a\n\0\0\0\0'), /a PNG image/],
  ['gzip', latin1('\x1f\x8b\x08\0\0\0\0\0'), /a gzip archive; unpack it/],
  ['7-Zip', latin1('7z\xbc\xaf\x27\x1c\0\0'), /a 7-Zip archive/],
  ['zeros', new Uint8Array(5000), /nothing but zeros in its first 4096 bytes; a download was interrupted/],
];

describe('a file that holds no weights is said for what it is', () => {
  it.each(KINDS)('%s', async (_, content, message) => {
    const path = join(dir, 'x.safetensors');
    await writeFile(path, content);
    for (const open of [openTensorFile, openSafetensors]) {
      const said = await messageOf(open(path));
      expect(said.startsWith(path)).toBe(true);
      expect(said).toMatch(message);
    }
  });

  it('a zip archive of other things', async () => {
    const path = join(dir, 'x.zip');
    await writeFile(path, zipOf([{ name: 'model.safetensors', data: new Uint8Array(8) }]));
    expect(await messageOf(openTensorFile(path))).toMatch(/a zip archive with no data\.pkl/);
  });

  it('Flax by its name', async () => {
    const path = join(dir, 'flax_model.msgpack');
    await writeFile(path, Buffer.from([0x84, 0xa1, 0x61, 0x80, 0, 0, 0, 0, 0x7b, 0, 0]));
    expect(await messageOf(openTensorFile(path))).toMatch(/Flax|not a valid/);
  });
});

describe('every door says so', () => {
  const doors: [string, (path: string) => Promise<unknown>][] = [
    ['--model', (path) => openModel(path)],
    ['--lora', (path) => openLora(path)],
    ['--clip', (path) => openClip(path)],
    ['--vae', (path) => openVae(path)],
    ['--score', (path) => openClipFile(path)],
    [
      'a network in a folder',
      async (path) => {
        const folder = join(dir, 'folder');
        await cp(PIPELINE, folder, { recursive: true });
        await cp(path, join(folder, 'unet/diffusion_pytorch_model.safetensors'));
        return openModelFolder(folder);
      },
    ],
    [
      'a shard',
      async (path) => {
        const index = join(dir, 'model.safetensors.index.json');
        await writeFile(index, JSON.stringify({ weight_map: { a: 'part.safetensors' } }));
        await cp(path, join(dir, 'part.safetensors'));
        return openSharded(index);
      },
    ],
  ];
  it.each(doors)('%s', async (_, open) => {
    const path = join(dir, 'pointer.safetensors');
    await writeFile(path, LFS);
    expect(await messageOf(open(path))).toMatch(/\.safetensors: a Git LFS pointer \(/);
  });
});

describe('a folder in place of a file, and the reverse', () => {
  it('a folder with a file says which one to give', async () => {
    const folder = join(dir, 'with');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'style.safetensors'), '');
    expect(await messageOf(openTensorFile(folder))).toBe(
      `${folder}: a folder, where a file of weights is expected; give the file, such as ${join(folder, 'style.safetensors')}`,
    );
    expect(await messageOf(openModel(folder))).toMatch(
      /has no model_index\.json; give one of its files: style\.safetensors/,
    );
    expect(await messageOf(openLora(folder))).toMatch(/a folder without a LoRA/);
    const empty = join(dir, 'without');
    await mkdir(empty);
    expect(await messageOf(openModel(empty))).toMatch(
      /has no model_index\.json; give a folder in the diffusers layout$/,
    );
  });

  it('folders of other things are named', async () => {
    const single = join(PIPELINE, 'unet');
    expect(await messageOf(openModel(single))).toMatch(
      /it is that of a single network; give the folder of the whole model/,
    );
    const adapter = new URL('../../../../../fixtures/data/adapters/peft-alpha', import.meta.url).pathname;
    expect(await messageOf(openModel(adapter))).toMatch(
      /it is that of a LoRA; give the model itself, and this folder/,
    );
  });

  it('model_index.json stands for its folder', async () => {
    expect(await messageOf(openModel(join(PIPELINE, 'model_index.json')))).toMatch(
      /a configuration, not weights; give the folder that it lies in/,
    );
  });

  it('a file in place of a folder of configurations', async () => {
    const config = join(PIPELINE, 'model_index.json');
    expect(await messageOf(openModel(`${FORMATS}ldm-v1.ckpt`, { config }))).toMatch(
      /model config: .*model_index\.json is no folder; give a folder/,
    );
  });

  it('a file in place of the folder of a network', async () => {
    const folder = join(dir, 'file-for-network');
    await mkdir(folder, { recursive: true });
    await cp(join(PIPELINE, 'model_index.json'), join(folder, 'model_index.json'));
    await writeFile(join(folder, 'unet'), '');
    expect(await messageOf(openModel(folder))).toMatch(
      /unet is a file; a folder with config\.json is expected/,
    );
  });
});

describe('what is told apart by its bytes', () => {
  /** What is said of a file; nothing where it may be one of weights. */
  const said = (content: string | Uint8Array, name = 'x.bin') => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    try {
      refuseLeftover(bytes, bytes.length, name);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

  it('zeros, from 64 on', () => {
    expect(said(new Uint8Array(64))).toMatch(/nothing but zeros in its first 64 bytes/);
    expect(said(new Uint8Array(63))).toBeUndefined();
    expect(said(new Uint8Array(64).fill(1, 63))).toBeUndefined();
  });

  it('ONNX, by the fields that it begins with', () => {
    const onnx = [8, 7, 0x12, 7, 1, 1, 1, 1, 0xff];
    expect(said(Uint8Array.from(onnx))).toMatch(/an ONNX file/);
    expect(said(Uint8Array.from(onnx.slice(0, 8)))).toMatch(/an ONNX file/);
    for (const [at, value] of [
      [0, 9],
      [1, 0x20],
      [2, 0x13],
      [7, 0],
    ]) {
      expect(said(Uint8Array.from(onnx.with(at, value))), `byte ${at}`).toBeUndefined();
    }
    expect(said(Uint8Array.from(onnx.with(1, 0x1f)))).toMatch(/an ONNX file/);
    expect(said(Uint8Array.from(onnx.slice(0, 7)))).toBeUndefined();
  });

  it('text, by its characters', () => {
    expect(said('a\tb\r\n\f')).toMatch(/a text/);
    for (const control of ['\u0000', '\u001f', '\u007f', '\ufffdx'])
      expect(said(`ab${control}`), JSON.stringify(control)).toBeUndefined();
    // The last character may be cut off.
    expect(said(Buffer.from('naïve').subarray(0, 3))).toMatch(/a text \("na"\)/);
  });

  it('texts, cut to a length', () => {
    expect(said('t'.repeat(80))).toContain(`("${'t'.repeat(80)}")`);
    expect(said('t'.repeat(81))).toContain(`("${'t'.repeat(77)}...")`);
  });

  it('pointers and messages that say less', () => {
    expect(said('version https://git-lfs.github.com/spec/v1\n')).toMatch(
      /: a Git LFS pointer, not weights; /,
    );
    expect(said('<?xml version="1.0"?><Error/>')).toMatch(/: an XML message of a server, not weights; /);
    expect(said('\x84ab', 'flax_model.msgpack')).toMatch(/: weights of Flax \(\.msgpack\); use/);
  });
});
