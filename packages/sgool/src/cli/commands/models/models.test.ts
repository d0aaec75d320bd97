import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { FIXTURES } from '../../../networks/testing.ts';
import { writeTinyModel } from '../../../pipeline/testing.ts';
import { defined, until } from '../../../testing.ts';
import { type FakeHub, startHub } from '../../../weights/hub/testing.ts';
import { runCli } from '../../cli.ts';
import { fakeHost } from '../../testing.ts';

const ID = 'somebody/tiny';
const UNET = 'unet/diffusion_pytorch_model.safetensors';

let files: Record<string, Uint8Array>;
let hub: FakeHub;
let cwd: string;
beforeAll(async () => {
  const { dir, remove } = await writeTinyModel({ without: ['clip_b', 'transalnet'] });
  const names = readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [path.relative(dir, path.join(entry.parentPath, entry.name))] : [],
  );
  files = Object.fromEntries(names.map((name) => [name, readFileSync(path.join(dir, name))]));
  const parts = ['unet', 'vae', 'text_encoder', 'tokenizer', 'scheduler'];
  const index = Object.fromEntries(parts.map((part) => [part, ['diffusers', 'Thing']]));
  files['model_index.json'] = Buffer.from(JSON.stringify(index));
  await remove();
});
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'sgool-cli-hub-'));
  hub = await startHub({ [ID]: { commit: 'a'.repeat(40), files } });
});
afterEach(() => hub.close());
afterAll(() => rm(cwd, { recursive: true, force: true }));

async function sgool(...argv: string[]) {
  const host = fakeHost(cwd, { env: { ...hub.env, SGOOL_DATA_DIR: path.join(cwd, 'data') } });
  return { code: await runCli(argv, host), ...host.written };
}

it('a model is pulled, listed, inspected and verified under its name', async () => {
  const unknown = await sgool('models', 'inspect', ID);
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toMatch(
    /somebody\/tiny is neither a folder nor in the cache .*sgool models pull somebody\/tiny/,
  );

  const pulled = await sgool('models', 'pull', ID);
  const dir = pulled.stdout.trim();
  expect(pulled.code).toBe(0);
  expect(existsSync(path.join(dir, UNET))).toBe(true);
  expect(pulled.stderr).toContain(`sgool: ${Object.keys(files).length}/${Object.keys(files).length} `);
  expect(pulled.stderr).toMatch(/sgool: downloaded .* commit aaaaaaa\n$/);
  expect((await sgool('models', 'pull', ID)).stderr).toMatch(/is already downloaded/);

  expect((await sgool('models', 'list')).stdout).toMatch(
    /in the cache of the Hub:\nsomebody\/tiny +pipeline +.*snapshots/,
  );
  expect((await sgool('models', 'inspect', ID)).stdout).toContain('unet');
  const verified = await sgool('models', 'verify', ID, '--json');
  expect(verified.code).toBe(0);
  expect(JSON.parse(verified.stdout)).toMatchObject({ name: ID, ok: true });

  const blob = realpathSync(path.join(dir, UNET));
  const bytes = readFileSync(blob);
  bytes[bytes.length - 1] ^= 1;
  await writeFile(blob, bytes);
  const broken = await sgool('models', 'verify', ID);
  expect(broken.code).toBe(1);
  expect(broken.stdout).toMatch(/unet\/diffusion_pytorch_model.safetensors +.* WRONG HASH/);
  expect(broken.stderr).toContain(
    `1 of ${Object.keys(files).length} files are broken; remove them and pull again: rm ${blob}`,
  );
  await rm(blob);
  expect((await sgool('models', 'verify', ID)).stdout).toMatch(/MISSING/);
  expect((await sgool('models', 'pull', ID)).code).toBe(0);
  expect((await sgool('models', 'verify', ID)).code).toBe(0);
});

it('weights that do not fit their configuration are named', async () => {
  const config = JSON.parse(Buffer.from(defined(files['unet/config.json'])).toString());
  hub.models[ID] = {
    commit: 'b'.repeat(40),
    files: { ...files, 'unet/config.json': JSON.stringify({ ...config, layers_per_block: 2 }) },
  };
  await sgool('models', 'pull', ID);
  const { code, stderr } = await sgool('models', 'verify', ID);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^sgool: somebody\/tiny: unet: the weight down_blocks.0.resnets.1.* is missing, and \d+ more/m,
  );
});

it('inspect and verify say what of the files is assumed or not read', async () => {
  const name = 'scheduler/scheduler_config.json';
  const config = JSON.parse(Buffer.from(defined(files[name])).toString());
  const changed = Buffer.from(JSON.stringify({ ...config, beta_stop: 3 }));
  hub.models[ID] = { commit: 'c'.repeat(40), files: { ...files, [name]: changed } };
  await sgool('models', 'pull', ID);
  const note = 'scheduler: beta_stop: no sampler reads that';
  for (const command of ['inspect', 'verify']) {
    const { code, stdout } = await sgool('models', command, ID);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`\nnote: ${note}\n`)]);
    const { notes } = JSON.parse((await sgool('models', command, ID, '--json')).stdout);
    expect(notes).toContain(note);
  }
});

it('a pull that fails says why in one line, and Ctrl-C can be taken up again', async () => {
  expect((await sgool('models', 'pull', 'somebody/else')).stderr).toMatch(
    /^sgool: hub: somebody\/else does not exist or/,
  );
  hub.fault = (name) => (name === UNET ? { stallAfter: 100 } : undefined);
  const host = fakeHost(cwd, { env: hub.env });
  const running = runCli(['models', 'pull', ID], host);
  const isAsked = () => hub.requests.some(({ storage, url }) => storage && url.includes(UNET));
  await until(isAsked, () => `the request of ${UNET}; ${host.written.stderr}`);
  host.interrupt();
  expect(await running).toBe(130);
  expect(host.written.stderr).toMatch(
    /sgool: stopped; the same command continues the download: sgool models pull/,
  );
});

it('add refuses what is not the network', async () => {
  await writeFile(
    path.join(cwd, 'other.safetensors'),
    defined(files['vae/diffusion_pytorch_model.safetensors']),
  );
  const other = await sgool('models', 'add', 'transalnet', 'other.safetensors');
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(
    /other.safetensors: not the weights of TranSalNet_Res or TranSalNet_Dense: none of/,
  );
  const unknown = await sgool('models', 'add', 'transalnt', 'other.safetensors');
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toMatch(/choose one of transalnet, .*hps \(did you mean transalnet\?\)/);
  expect(existsSync(path.join(cwd, 'data'))).toBe(false);
});

it('a single file is hashed; that it is no Stable Diffusion is said and no fault', async () => {
  await writeFile(
    path.join(cwd, 'other.safetensors'),
    defined(files['vae/diffusion_pytorch_model.safetensors']),
  );
  const { code, stdout } = await sgool('models', 'verify', path.join(cwd, 'other.safetensors'));
  expect(stdout).toMatch(
    /^other.safetensors .* no hash known +[0-9a-f]{64}\n\nother.safetensors +not checked: .*: not a checkpoint of Stable Diffusion .*: it is an autoencoder/,
  );
  expect(code).toBe(0);
});

it('a model for inpainting is inspected and verified with what its UNet takes', async () => {
  const dir = path.join(cwd, 'inpainting');
  await cp(`${FIXTURES}pipeline`, dir, { recursive: true });
  const plain = JSON.parse((await sgool('models', 'inspect', dir, '--json')).stdout);
  expect(plain.latent).toEqual([4, 8, 8]);
  expect(plain).not.toHaveProperty('inputChannels');
  await cp(`${FIXTURES}inpainting`, dir, { recursive: true });
  const report = JSON.parse((await sgool('models', 'inspect', dir, '--json')).stdout);
  expect(report).toMatchObject({ latent: [4, 8, 8], inputChannels: 9 });
  expect((await sgool('models', 'inspect', dir)).stdout).toMatch(
    /\ninput +9 channels: latent, mask, masked image\n/,
  );
  const { stdout } = await sgool('models', 'verify', dir);
  expect(stdout).toMatch(/unet +\d+ weights +ok/);
});
