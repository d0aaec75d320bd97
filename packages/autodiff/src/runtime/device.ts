/** @file Chooses the device that programs run on: which ones work on this machine, and what the others lack. */
import { runtime } from '#runtime';
import { DEVICES, type Device, type Precision } from '../passes/target.ts';
import type { DeviceState, RuntimeLibrary } from './onnx-runtime.ts';

/** The requested device does not work here. The message is one line: what is missing, and what would work. */
export class DeviceUnavailableError extends Error {
  override readonly name = 'DeviceUnavailableError';
}

const known = new Map<Device, Promise<DeviceState>>();

/**
 * Whether `device` works on this machine. In Node a child process probes it, once per process, so that a broken driver
 * cannot crash the caller.
 */
export function deviceState(device: Device): Promise<DeviceState> {
  let state = known.get(device);
  if (!state) {
    state = runtime.probe(device);
    known.set(device, state);
  }
  return state;
}

/** Bytes that are free on `device` now, by its driver or the operating system. Undefined where nobody says. */
export function freeMemory(device: Device): Promise<number | undefined> {
  return runtime.freeMemory(device);
}

/** The ONNX Runtime that computes: its version and the folder of its shared libraries. Undefined in a browser. */
export function runtimeLibrary(): RuntimeLibrary | undefined {
  return runtime.library();
}

/** Options of `chooseDevice`. */
export interface DeviceNeeds {
  /** Precision of the programs. Default `float32`. */
  readonly precision?: Precision;
  /** Says whether a device works. Default `deviceState`. */
  readonly stateOf?: (device: Device) => Promise<DeviceState>;
}

/**
 * The device to compile for. `auto` is the first of cuda and webgpu that works and is faster than the CPU: graphics drivers
 * that compute on the CPU themselves (SwiftShader, lavapipe) work too, but a hundred times slower.
 *
 * @throws DeviceUnavailableError where `wanted` does not work here
 *
 * Reference: onnxruntime.ai/docs/execution-providers.
 */
export async function chooseDevice(
  wanted: Device | 'auto',
  { precision = 'float32', stateOf = deviceState }: DeviceNeeds = {},
): Promise<Device> {
  const serves = (device: Device, state: DeviceState) =>
    state.works && (precision === 'float16' ? state.half : precision === 'float32' || device === 'cuda');
  if (wanted === 'cpu' && precision !== 'tf32') return 'cpu';
  if (wanted === 'auto') {
    for (const device of DEVICES) {
      if (device === 'cpu') break;
      const state = await stateOf(device);
      if (!state.works || !serves(device, state)) continue;
      const cpu = await stateOf('cpu');
      if (!cpu.works || state.flops > cpu.flops) return device;
    }
    if (precision !== 'tf32') return 'cpu';
    throw new DeviceUnavailableError(
      'precision tf32: only cuda has it, which does not work on this machine; use float32',
    );
  }
  const state = await stateOf(wanted);
  if (serves(wanted, state)) return wanted;
  const others = DEVICES.filter((device) => device !== wanted);
  const states = await Promise.all(others.map(stateOf));
  const usable = others.filter((other, i) => serves(other, states[i])).join(', ');
  if (state.works && precision === 'tf32') {
    const hint = usable === '' ? 'use float32' : `use float32, or ${usable}`;
    throw new DeviceUnavailableError(`device ${wanted}: only cuda computes in tf32; ${hint}`);
  }
  throw new DeviceUnavailableError(
    state.works
      ? `device ${wanted}: the card or its driver does not compute in float16; usable here: ${wanted} in float32, ${usable} in float16`
      : `device ${wanted}: does not work on this machine, ${state.reason}; usable here: ${usable}`,
  );
}
