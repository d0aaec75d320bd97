/**
 * @file Options of ONNX Runtime's execution providers: those that its bindings pass, what they may be, and where they go. Of CUDA's own
 * options the binding for Node passes none but the number of the card (docs/decisions/0022).
 *
 * Reference: onnxruntime.ai/docs/execution-providers; js/node/src/session_options_helper.cc of ONNX Runtime.
 */
import type { InferenceSession } from 'onnxruntime-common';
import type { Device } from '../passes/target.ts';

/** Options by name, as texts. */
export type DeviceOptions = Readonly<Record<string, string>>;

/** One option of a device. */
export interface DeviceOption {
  /** The values that it may have; `number` is a whole number from 0. */
  readonly values: readonly string[] | 'number';
  /** Whether the provider or the session gets it, or the session's entries of configuration. */
  readonly goesTo: 'provider' | 'session' | 'config';
}

const SWITCH = ['true', 'false'] as const;
const CACHE_MODES = ['disabled', 'lazyRelease', 'simple', 'bucket'] as const;
const onProvider = (...values: readonly string[]): DeviceOption => ({ values, goesTo: 'provider' });

/** Of every device. */
const SESSION: Readonly<Record<string, DeviceOption>> = {
  // Whether a run takes one block of memory for all activations, laid out by the run before.
  enableMemPattern: { values: SWITCH, goesTo: 'session' },
  // Whether constants get memory of their own instead of a place in the arena, which grows by doubling.
  use_device_allocator_for_initializers: { values: SWITCH, goesTo: 'config' },
};

/** The options that reach each device. */
export const DEVICE_OPTIONS: Readonly<Record<Device, Readonly<Record<string, DeviceOption>>>> = {
  cuda: { deviceId: { values: 'number', goesTo: 'provider' }, ...SESSION },
  webgpu: {
    preferredLayout: onProvider('NHWC', 'NCHW'),
    storageBufferCacheMode: onProvider(...CACHE_MODES),
    uniformBufferCacheMode: onProvider(...CACHE_MODES),
    defaultBufferCacheMode: onProvider(...CACHE_MODES),
    validationMode: onProvider('disabled', 'wgpuOnly', 'basic', 'full'),
    enableRobustness: onProvider(...SWITCH),
    ...SESSION,
  },
  cpu: { enableCpuMemArena: { values: SWITCH, goesTo: 'session' }, ...SESSION },
};

/** Options of CUDA's provider that ONNX Runtime has in other languages. */
const NOT_PASSED: ReadonlySet<string> = new Set([
  'gpu_mem_limit',
  'arena_extend_strategy',
  'cudnn_conv_algo_search',
  'cudnn_conv_use_max_workspace',
  'do_copy_in_default_stream',
  'enable_cuda_graph',
  'fuse_conv_bias',
  'prefer_nhwc',
  'sdpa_kernel',
  'tunable_op_enable',
  'use_ep_level_unified_stream',
  'use_tf32',
]);

/** @throws RangeError, one line, where an option does not exist, does not reach the device, or has another value */
export function checkDeviceOptions(device: Device, options: DeviceOptions): void {
  const known = DEVICE_OPTIONS[device];
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name)) {
      const there = `${device} has ${Object.keys(known).join(', ')}`;
      throw new RangeError(
        NOT_PASSED.has(name)
          ? `device option ${name}: ONNX Runtime's binding does not pass it to a provider; ${there}${name === 'use_tf32' ? '; TF32 is precision tf32' : ''}`
          : `device option ${name}: device ${device} has no such option; ${there}`,
      );
    }
    const { values } = known[name];
    if (values === 'number' ? /^\d{1,4}$/.test(value) : values.includes(value)) continue;
    const wanted = values === 'number' ? 'a whole number' : values.join(', ');
    throw new RangeError(`device option ${name}: must be ${wanted}, got "${value}"`);
  }
}

/** As ONNX Runtime takes it. */
function typedValue({ values }: DeviceOption, text: string): string | number | boolean {
  if (values === 'number') return Number(text);
  return values.includes('true') ? text === 'true' : text;
}

/** The options of a place, by name. */
function placed(device: Device, options: DeviceOptions, place: DeviceOption['goesTo']) {
  return Object.entries(options)
    .map(([name, text]) => ({ name, text, option: DEVICE_OPTIONS[device][name] }))
    .filter(({ option }) => option.goesTo === place)
    .map(({ name, text, option }) => [name, typedValue(option, text)] as const);
}

/** The provider called `device` with its options. */
export function providerWith(
  device: Device,
  options: DeviceOptions,
  usual: Readonly<Record<string, unknown>> = {},
): InferenceSession.ExecutionProviderConfig {
  const own = { ...usual, ...Object.fromEntries(placed(device, options, 'provider')) };
  if (Object.keys(own).length === 0) return device;
  return { name: device, ...own } as InferenceSession.ExecutionProviderConfig;
}

/** What a session gets itself, and its entries of configuration. */
export function sessionWith(
  device: Device,
  options: DeviceOptions,
): { readonly session: InferenceSession.SessionOptions; readonly config: Readonly<Record<string, string>> } {
  const config = placed(device, options, 'config').map(([name, value]) => [name, value ? '1' : '0'] as const);
  return {
    session: Object.fromEntries(placed(device, options, 'session')),
    config: Object.fromEntries(config),
  };
}
