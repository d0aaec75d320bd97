import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readImage } from '../../image/read-image.ts';
import { runOnFakes } from '../testing.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-attention-'));
});
afterAll(() => rm(cwd, { recursive: true }));

const attention = (...argv: string[]) => runOnFakes(cwd, ['attention', 'a red cat', '--quiet', ...argv]);

it('writes the sheet under a name that is free, or the one that was given', async () => {
  const one = ['--tokens', 'cat', '--at-steps', '1'];
  expect((await attention(...one)).stdout).toBe('attention.png\n');
  expect((await attention(...one)).stdout).toBe('attention-2.png\n');
  expect((await attention(...one, '--out', 'maps.webp')).stdout).toBe('maps.webp\n');
  // Labels, three tiles at least; the image, and a word of three rows.
  expect(await readImage(join(cwd, 'attention.png'))).toMatchObject({ width: 524, height: 616 });
});

it('prints the maps', async () => {
  const { stdout } = await attention('--json', '--tokens', 'cat', '--at-steps', '3', '--seed', '7');
  const found = JSON.parse(stdout);
  expect(found).toMatchObject({ prompt: 'a red cat', seed: 7, steps: [3] });
  expect(found.words).toEqual([{ word: 'cat', tokens: [1] }]);
  expect(found.maps).toHaveLength(2);
  expect(found.maps[1]).toEqual({
    layer: 'mid_block.attentions.0.transformer_blocks.0.attn2',
    heads: 2,
    rows: 2,
    columns: 2,
    step: 3,
    timestep: 997,
    words: [[0, 0.125, 0.25, 0.375]],
  });
});

it('says that a negative prompt has no effect without guidance', async () => {
  const said = async (...argv: string[]) =>
    (await runOnFakes(cwd, ['attention', 'a red cat', '--negative', 'blue', ...argv])).stderr;
  expect(await said('--guidance', '1')).toContain(
    'the negative prompt has no effect: the guidance scale is 1, and guidance begins above 1',
  );
  expect(await said('--guidance', '5')).not.toContain('negative prompt');
});

it('takes its values from the environment and the options of generation, and no others', async () => {
  const { stdout } = await runOnFakes(cwd, ['attention', 'a cat', '-q', '--json'], {
    env: { SGOOL_SEED: '9' },
  });
  expect(JSON.parse(stdout).seed).toBe(9);
  const help = (await runOnFakes(cwd, ['attention', '--help'])).stdout;
  for (const flag of [
    '--tokens <words>',
    '--layers <names>',
    '--at-steps <numbers>',
    '--steps',
    '--guidance',
    '--lora',
  ]) {
    expect(help).toContain(flag);
  }
  for (const flag of ['--iterations', '--count', '--refine-steps', '--method'])
    expect(help).not.toContain(`\n  ${flag} `);
});

it.each([
  [[], 'prompt: must not be empty'],
  [['--out', 'maps.gif'], '--out: the format .gif is not written; choose from .png, .jpg, .jpeg, .webp'],
  [['--iterations', '3'], "unknown option '--iterations'"],
])('refuses what is not usable: %j', async (argv, message) => {
  const prompt = argv.length === 0 ? ' ' : 'a red cat';
  const { code, stderr } = await runOnFakes(cwd, ['attention', prompt, ...argv]);
  expect(code).not.toBe(0);
  expect(stderr).toContain(message);
});
