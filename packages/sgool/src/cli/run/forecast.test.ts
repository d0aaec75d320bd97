import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import type { RunEstimate } from '../../methods/estimate.ts';
import type { Progress } from '../terminal/progress.ts';
import { fakeEngine } from '../testing.ts';
import { type ForecastParts, forecast } from './forecast.ts';

const small: RunEstimate = {
  seconds: 4,
  memoryBytes: 4e8,
  mappedBytes: 2e7,
  operations: 7e11,
  machine: { flops: 2e11 },
  contention: 1,
};
/** More than any machine has. */
const HUGE = 1e18;

type Estimate = NonNullable<ForecastParts['engine']['estimate']>;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-forecast-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** The lines before a run with this estimate. */
async function said(estimate: Estimate) {
  const lines: string[] = [];
  const note = (text: string) => lines.push(text);
  const progress = { status() {}, note, warn: (text: string) => note(`warning: ${text}`) };
  const engine = fakeEngine();
  const { model } = await engine.openPipeline('toybox', { device: 'cpu' });
  const settings = { ...engine.methods.sgool.defaults(model), width: 64, height: 32, iterations: 3 };
  const result = await forecast(
    {
      engine: { ...engine, estimate },
      method: engine.methods.sgool,
      request: { prompt: 'a cat' },
      options: { device: 'cpu' },
      model: { ...model, dir },
      settings,
    },
    progress as unknown as Progress,
  );
  return { lines, result };
}

describe('forecast', () => {
  it('is silent about a run of some seconds, and gives the estimate', async () => {
    expect(await said(async () => small)).toEqual({ lines: [], result: small });
  });

  it('shows time, memory and where they come from', async () => {
    const { lines } = await said(async () => ({ ...small, seconds: 185, contention: 3.21 }));
    expect(lines).toEqual([
      'about 3 min 05 s and 400.0 MB of memory (20.0 MB of it weights), from 0.7 TFLOP at 200 GFLOP/s, other programs make it 3.2 times slower',
    ]);
  });

  it('says where that is the most that a run can take', async () => {
    const { lines } = await said(async () => ({ ...small, seconds: 185, atMost: true }));
    expect(lines[0]).toMatch(/^up to 3 min 05 s and 400.0 MB of memory/);
  });

  it('names the flags that make a run fit, in the order of their harm, and leaves out those that do not help', async () => {
    await mkdir(join(dir, 'unet'));
    for (const variant of ['', '.fp16'])
      await writeFile(join(dir, 'unet', `diffusion_pytorch_model${variant}.safetensors`), '');
    const { lines } = await said(async (_, { memory, variant }, { request }) => {
      // Half precision alone saves nothing here; an image of half the size, all the rest.
      const bytes = variant === 'fp16' ? HUGE : memory === 'low' ? HUGE / 2 : HUGE;
      return { ...small, memoryBytes: request.width === 32 ? 1e8 : bytes };
    });
    expect(lines[1]).toMatch(
      /^warning: the run takes about .* of memory, .* are available; with --memory low --size 32x16 it takes about 100.0 MB$/,
    );
  });

  it('says so when nothing is enough', async () => {
    const { lines } = await said(async (_, { memory }) => ({
      ...small,
      memoryBytes: memory === 'low' ? HUGE / 2 : HUGE,
    }));
    expect(lines[1]).toMatch(/with --memory low it takes about .*, still too much$/);
    const none = await said(async () => ({ ...small, memoryBytes: HUGE }));
    expect(none.lines[1]).toMatch(/close other programs or take a smaller model$/);
  });

  it('leaves it to the run to say what is wrong', async () => {
    const failing = async () => {
      throw new UserError('no');
    };
    expect(await said(failing)).toEqual({ lines: [], result: undefined });
  });
});
