/** @file Which device is chosen, and what the error says where one does not work. */
import { readdir } from 'node:fs/promises';
import {
  chooseDevice,
  compile,
  type Device,
  DeviceUnavailableError,
  deviceState,
  freeMemory,
  runtimeLibrary,
  square,
  trace,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { allowTf32, freeBytes, whatIsMissing } from './node.ts';

const fast = { works: true, flops: 1e13, half: true } as const;
const emulated = { works: true, flops: 1e9, half: false } as const;
const processor = { works: true, flops: 1e11, half: true } as const;
const missing = { works: false, reason: 'no driver was found' } as const;

const machine = (
  cuda: typeof fast | typeof missing,
  webgpu: typeof fast | typeof emulated | typeof missing,
) => {
  const states = { cuda, webgpu, cpu: processor };
  return async (device: Device) => states[device];
};

it.each([
  ['cuda before webgpu', 'cuda', machine(fast, fast)],
  ['webgpu where there is no CUDA', 'webgpu', machine(missing, fast)],
  ['the CPU before a driver that emulates a GPU on it', 'cpu', machine(missing, emulated)],
  ['the CPU where there is nothing else', 'cpu', machine(missing, missing)],
])('auto takes %s', async (_, expected, stateOf) => {
  expect(await chooseDevice('auto', { stateOf })).toBe(expected);
});

it('the requested device is taken even where it is slow', async () => {
  expect(await chooseDevice('webgpu', { stateOf: machine(missing, emulated) })).toBe('webgpu');
});

it('one line says why a device does not work, and which ones do', async () => {
  const refusal = chooseDevice('cuda', { stateOf: machine(missing, fast) });
  await expect(refusal).rejects.toThrow(DeviceUnavailableError);
  await expect(refusal).rejects.toThrow(
    'device cuda: does not work on this machine, no driver was found; usable here: webgpu, cpu',
  );
});

it('a device without float16 is refused for float16 only', async () => {
  const stateOf = machine(fast, emulated);
  await expect(chooseDevice('webgpu', { precision: 'float16', stateOf })).rejects.toThrow(
    'device webgpu: the card or its driver does not compute in float16; usable here: webgpu in float32, cuda, cpu in float16',
  );
  expect(await chooseDevice('auto', { precision: 'float16', stateOf })).toBe('cuda');
});

it('the CPU works at a plausible speed', async () => {
  const state = await deviceState('cpu');
  expect(state).toMatchObject({ works: true, half: true });
  expect((state as typeof processor).flops).toBeGreaterThan(1e8);
});

it.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'CUDA without its libraries is explained, and nothing else is printed',
  async () => {
    const state = await deviceState('cuda');
    // On a machine with CUDA there is nothing to explain.
    if (!state.works) expect(state.reason).toMatch(/not installed|is missing|no NVIDIA card/);
  },
);

it.each<[string, Device, string, string, RegExp]>([
  ['no adapter', 'webgpu', 'Failed to get a WebGPU adapter: No supported adapters', '', /no graphics driver/],
  ['another build', 'cuda', 'not in this build', '', /built without it; it exists for Linux on x64$/],
  [
    'no files',
    'cuda',
    'Failed to load shared library',
    'with error: /x/libonnxruntime_providers_shared.so: cannot open shared object file: No such file',
    /^ONNX Runtime's CUDA files are not installed \(they are in the Python wheel onnxruntime-gpu /,
  ],
  [
    'no toolkit',
    'cuda',
    'Failed to load shared library',
    'with error: libcublasLt.so.12: cannot open shared object file: No such file',
    /^the library libcublasLt\.so\.12 is missing \(CUDA 12 is needed\)$/,
  ],
  [
    'no toolkit of another version',
    'cuda',
    'Failed to load shared library',
    'with error: libcudart.so.13: cannot open shared object file: No such file',
    /^the library libcudart\.so\.13 is missing \(CUDA 13 is needed\)$/,
  ],
  [
    'a library that counts for itself',
    'cuda',
    'Failed to load shared library',
    'with error: libcufft.so.12: cannot open shared object file: No such file',
    /^the library libcufft\.so\.12 is missing \(CUDA is needed\)$/,
  ],
  [
    'no cuDNN',
    'cuda',
    'Failed to load shared library',
    'with error: libcudnn.so.9: cannot open shared object file: No such file',
    /^the library libcudnn\.so\.9 is missing \(cuDNN 9 is needed\)$/,
  ],
  ['no card', 'cuda', 'CUDA failure 100: no CUDA-capable device is detected', '', /^no NVIDIA card/],
  ['something else', 'cuda', 'first\n  second', '', /^first second$/],
])('what is missing is named: %s', (_, device, error, stderr, reason) => {
  expect(whatIsMissing(device, error, stderr)).toMatch(reason);
});

describe('tf32', () => {
  it('is what cuda alone computes in', async () => {
    const both = machine(fast, fast);
    expect(await chooseDevice('cuda', { precision: 'tf32', stateOf: both })).toBe('cuda');
    expect(await chooseDevice('auto', { precision: 'tf32', stateOf: both })).toBe('cuda');
    const without = machine(missing, fast);
    await expect(chooseDevice('auto', { precision: 'tf32', stateOf: without })).rejects.toThrow(
      'precision tf32: only cuda has it, which does not work on this machine; use float32',
    );
    await expect(chooseDevice('webgpu', { precision: 'tf32', stateOf: both })).rejects.toThrow(
      'device webgpu: only cuda computes in tf32; use float32, or cuda',
    );
    await expect(chooseDevice('cpu', { precision: 'tf32', stateOf: without })).rejects.toThrow(
      'device cpu: only cuda computes in tf32; use float32',
    );
    const graph = trace({ x: { shape: [2] } }, ({ x }) => ({ y: square(x) }));
    await expect(compile(graph, { precision: 'tf32' })).rejects.toThrow(
      'compile: only cuda computes in tf32, got device "cpu"; use float32',
    );
  });

  it('is off unless it is asked for, and one process keeps to one of both', () => {
    const env: NodeJS.ProcessEnv = { NVIDIA_TF32_OVERRIDE: '1' };
    allowTf32(false, env);
    expect(env).toEqual({ NVIDIA_TF32_OVERRIDE: '0' });
    allowTf32(false, env);
    expect(() => allowTf32(true, env)).toThrow(
      /computes on cuda in float32, .* use another process for tf32/,
    );
    expect(env).toEqual({ NVIDIA_TF32_OVERRIDE: '0' });
  });
});

it('free memory is asked of the system and of the driver', async () => {
  const free = await freeMemory('cpu');
  // Node 20.13 and later knows it.
  if (free !== undefined) expect(free).toBeGreaterThan(1e6);
  expect(await freeMemory('webgpu')).toBeUndefined();
  expect(freeBytes('80000\n')).toBe(80000 * 2 ** 20);
  expect(freeBytes('')).toBeUndefined();
  expect(freeBytes('No devices were found\n')).toBeUndefined();
});

it('the library that computes is found, with its version', async () => {
  const { version, folder } = runtimeLibrary() ?? {};
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(await readdir(folder ?? '')).toContain('onnxruntime_binding.node');
});
