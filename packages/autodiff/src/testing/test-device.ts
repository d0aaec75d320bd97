/**
 * @file The device that the ops' tests run on: the processor, or what SGOOL_TEST_DEVICE names (`npm run test:webgpu`). Without a
 * graphics card Debian's `chromium` and `libvulkan1` give a Vulkan driver that computes on the processor.
 */
import { existsSync } from 'node:fs';
import { DEVICES, type Device, deviceState } from '@sgool/autodiff';

/** Where drivers in software describe themselves. */
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

/** Makes a driver in software known to Vulkan where the environment names none. Before the first session. */
function offerSoftwareDriver(): void {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES || existsSync('/dev/dri')) return;
  const driver = SOFTWARE_DRIVERS.find((file) => existsSync(file));
  if (!driver) return;
  process.env.VK_ICD_FILENAMES = driver;
  process.env.VK_DRIVER_FILES = driver;
}

if (testDevice === 'webgpu') offerSoftwareDriver();
// The processor need not be asked: a process of its own for every test file.
const state = testDevice === 'cpu' ? ({ works: true, half: true } as const) : await deviceState(testDevice);

/** Why nothing can be tested on the device, or undefined. */
export const untestable = state.works ? undefined : `${testDevice}: ${state.reason}`;
/** Whether it computes in float16. */
export const hasHalf = state.works && state.half;
