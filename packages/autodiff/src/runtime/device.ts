/** @file What programs run on: which devices there are, which of them work on this machine, and what the others lack. */
import type { Precision } from '../passes/half-precision.ts';
import { probe } from './probe.ts';

/** ONNX Runtime's execution providers that this package is made for, the most capable first. */
export const DEVICES = ['cuda', 'webgpu', 'cpu'] as const;
export type Device = (typeof DEVICES)[number];

/** A device that was asked for and does not work here. The message is one line: what is missing, and what would work. */
export class DeviceUnavailableError extends Error {
  override readonly name = 'DeviceUnavailableError';
}

/** Whether a device works on this machine. */
export type DeviceState =
  | {
      readonly works: true;
      /** Floating-point operations per second of a matrix product, as far as it was worth measuring. */
      readonly flops: number;
      /** Whether it computes in float16. */
      readonly half: boolean;
    }
  | {
      readonly works: false;
      /** What is missing. */
      readonly reason: string;
    };

const known = new Map<Device, Promise<DeviceState>>();

/** Whether `device` works on this machine: asked once per process, of a process of its own. */
export function deviceState(device: Device): Promise<DeviceState> {
  let state = known.get(device);
  if (!state) {
    state = probe(device);
    known.set(device, state);
  }
  return state;
}

export interface DeviceNeeds {
  /** What is to be computed in. Default `float32`. */
  readonly precision?: Precision;
  /** Says what works; asks the machine unless given. */
  readonly stateOf?: (device: Device) => Promise<DeviceState>;
}

/**
 * The device to compile for. `auto` is the first of cuda and webgpu that works and is faster than the processor: graphics
 * drivers that compute on the processor themselves (SwiftShader, lavapipe) work too, a hundred times slower.
 *
 * @throws DeviceUnavailableError where `wanted` does not work here
 */
export async function chooseDevice(
  wanted: Device | 'auto',
  { precision = 'float32', stateOf = deviceState }: DeviceNeeds = {},
): Promise<Device> {
  const serves = (state: DeviceState) => state.works && (precision === 'float32' || state.half);
  if (wanted === 'cpu') return 'cpu';
  if (wanted === 'auto') {
    for (const device of DEVICES) {
      if (device === 'cpu') break;
      const state = await stateOf(device);
      if (!state.works || !serves(state)) continue;
      const processor = await stateOf('cpu');
      if (!processor.works || state.flops > processor.flops) return device;
    }
    return 'cpu';
  }
  const state = await stateOf(wanted);
  if (serves(state)) return wanted;
  const others = DEVICES.filter((device) => device !== wanted);
  const states = await Promise.all(others.map(stateOf));
  const usable = others.filter((_, i) => serves(states[i])).join(', ');
  throw new DeviceUnavailableError(
    state.works
      ? `device ${wanted}: the card or its driver does not compute in float16; usable here: ${wanted} in float32, ${usable} in float16`
      : `device ${wanted}: does not work on this machine, ${state.reason}; usable here: ${usable}`,
  );
}
