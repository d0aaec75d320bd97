/** @file Options of execution providers: which ones exist, what is refused, and where they go. */
import { checkDeviceOptions, compile, type Device, type DeviceOptions, square, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { commonOptions, providerOf, type SessionOptions } from './onnx-runtime.ts';

const made = (options: SessionOptions) => commonOptions(options, providerOf(options));

it.each<[Device, DeviceOptions, string]>([
  [
    'webgpu',
    { nonsense: '1' },
    'device option nonsense: device webgpu has no such option; webgpu has preferredLayout, ',
  ],
  [
    'cpu',
    { preferredLayout: 'NCHW' },
    'device option preferredLayout: device cpu has no such option; cpu has enableCpuMemArena, ',
  ],
  [
    'cuda',
    { prefer_nhwc: '1' },
    "device option prefer_nhwc: ONNX Runtime's binding does not pass it to a provider; cuda has deviceId, ",
  ],
  ['cuda', { use_tf32: '0' }, '; TF32 is precision tf32'],
  ['cuda', { toString: '1' }, 'device option toString: device cuda has no such option'],
  ['webgpu', { preferredLayout: 'nchw' }, 'device option preferredLayout: must be NHWC, NCHW, got "nchw"'],
  ['cuda', { deviceId: '-1' }, 'device option deviceId: must be a whole number, got "-1"'],
  ['cpu', { enableMemPattern: '1' }, 'device option enableMemPattern: must be true, false, got "1"'],
])('refuses for %s %j', (device, options, message) => {
  expect(() => checkDeviceOptions(device, options)).toThrow(RangeError);
  expect(() => checkDeviceOptions(device, options)).toThrow(message);
});

describe('what is given goes', () => {
  it('to the provider', () => {
    const { executionProviders } = made({
      device: 'webgpu',
      deviceOptions: { preferredLayout: 'NCHW', enableRobustness: 'false', storageBufferCacheMode: 'bucket' },
    });
    expect(executionProviders).toEqual([
      { name: 'webgpu', storageBufferCacheMode: 'bucket', preferredLayout: 'NCHW', enableRobustness: false },
    ]);
    const cuda = made({ device: 'cuda', deviceOptions: { deviceId: '1' } });
    expect(cuda.executionProviders).toEqual([{ name: 'cuda', deviceId: 1 }]);
  });

  it('to the session, instead of what is usual', () => {
    const usual = made({ device: 'cuda' });
    expect([usual.executionProviders, usual.enableMemPattern]).toEqual([['cuda'], true]);
    const given = made({
      device: 'cuda',
      deviceOptions: { enableMemPattern: 'false', use_device_allocator_for_initializers: 'true' },
    });
    expect(given.enableMemPattern).toBe(false);
    expect(given.extra?.session).toMatchObject({ use_device_allocator_for_initializers: '1' });
    expect(usual.extra?.session).not.toHaveProperty('use_device_allocator_for_initializers');
    expect(made({ device: 'webgpu' }).executionProviders).toEqual([
      { name: 'webgpu', storageBufferCacheMode: 'simple' },
    ]);
  });
});

it('a program computes with options, and is not compiled with others', async () => {
  const graph = trace({ x: { shape: [2] } }, ({ x }) => ({ y: square(x) }));
  const program = await compile(graph, {
    deviceOptions: { enableCpuMemArena: 'false', use_device_allocator_for_initializers: 'true' },
  });
  expect([...(await program.run({ x: Float32Array.of(3, 4) })).y]).toEqual([9, 16]);
  await program.dispose();
  await expect(compile(graph, { deviceOptions: { deviceId: '0' } })).rejects.toThrow(
    'device option deviceId: device cpu has no such option',
  );
});
