import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePng } from '../../image/png.ts';
import { readPngText } from '../../image/png-text.ts';
import { METHOD_NAMES } from '../../methods/index.ts';
import { FIXTURES } from '../../networks/testing.ts';
import { discImage, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-repeat-'));
  await writeFile(join(cwd, 'disc.png'), encodePng(discImage(0)));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], setting?: Setting) => runOnFakes(cwd, argv, setting);
const bytes = (...names: string[]) => readFile(join(cwd, ...names));
const withText = (text: Record<string, string>) =>
  writeFile(join(cwd, 'x.png'), encodePng(discImage(1), { text }));

describe('repeat', () => {
  it.each(METHOD_NAMES)('makes the bytes of %s again, from the image and from run.json', async (method) => {
    const words = [
      'a cat: "x", <b>\\',
      '--method',
      method,
      '--negative',
      'grey',
      '--seed',
      '9007199254740993',
      '--rng',
      'cuda',
    ];
    expect((await sgool(['generate', ...words, '--steps', '7', '--guidance', '3', '--out', 'a'])).code).toBe(
      0,
    );
    const { code, stderr } = await sgool(['repeat', 'a/image.png', '--out', 'b']);
    expect([code, stderr.trim().split('\n').at(-1)]).toEqual([
      0,
      'sgool: b/image.png has the same bytes as a/image.png',
    ]);
    await sgool(['repeat', 'a/run.json', '--out', 'c', '--quiet']);
    for (const folder of ['b', 'c']) {
      for (const name of ['image.png', 'before.png', 'saliency.png', 'progress.png']) {
        expect((await bytes(folder, name)).equals(await bytes('a', name)), `${folder}/${name}`).toBe(true);
      }
    }
  });

  it('finds the image and the mask of a refined image, and refuses others', async () => {
    await writeFile(
      join(cwd, 'mask.png'),
      encodePng({ ...discImage(0), data: new Uint8Array(32 * 32 * 3).fill(255) }),
    );
    const words = [
      'refine',
      'disc.png',
      'a cat',
      '--mask',
      'mask.png',
      '--from',
      'a dog',
      '--strength',
      '0.5',
    ];
    expect((await sgool([...words, '--out', 'a'])).code).toBe(0);
    const again = (...more: string[]) => sgool(['repeat', 'a/image.png', '--out', 'b', ...more]);
    expect((await again()).stderr).toContain('has the same bytes as a/image.png');
    await mkdir(join(cwd, 'moved'));
    await rename(join(cwd, 'disc.png'), join(cwd, 'moved', 'other.png'));
    const lost = await again();
    expect([lost.code, lost.stderr]).toEqual([
      2,
      expect.stringMatching(
        /^sgool: --image: the image disc\.png that .* was made from is not found; say where it is\n$/,
      ),
    ]);
    expect((await again('--image', 'moved/other.png')).code).toBe(0);
    expect((await again('--image', 'mask.png')).stderr).toMatch(/--image: .* is not the same any more/);
  });

  it('keeps out of the image what differs from run to run', async () => {
    await sgool(['refine', 'disc.png', 'a cat', '--out', 'a']);
    const { sgool: own = '', parameters = '' } = readPngText(await bytes('a', 'image.png'));
    for (const text of [own, parameters]) {
      expect(text).not.toContain(cwd);
      expect(text).not.toMatch(/seconds|started|202\d-/);
    }
    const { inputHashes } = JSON.parse(own);
    expect(inputHashes.image).toBe(
      createHash('sha256')
        .update(await bytes('disc.png'))
        .digest('hex'),
    );
  });

  it('checks LoRAs and embeddings against the hashes of the record, own or foreign', async () => {
    const styles = join(cwd, 'styles');
    await mkdir(styles);
    await copyFile(join(FIXTURES, 'embeddings', 'web.pt'), join(styles, 'oldpaint.pt'));
    for (const name of ['own', 'named']) {
      await copyFile(
        join(FIXTURES, 'formats', 'lora-kohya.safetensors'),
        join(styles, `${name}.safetensors`),
      );
    }
    const folders = ['--lora-dir', 'styles', '--embeddings-dir', 'styles'];
    const words = [
      'generate',
      'a cat <lora:named:0.5>',
      '--negative',
      'oldpaint',
      '--lora',
      'styles/own.safetensors:0.7',
    ];
    const at = { cwd: process.cwd() };
    process.chdir(cwd);
    try {
      expect((await sgool([...words, ...folders, '--out', 'a'])).stderr).not.toContain('warning');
      const { parameters = '' } = readPngText(await bytes('a', 'image.png'));
      expect(parameters).toMatch(/^a cat <lora:named:0\.5> <lora:own:0\.7>\n/);
      expect(parameters).toMatch(
        /Lora hashes: "own: [0-9a-f]{12}, named: [0-9a-f]{12}", TI hashes: "?oldpaint: [0-9a-f]{12}/,
      );
      const again = await sgool(['repeat', 'a/image.png', '--out', 'b']);
      expect(again.stderr).toContain('has the same bytes');
      expect(again.stderr).not.toContain('of the record');
      await copyFile(join(FIXTURES, 'embeddings', 'web-params.pt'), join(styles, 'oldpaint.pt'));
      await copyFile(join(FIXTURES, 'formats', 'lora-peft.safetensors'), join(styles, 'own.safetensors'));
      const { code, stderr } = await sgool(['repeat', 'a/image.png', '--out', 'b']);
      expect(code).toBe(0);
      expect(stderr.match(/the (LoRA|embedding) \w+ is not the one of the record/g)).toEqual([
        'the LoRA own is not the one of the record',
        'the embedding oldpaint is not the one of the record',
      ]);
      await withText({ parameters: parameters.replace(/, SGOOL method.*?(?=, Lora hashes)/, '') });
      const foreign = await sgool(['repeat', 'x.png', '--out', 'c', ...folders]);
      expect(foreign.stderr).toMatch(/the LoRA own is not the one of the record/);
      expect(foreign.stderr).toMatch(/the embedding oldpaint is not the one of the record/);
      await withText({ parameters });
      expect((await sgool(['repeat', 'x.png', '--out', 'd'])).stderr).toMatch(
        /the LoRA named of the record .* is missing/,
      );
    } finally {
      process.chdir(at.cwd);
    }
  });

  it("takes over what AUTOMATIC1111's text says, and names what it cannot", async () => {
    await withText({
      parameters:
        'a cat, red\nNegative prompt: grey\nSteps: 6, Sampler: Euler a, CFG scale: 4, Seed: 123, Size: 64x32, ' +
        'Model hash: 6ce0161689, Model: toybox, Variation seed: 3, Version: v1.10.1',
    });
    const { code, stdout, stderr } = await sgool(['repeat', 'x.png', '--out', 'a', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ method: 'sd', prompt: 'a cat, red', seed: 123 });
    const { request } = JSON.parse((await bytes('a', 'run.json')).toString());
    expect(request).toMatchObject({
      ...{ negativePrompt: 'grey', steps: 6, guidanceScale: 4, width: 64, height: 32 },
      sampler: 'euler-ancestral',
    });
    expect(stderr).toContain('not repeated: Variation seed 3');
    expect(stderr).toContain('RNG is not named: the noise is that of a graphics card (--rng cuda)');
    expect(request.rng).toBe('cuda');
  });

  it.each([
    ['CPU', 'cpu'],
    ['GPU', 'cuda'],
    ['NV', 'cuda'],
  ])('draws from the generator that the text names: RNG %s', async (name, rng) => {
    await withText({
      parameters: `a cat\nSteps: 2, Sampler: Euler a, CFG scale: 4, Seed: 123, Size: 64x32, Model: toybox, RNG: ${name}`,
    });
    const { code, stderr } = await sgool(['repeat', 'x.png', '--out', name]);
    expect([code, stderr.includes('RNG')]).toEqual([0, false]);
    const { request } = JSON.parse((await bytes(name, 'run.json')).toString());
    expect(request.rng).toBe(rng);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['without a text', {}, /does not say how it was made/],
    [
      'with texts of another kind',
      { prompt: '{}', workflow: '{}' },
      /its texts are prompt, workflow; needs a text sgool/,
    ],
    ['with a broken record', { sgool: '{"request": 1}' }, /its record is not that of a run of sgool/],
    ['of another version', { sgool: '{"request":{"prompt":"a","warp":1}}' }, /warp: .* no such setting/],
    ['with a wrong value', { sgool: '{"request":{"prompt":"a","steps":0}}' }, /steps: not usable, got 0/],
    [
      'of another model',
      { parameters: 'a\nSteps: 2, Sampler: DDIM, Seed: 1, Model: v1-5' },
      /model v1-5; say where it is with --model/,
    ],
    [
      'of a sampler we lack',
      { parameters: 'a\nSteps: 2, Sampler: Restart, Seed: 1' },
      /sgool has no sampler Restart; it has ddim/,
    ],
    [
      'from an image',
      { parameters: 'a\nSteps: 2, Sampler: DDIM, Seed: 1, Denoising strength: 0.4' },
      /was made from another image/,
    ],
  ])('refuses an image %s', async (_, text, message) => {
    await withText(text);
    const { code, stderr } = await sgool(['repeat', 'x.png', '--out', 'a']);
    expect(code).toBeGreaterThan(0);
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim()).not.toContain('\n');
  });
});
