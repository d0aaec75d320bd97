import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCli } from '../cli.ts';
import { fakeEngine, fakeHost } from '../testing.ts';

it('says what of the model is read in another way than its files say', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'sgool-cli-'));
  const engine = fakeEngine();
  const openPipeline: typeof engine.openPipeline = async (...given) => {
    const pipeline = await engine.openPipeline(...given);
    const notes = ["it has no scheduler: Stable Diffusion's own is used"];
    const samplerNotes = (sampler: string) => [`the sampler ${sampler} does not read solver_order`];
    return { ...pipeline, model: { ...pipeline.model, notes, samplerNotes } };
  };
  const host = fakeHost(cwd, { engine: { ...engine, openPipeline } });
  const argv = ['generate', 'a red cat', '--out', 'out', '--method', 'sd', '--sampler', 'heun'];
  expect(await runCli(argv, host)).toBe(0);
  expect(host.written.stderr).toContain("sgool: it has no scheduler: Stable Diffusion's own is used\n");
  expect(host.written.stderr).toContain('sgool: the sampler heun does not read solver_order\n');
  await rm(cwd, { recursive: true });
});
