/** @file The workloads of the benchmark in sgool. Each is prepared once and then run as often as requested. */
import { compile, constant, matmul, trace } from '@sgool/autodiff';
import { clipGuide, generate, loadPipeline, type Pipeline, type View, wholeCrop } from 'sgool';
import { ddim, edict, runTrajectory } from 'sgool/diffusion';
import { mean } from 'sgool/evaluate';
import { attendAndExciteStep, fineTuningStep } from './attention-workloads.ts';
import type { Run, Workload, WorkloadName } from './workload.ts';

type Preparation = (
  workload: Workload,
  given: { readonly latent: Float64Array; readonly cotangent: Float64Array },
) => Promise<Run>;

const sizeOf = ({ pixels, frames }: Workload) => ({ width: pixels, height: pixels, frames });
const has = ({ variant }: Workload, word: string) => variant.split(', ').includes(word);

const open = (workload: Workload, model = workload.folder) =>
  loadPipeline(model, {
    threads: workload.threads,
    device: workload.device,
    precision: workload.precision,
    ...(has(workload, 'low memory') ? { memory: 'low' } : {}),
    ...(has(workload, 'plenty of memory') ? { memory: 'plenty' } : {}),
  });

const denoiserOf = (pipeline: Pipeline, workload: Workload) =>
  pipeline.denoiser({ prompt: workload.prompt, guidanceScale: workload.guidanceScale, ...sizeOf(workload) });

/** The distance of the whole image from the prompt. */
async function wholeObjective(pipeline: Pipeline, workload: Workload) {
  const critic = await pipeline.critic();
  const view: View = {
    crop: wholeCrop({ ...sizeOf(workload), side: critic.side }),
    aim: { text: await critic.embedText(workload.prompt) },
    weight: 1,
  };
  const objective = await pipeline.objective({
    ...sizeOf(workload),
    saturatedGradient: 'clamp',
    parts: [{ guide: clipGuide(critic), views: 1 }],
  });
  return (latent: Float64Array) => objective.evaluate(latent, [{ views: [view] }]);
}

export const preparations: Readonly<Record<WorkloadName, Preparation>> = {
  async forward(workload, { latent }) {
    const pipeline = await open(workload);
    const denoiser = await denoiserOf(pipeline, workload);
    return async () => ({ prediction: await denoiser.predict(latent, workload.timestep) });
  },

  async pullback(workload, { latent, cotangent }) {
    const pipeline = await open(workload);
    const denoiser = await denoiserOf(pipeline, workload);
    return async () => ({ gradient: await denoiser.pullback(latent, workload.timestep, cotangent) });
  },

  async objective(workload, { latent }) {
    const pipeline = await open(workload);
    const evaluate = await wholeObjective(pipeline, workload);
    return async () => {
      const { gradient, total } = await evaluate(latent);
      return { gradient, loss: [total] };
    };
  },

  async iteration(workload, { latent }) {
    const pipeline = await open(workload);
    const denoiser = await denoiserOf(pipeline, workload);
    const evaluate = await wholeObjective(pipeline, workload);
    const sampler = has(workload, 'edict')
      ? edict(pipeline.noisePath(sizeOf(workload)), workload.steps)
      : ddim(pipeline.noisePath(sizeOf(workload)), workload.steps);
    const kind = has(workload, 'invertible') ? 'invertible' : 'checkpointed';
    return async () => {
      const trajectory = await runTrajectory(kind, sampler, denoiser, latent);
      const results = [];
      for (const final of trajectory.final) results.push(await evaluate(final));
      const gradient = await trajectory.pullback(results.map((result) => result.gradient));
      const loss = mean(results.map(({ total }) => total));
      return { gradient, final: trajectory.final[0], loss: [loss] };
    };
  },

  async 'attend-and-excite step'(workload, { latent }) {
    return attendAndExciteStep(await open(workload), workload, latent);
  },

  async 'fine-tuning step'(workload) {
    return fineTuningStep(await open(workload), workload);
  },

  async picture(workload, { latent }) {
    const pipeline = await open(workload);
    const denoiser = await denoiserOf(pipeline, workload);
    const sampler = ddim(pipeline.noisePath(sizeOf(workload)), workload.steps);
    return async () => {
      const { final } = await runTrajectory('checkpointed', sampler, denoiser, latent);
      return { picture: (await pipeline.decode(final[0], sizeOf(workload))).data };
    };
  },

  /** The embedded model, whose pictures mean something: three iterations of SGOOL. */
  async toybox(workload) {
    const pipeline = await open(workload, 'toybox');
    const request = { prompt: workload.prompt, seed: 0, steps: workload.steps, iterations: 3 } as const;
    return async () => ({ picture: (await generate(request, { pipeline })).last.image.data });
  },

  async matmul(workload) {
    const { matrixSize: size, threads } = workload;
    const shape = [size, size];
    const operand = () => Float32Array.from({ length: size ** 2 }, () => Math.random());
    const right = operand();
    // A constant, like a network's weights, is packed for the kernel once.
    const isConstant = has(workload, 'constant operand');
    const graph = trace({ left: { shape }, ...(isConstant ? {} : { right: { shape } }) }, (given) => ({
      product: matmul(given.left, given.right ?? constant({ dtype: 'float32', shape, data: right })),
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
