/** @file What is said of the device that a run computes on. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runOnFakes } from '../testing.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-devices-'));
});
afterAll(() => rm(cwd, { recursive: true }));

const words = ['generate', 'a red cat', '--seed', '5', '--out', 'out', '--json'];
const run = (...more: string[]) => runOnFakes(cwd, [...words, ...more]);

it('says what auto took: on stderr, in the result, in the record and in the command that repeats it', async () => {
  const { stdout, stderr } = await run('--device', 'auto');
  expect(stderr).toContain('computing on cpu in float32');
  expect(JSON.parse(stdout)).toMatchObject({ device: 'cpu', precision: 'float32' });
  const record = JSON.parse(await readFile(join(cwd, 'out', 'run.json'), 'utf8'));
  expect(record.request).toMatchObject({ device: 'cpu', precision: 'float32' });
  expect(record.repeat).toContain('--device cpu --precision float32');
});

it('says so where another device or precision is taken, and nothing where it is as always', async () => {
  expect((await run('--device', 'webgpu', '--precision', 'float16')).stderr).toContain(
    'computing on webgpu in float16',
  );
  expect((await run('--precision', 'float16')).stderr).toContain('on cpu in float16: emulated');
  expect((await run()).stderr).not.toContain('computing on');
});

it('takes the device from the environment too, and refuses what is none', async () => {
  const fromEnvironment = await runOnFakes(cwd, words, { env: { SGOOL_DEVICE: 'webgpu' } });
  expect(JSON.parse(fromEnvironment.stdout).device).toBe('webgpu');
  const { code, stderr } = await run('--device', 'abacus');
  expect(code).toBe(2);
  expect(stderr).toContain('--device: not usable, got abacus; choose one of cpu, webgpu, cuda, auto');
});
