/** @file What a model's programs run on, and in which precision. */
import { chooseDevice, type Device, DeviceUnavailableError, type Precision } from '@sgool/autodiff';
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
}

/** Device and precision that were chosen. */
export interface Compute {
  readonly device: Device;
  readonly precision: Precision;
}

/**
 * Chooses device and precision.
 *
 * @throws UserError where the device does not work here: what is missing, and what would work
 */
export async function chooseCompute({
  device = 'cpu',
  precision = 'float32',
}: ComputeOptions = {}): Promise<Compute> {
  try {
    return { device: await chooseDevice(device, { precision }), precision };
  } catch (error) {
    if (error instanceof DeviceUnavailableError) {
      throw new UserError(`${error.message} (sgool devices lists what works)`, { cause: error });
    }
    throw error;
  }
}
