/**
 * @file Set-up of every test file: a Vulkan driver that computes on the CPU, for tests on WebGPU without a GPU. Debian's `chromium` and
 * `libvulkan1` bring one.
 */
import { existsSync } from 'node:fs';

/** Descriptions of software drivers. */
const SOFTWARE_DRIVERS = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];

/** Points Vulkan to a software driver where the environment names none. Must run before the first session. */
function offerSoftwareDriver(): void {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES || existsSync('/dev/dri')) return;
  const driver = SOFTWARE_DRIVERS.find((file) => existsSync(file));
  if (!driver) return;
  process.env.VK_ICD_FILENAMES = driver;
  process.env.VK_DRIVER_FILES = driver;
}

if (process.env.SGOOL_TEST_DEVICE === 'webgpu') offerSoftwareDriver();
