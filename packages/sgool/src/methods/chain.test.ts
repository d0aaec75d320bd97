import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edict } from '../diffusion/samplers/edict.ts';
import { runTrajectory, sample, type TrajectoryKind } from '../diffusion/trajectory.ts';
import { wholeCrop } from '../image/crops.ts';
import type { ObjectiveResult } from '../objectives/objective.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { Generator } from '../random/generator.ts';

const size = { width: 32, height: 32 };
const prompt = 'a red cat and a blue boat';

let pipeline: Pipeline;
let remove: () => Promise<void>;
beforeAll(async () => {
  const model = await writeTinyModel({ without: ['clip_b', 'transalnet'] });
  remove = model.remove;
  pipeline = await loadPipeline(model.dir);
});
afterAll(async () => {
  await pipeline.dispose();
  await remove();
});

describe('the gradient of the whole chain', () => {
  const noise = Float64Array.from(new Generator(5).randn([256]));

  async function chain(kind: TrajectoryKind) {
    const sampler = edict(pipeline.noisePath(size), 5);
    const denoiser = await pipeline.denoiser({ prompt, guidanceScale: 2, ...size });
    const critic = await pipeline.critic();
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
      saturatedGradient: 'clamp',
    });
    const crop = wholeCrop({ ...size, side: critic.side });
    const input = [{ views: [{ crop, aim: { text: await critic.embedText(prompt) }, weight: 1 }] }];
    const evaluate = async (finals: Float64Array[]) => {
      const results: ObjectiveResult[] = [];
      for (const final of finals) results.push(await objective.evaluate(final, input));
      return results;
    };
    return {
      async loss(latent: Float64Array) {
        const results = await evaluate(await sample(sampler, denoiser, latent));
        return results.reduce((sum, { total }) => sum + total, 0);
      },
      async gradient() {
        const trajectory = await runTrajectory(kind, sampler, denoiser, noise);
        const results = await evaluate(trajectory.final);
        return trajectory.pullback(results.map(({ gradient }) => gradient));
      },
    };
  }

  it('agrees with finite differences', async () => {
    const { loss, gradient } = await chain('checkpointed');
    const slope = await gradient();
    const length = Math.hypot(...slope);
    const step = 0.008;
    const at = (sign: number) => loss(noise.map((value, i) => value + (sign * step * slope[i]) / length));
    const difference = ((await at(1)) - (await at(-1))) / (2 * step);
    // The networks' float32 leaves the difference about 1 % of noise, and the clamp of the image has kinks.
    expect(Math.abs(difference / length - 1)).toBeLessThan(0.02);
  });

  it('is the same for both ways back', async () => {
    const kept = await (await chain('checkpointed')).gradient();
    const inverted = await (await chain('invertible')).gradient();
    const difference = Math.hypot(...kept.map((value, i) => value - inverted[i]));
    expect(difference / Math.hypot(...kept)).toBeLessThan(1e-6);
  });
});
