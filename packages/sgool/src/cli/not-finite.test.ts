/** One number of one network is not finite: every command that uses the network says so and does not exit with 0. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../image/png.ts';
import { FIXTURES } from '../networks/testing.ts';
import { writeTinyFlow, writeTinyModel } from '../pipeline/testing.ts';
import { PREFERENCE, TOKENIZER } from '../preference/testing.ts';
import { plant } from '../weights/testing.ts';
import { runCli } from './cli.ts';
import { engine } from './engine.ts';
import { discImage, fakeHost } from './testing.ts';

let model: Awaited<ReturnType<typeof writeTinyModel>>;
let cwd: string;
beforeAll(async () => {
  model = await writeTinyModel();
  cwd = await mkdtemp(path.join(tmpdir(), 'sgool-finite-'));
  await writeFile(path.join(cwd, 'disc.png'), encodePng(discImage(0)));
  await cp(`${PREFERENCE}pickscore`, path.join(cwd, 'pickscore'), { recursive: true });
});
afterAll(async () => {
  await model.remove();
  await rm(cwd, { recursive: true });
});

/** Runs a command line on the model, with one number planted. */
async function runWith(file: string, tensor: string, value: number, argv: readonly string[]) {
  const repair = await plant(file, tensor, value);
  try {
    const host = fakeHost(cwd, { engine });
    return { code: await runCli(argv, host), ...host.written };
  } finally {
    await repair();
  }
}

const file = (folder: string) =>
  path.join(model.dir, folder, `${folder === 'vae' ? 'diffusion_pytorch_model' : 'model'}.safetensors`);
const short = (place = model.dir) => ['--model', place, '--steps', '2', '--seed', '1', '--out', 'out'];

/** Command line, network, tensor, what is said, and whether an image is kept. */
const CASES: readonly [
  argv: readonly string[],
  folder: string,
  tensor: string,
  said: RegExp,
  image: boolean,
][] = [
  [['generate', 'a red cat', '--method', 'sd'], 'vae', 'decoder.conv_out.bias', /decoder \S+: its/, false],
  [
    ['generate', 'a red cat', '--method', 'best-of'],
    'vae',
    'decoder.conv_out.bias',
    /decoder \S+: its/,
    false,
  ],
  [['generate', 'a red cat', '--method', 'sd'], 'clip', 'visual_projection.weight', /clip image: its/, true],
  [
    ['generate', 'a red cat', '--method', 'sd'],
    'transalnet',
    'decoder.conv7.bias',
    /weight decoder\.conv7\.bias/,
    true,
  ],
  [
    ['generate', 'a red cat', '--method', 'sgool'],
    'transalnet',
    'decoder.conv7.bias',
    /weight decoder\.conv7\.bias/,
    true,
  ],
  [['refine', 'disc.png', 'a red cat'], 'vae', 'encoder.conv_in.bias', /encoder \S+: its/, false],
];

describe.each([Number.NaN, Number.POSITIVE_INFINITY])('%f', (value) => {
  it.each(CASES)('%j with a broken %s (%s)', async (argv, folder, tensor, said, hasImage) => {
    const { code, stdout, stderr } = await runWith(file(folder), tensor, value, [...argv, ...short()]);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    const line = stderr.trimEnd().split('\n').at(-1);
    expect(line).toMatch(said);
    expect(line).toMatch(/holds (NaN|-?Infinity)/);
    const out = path.join(cwd, 'out');
    if (hasImage) {
      expect(line).toContain('; the best image so far (iteration 0) is in out');
      const record = JSON.parse(await readFile(path.join(out, 'run.json'), 'utf8'));
      expect(record.status).toBe('failed');
      expect((await readFile(path.join(out, 'image.png'))).length).toBeGreaterThan(100);
    }
    await rm(out, { recursive: true, force: true });
  });

  it('score says which CLIP, and prints no score', async () => {
    const argv = ['score', 'disc.png', 'a red cat', '--model', model.dir];
    for (const folder of ['clip', 'clip_b']) {
      const { code, stdout, stderr } = await runWith(file(folder), 'visual_projection.weight', value, argv);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(new RegExp(`^sgool: ${folder} image: its output embedding holds`));
    }
  });

  it('score says which preference model, and prints no score', async () => {
    const scorer = ['--scorer', 'pickscore=pickscore', '--tokenizer', TOKENIZER];
    const weights = path.join(cwd, 'pickscore/model.safetensors');
    for (const [tensor, message] of [
      ['visual_projection.weight', /pickscore of .*: its output score holds/],
      ['text_projection.weight', /pickscore of .* text: its output text holds/],
    ] as const) {
      const argv = ['score', 'disc.png', 'a cat', ...scorer];
      const { code, stdout, stderr } = await runWith(weights, tensor, value, argv);
      expect(stderr).toMatch(message);
      expect([code, stdout]).toEqual([1, '']);
    }
  });

  it('saliency says which network, and writes no map', async () => {
    for (const [detector, folder, tensor, message] of [
      [['transalnet'], 'transalnet', 'decoder.conv7.bias', /weight decoder.conv7.bias holds/],
      [
        ['grad-cam', '--prompt', 'a cat'],
        ...(['clip', 'visual_projection.weight', /grad-cam: its output cam holds/] as const),
      ],
    ] as const) {
      const argv = ['saliency', 'disc.png', '--model', model.dir, '--detector', ...detector];
      const { code, stdout, stderr } = await runWith(file(folder), tensor, value, argv);
      expect(stderr).toMatch(message);
      expect([code, stdout]).toEqual([1, '']);
    }
  });
});

/** Networks of the other families, each with a command that needs it. */
describe('NaN in a network of another family', () => {
  it.each([
    ['sd3', 'transformer/diffusion_pytorch_model', 'proj_out.weight', /transformer\b.*: its/],
    ['sd3', 'text_encoder_3/model', 'encoder.final_layer_norm.weight', /text_encoder_3\b.*: its/],
    ['flux-dev', 'transformer/diffusion_pytorch_model', 'proj_out.weight', /transformer\b.*: its/],
  ] as const)('%s: %s', async (name, place, tensor, said) => {
    const flow = await writeTinyFlow(name);
    try {
      const argv = ['generate', 'a cat', '--method', 'sd', '--size', '32', ...short(flow.dir)];
      const { code, stdout, stderr } = await runWith(
        path.join(flow.dir, `${place}.safetensors`),
        tensor,
        Number.NaN,
        argv,
      );
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr.trimEnd().split('\n').at(-1)).toMatch(said);
      expect(stderr).toMatch(/holds NaN/);
    } finally {
      await flow.remove();
      await rm(path.join(cwd, 'out'), { recursive: true, force: true });
    }
  });

  it('motion modules', async () => {
    const adapter = path.join(cwd, 'adapter');
    await cp(`${FIXTURES}motion/adapter`, adapter, { recursive: true });
    const weights = path.join(adapter, 'diffusion_pytorch_model.safetensors');
    const tensor = 'down_blocks.0.motion_modules.0.proj_out.weight';
    const argv = ['video', 'a red cat', '--method', 'sd', '--frames', '2', '--motion', adapter, ...short()];
    const { code, stdout, stderr } = await runWith(weights, tensor, Number.NaN, argv);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/unet\b.*: its .* holds NaN/);
    await rm(path.join(cwd, 'out'), { recursive: true, force: true });
  });
});
