/** @file The device that a subcommand is given. */
import { usageError } from '../../usage-error.ts';

/** @throws UserError unless it is `cuda`, the only device whose files can be added */
export function requireCuda(device: string): void {
  if (device === 'cuda') return;
  throw usageError(
    `devices: files can be added for cuda only, got "${device.slice(0, 40)}"; the others are in ONNX Runtime's package`,
  );
}
