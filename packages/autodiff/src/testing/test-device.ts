/**
 * @file The device that the tests of ops run on: the CPU, or the device in SGOOL_TEST_DEVICE (`npm run test:webgpu`). Without a
 * GPU, Debian's `chromium` and `libvulkan1` give a Vulkan driver that computes on the CPU.
 */
import { existsSync } from 'node:fs';
import { DEVICES, type Device, deviceState } from '@sgool/autodiff';

/** Descriptions of software drivers. */
const SOFTWARE_DRIVERS = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];

function wantedDevice(): Device {
  const name = process.env.SGOOL_TEST_DEVICE || 'cpu';
  const device = DEVICES.find((one) => one === name);
  if (!device)
    throw new Error(`SGOOL_TEST_DEVICE: no such device, got ${name}; give one of ${DEVICES.join(', ')}`);
  return device;
}

export const testDevice = wantedDevice();

/** Points Vulkan to a software driver where the environment names none. Must run before the first session. */
function offerSoftwareDriver(): void {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES || existsSync('/dev/dri')) return;
  const driver = SOFTWARE_DRIVERS.find((file) => existsSync(file));
  if (!driver) return;
  process.env.VK_ICD_FILENAMES = driver;
  process.env.VK_DRIVER_FILES = driver;
}

if (testDevice === 'webgpu') offerSoftwareDriver();
// The CPU always works, and probing it would take a process for every test file.
const state = testDevice === 'cpu' ? ({ works: true, half: true } as const) : await deviceState(testDevice);

/** Why nothing can be tested on the device, or undefined. */
export const untestable = state.works ? undefined : `${testDevice}: ${state.reason}`;
/** Whether it computes in float16. */
export const hasHalf = state.works && state.half;
