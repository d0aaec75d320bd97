/** @file What a run copies to a device, and what stays there. On WebGPU with `npm run test:webgpu`. */
import { add, compile, type Device, isResident, matmul, resident, trace } from '@sgool/autodiff';
import type { InferenceSession, InferenceSessionFactory, Tensor as OrtTensor } from 'onnxruntime-common';
import { Tensor } from 'onnxruntime-common';
import { expect, it } from 'vitest';
import type { Value } from './onnx-runtime.ts';
import { ResidentTensors } from './resident.ts';

const value = (data: Float32Array, shape: readonly number[] = [data.length]): Value => ({
  dtype: 'float32',
  shape,
  data,
});

/** Sessions that return their input as what lies on a device. */
function fakeDevice() {
  const uploads: OrtTensor[] = [];
  let sessions = 0;
  const create = async (_: Uint8Array, options: InferenceSession.SessionOptions) => {
    sessions++;
    expect(options.preferredOutputLocation).toBe('gpu-buffer');
    return {
      run: async ({ 'in:x': x }: Record<string, OrtTensor>) => {
        uploads.push(x);
        return { 'out:y': new Tensor('float32', x.data as Float32Array, x.dims) };
      },
    };
  };
  const InferenceSession = { create } as unknown as InferenceSessionFactory;
  const residents = new ResidentTensors(async () => ({ InferenceSession }));
  const feeds = (device: Device, values: Record<string, Value>) => residents.feeds(device, values, Tensor);
  return { feeds, uploads, sessions: () => sessions };
}

it('what never changes is copied once, and the rest at every run', async () => {
  const { feeds, uploads } = fakeDevice();
  const kept = resident(Float32Array.of(1, 2, 3));
  expect([isResident(kept), isResident(Float32Array.of(1, 2, 3))]).toEqual([true, false]);
  const run = (x: Float32Array) => feeds('webgpu', { kept: value(kept), x: value(x) });
  const first = await run(Float32Array.of(4, 5));
  const second = await run(Float32Array.of(6, 7));
  expect([first.copiedBytes, second.copiedBytes]).toEqual([12 + 8, 8]);
  expect(uploads).toHaveLength(1);
  expect(second.tensors.kept).toBe(first.tensors.kept);
  expect([...(second.tensors.x.data as Float32Array)]).toEqual([6, 7]);
});

it('two runs at once copy it once; another shape is another copy by a session of its own', async () => {
  const { feeds, uploads, sessions } = fakeDevice();
  const kept = resident(new Float32Array(6));
  await Promise.all([1, 2].map(() => feeds('webgpu', { kept: value(kept) })));
  expect([uploads.length, sessions()]).toEqual([1, 1]);
  await feeds('webgpu', { kept: value(kept, [2, 3]) });
  await feeds('webgpu', { kept: value(resident(new Float32Array(6))) });
  expect([uploads.length, sessions()]).toEqual([3, 2]);
});

it('the processor copies nothing, and CUDA everything at every run', async () => {
  const { feeds, uploads } = fakeDevice();
  const kept = resident(new Float32Array(6));
  expect((await feeds('cpu', { kept: value(kept) })).copiedBytes).toBe(0);
  for (const _ of [1, 2]) expect((await feeds('cuda', { kept: value(kept) })).copiedBytes).toBe(24);
  expect(uploads).toEqual([]);
});

const device = process.env.SGOOL_TEST_DEVICE === 'webgpu' ? 'webgpu' : 'cpu';

it(`two programs share what stays on ${device}, and outlive each other`, async () => {
  const shape = [32, 32];
  const graph = () =>
    trace({ x: { shape }, weight: { shape } }, ({ x, weight }) => ({ y: add(matmul(x, weight), x) }));
  const weight = resident(Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)));
  const x = Float32Array.from({ length: 1024 }, (_, i) => Math.cos(i));
  const [first, second] = await Promise.all([1, 2].map(() => compile(graph(), { device })));
  const { y: before } = await first.run({ x, weight });
  await first.dispose();
  for (const _ of [1, 2]) {
    const { y } = await second.run({ x, weight });
    expect([...y]).toEqual([...before]);
  }
  // The first has taken the weight there; each run takes x there and y back.
  const [once, each] = [4096, 8192];
  expect([first.copiedBytes, second.copiedBytes]).toEqual(
    device === 'cpu' ? [0, 0] : [once + each, 2 * each],
  );
  await second.dispose();
});
