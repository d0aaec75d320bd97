/**
 * @file The device that the tests of ops run on: the CPU, or the device in SGOOL_TEST_DEVICE (`npm run test:webgpu`). A driver
 * that computes on the CPU is offered by test/software-driver.ts.
 */
import { DEVICES, type Device, deviceState } from '@sgool/autodiff';

function wantedDevice(): Device {
  const name = process.env.SGOOL_TEST_DEVICE || 'cpu';
  const device = DEVICES.find((one) => one === name);
  if (!device)
    throw new Error(`SGOOL_TEST_DEVICE: no such device, got ${name}; give one of ${DEVICES.join(', ')}`);
  return device;
}

export const testDevice = wantedDevice();

// The CPU always works, and probing it would take a process for every test file.
const state = testDevice === 'cpu' ? ({ works: true, half: true } as const) : await deviceState(testDevice);

/** Why nothing can be tested on the device, or undefined. */
export const untestable = state.works ? undefined : `${testDevice}: ${state.reason}`;
/** Whether it computes in float16. */
export const hasHalf = state.works && state.half;
