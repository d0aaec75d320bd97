/** @file The names of devices and precisions, as options take them. Importing this file loads no runtime. */
import type { Device, Precision } from '@sgool/autodiff';

/** The first is the default; `auto` takes whichever computes fastest on this machine. */
export const DEVICE_NAMES = ['cpu', 'webgpu', 'cuda', 'auto'] as const satisfies readonly (Device | 'auto')[];
export type DeviceName = (typeof DEVICE_NAMES)[number];

/** The first is the default. */
export const PRECISION_NAMES = ['float32', 'tf32', 'float16'] as const satisfies readonly Precision[];
export type PrecisionName = (typeof PRECISION_NAMES)[number];
