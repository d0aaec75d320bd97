/** @file The works of the benchmark in sgool: each is prepared once and then run as often as asked. */
import { compile, constant, matmul, trace } from '@sgool/autodiff';
import { loadPipeline, type Pipeline, type View, wholeCrop } from 'sgool';
import { ddim, edict, runTrajectory } from 'sgool/diffusion';
import type { Work, WorkName } from './work.ts';

type Results = Readonly<Record<string, ArrayLike<number>>>;

type Run = () => Promise<Results>;

type Preparation = (
  work: Work,
  given: { readonly latent: Float64Array; readonly cotangent: Float64Array },
) => Promise<Run>;

const sizeOf = ({ pixels }: Work) => ({ width: pixels, height: pixels });
const has = ({ variant }: Work, word: string) => variant.split(', ').includes(word);

const open = (work: Work) =>
  loadPipeline(work.folder, { threads: work.threads, ...(has(work, 'low memory') ? { memory: 'low' } : {}) });

const denoiserOf = (pipeline: Pipeline, work: Work) =>
  pipeline.denoiser({ prompt: work.prompt, guidanceScale: work.guidanceScale, ...sizeOf(work) });

/** The whole image held against the prompt, once. */
async function wholeObjective(pipeline: Pipeline, work: Work) {
  const critic = await pipeline.critic();
  const view: View = {
    crop: wholeCrop({ ...sizeOf(work), side: critic.side }),
    text: await critic.embedText(work.prompt),
    weight: 1,
  };
  const objective = await pipeline.objective({ ...sizeOf(work), saturatedGradient: 'clamp', views: 1 });
  return (latent: Float64Array) => objective.evaluate(latent, { views: [view] });
}

export const preparations: Readonly<Record<WorkName, Preparation>> = {
  async 'unet forward'(work, { latent }) {
    const pipeline = await open(work);
    const denoiser = await denoiserOf(pipeline, work);
    return async () => ({ noise: await denoiser.predict(latent, work.timestep) });
  },

  async 'unet pullback'(work, { latent, cotangent }) {
    const pipeline = await open(work);
    const denoiser = await denoiserOf(pipeline, work);
    return async () => ({ gradient: await denoiser.pullback(latent, work.timestep, cotangent) });
  },

  async objective(work, { latent }) {
    const pipeline = await open(work);
    const evaluate = await wholeObjective(pipeline, work);
    return async () => {
      const { gradient, total } = await evaluate(latent);
      return { gradient, loss: [total] };
    };
  },

  async iteration(work, { latent }) {
    const pipeline = await open(work);
    const denoiser = await denoiserOf(pipeline, work);
    const evaluate = await wholeObjective(pipeline, work);
    const sampler = has(work, 'edict')
      ? edict(pipeline.noisePath(sizeOf(work)), work.steps)
      : ddim(pipeline.noisePath(sizeOf(work)), work.steps);
    const kind = has(work, 'invertible') ? 'invertible' : 'checkpointed';
    return async () => {
      const trajectory = await runTrajectory(kind, sampler, denoiser, latent);
      const results = [];
      for (const final of trajectory.final) results.push(await evaluate(final));
      const gradient = await trajectory.pullback(results.map((result) => result.gradient));
      const loss = results.reduce((sum, { total }) => sum + total, 0) / results.length;
      return { gradient, final: trajectory.final[0]!, loss: [loss] };
    };
  },

  async matmul(work) {
    const { matrixSize: size, threads } = work;
    const shape = [size, size];
    const operand = () => Float32Array.from({ length: size ** 2 }, () => Math.random());
    const right = operand();
    // A constant, as weights are, is brought into the kernel's order once.
    const isConstant = has(work, 'constant operand');
    const graph = trace({ left: { shape }, ...(isConstant ? {} : { right: { shape } }) }, (given) => ({
      product: matmul(given.left!, given.right ?? constant({ dtype: 'float32', shape, data: right })),
    }));
    const program = await compile(graph, { threads });
    const inputs = { left: operand(), ...(isConstant ? {} : { right }) };
    const outputs = { product: new Float32Array(size ** 2) };
    return async () => {
      await program.run(inputs, outputs);
      return { product: outputs.product.subarray(0, size) };
    };
  },
};
