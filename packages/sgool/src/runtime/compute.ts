/** @file What a model's programs run on, and in which precision. */
import {
  checkDeviceOptions,
  chooseDevice,
  type Device,
  type DeviceOptions,
  DeviceUnavailableError,
  type Precision,
} from '@sgool/autodiff';
import { UserError } from '../errors.ts';

/** The device and the precision of a model's programs. */
export interface ComputeOptions {
  /** `auto` takes the fastest that works here. Default `cpu`. */
  readonly device?: Device | 'auto';
  /**
   * `float16` halves the memory of graphics cards; norms, sums and the noise itself stay as they are. `tf32` is faster on NVIDIA's cards
   * and gives other pictures. Default `float32`.
   */
  readonly precision?: Precision;
  /** Options of the device's execution provider, such as `{ preferredLayout: 'NCHW' }`; `sgool devices --json` lists them. */
  readonly deviceOptions?: DeviceOptions;
}

/** Device and precision that were chosen. */
export interface Compute {
  readonly device: Device;
  readonly precision: Precision;
}

/**
 * Chooses device and precision.
 *
 * @throws UserError where the device does not work here: what is missing, and what would work; or where it has no such option
 */
export async function chooseCompute({
  device = 'cpu',
  precision = 'float32',
  deviceOptions = {},
}: ComputeOptions = {}): Promise<Compute> {
  try {
    const chosen = await chooseDevice(device, { precision });
    checkDeviceOptions(chosen, deviceOptions);
    return { device: chosen, precision };
  } catch (error) {
    if (error instanceof RangeError) throw new UserError(error.message, { cause: error });
    if (error instanceof DeviceUnavailableError) {
      throw new UserError(`${error.message} (sgool devices lists what works)`, { cause: error });
    }
    throw error;
  }
}
