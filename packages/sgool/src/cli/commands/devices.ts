/** @file `sgool devices`: what computes on this machine; its subcommands have files of their own in `devices/`. */
import { DEVICE_OPTIONS, type Device, deviceState, freeMemory, runtimeLibrary } from '@sgool/autodiff';
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { formatBytes, formatTable, oneLine } from '../terminal/format.ts';
import { configureAdd } from './devices/add.ts';
import { areInstalled } from './devices/cuda-files.ts';
import { configureRemove } from './devices/remove.ts';

const NOTES = `
Every device is tried in a process of its own, so that a broken driver does no
harm. The speed is that of a matrix product. --device takes one of these names,
--device-options the options that ONNX Runtime passes to it.

Examples:
  sgool devices
  sgool devices add cuda
  sgool devices add cuda --from onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl
  sgool devices remove cuda`;

const LISTED: readonly Device[] = ['cpu', 'webgpu', 'cuda'];

export function configure(command: Command, host: Host): void {
  command
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action(({ json = false }: { json?: boolean }) => list(json, host));
  for (const configureOne of [configureAdd, configureRemove]) configureOne(command, host);
}

async function list(json: boolean, { stdout }: Host): Promise<void> {
  const library = runtimeLibrary();
  const devices: Record<string, unknown>[] = [];
  const rows = [['device', 'works', 'speed', 'float16', 'free memory', 'what is missing']];
  for (const device of LISTED) {
    const state = await deviceState(device);
    const free = state.works ? await freeMemory(device) : undefined;
    const options = optionsOf(device);
    devices.push({ device, ...state, ...(free !== undefined && { freeMemory: free }), options });
    rows.push(
      state.works
        ? [
            device,
            'yes',
            formatSpeed(state.flops),
            state.half ? 'yes' : 'no',
            free ? formatBytes(free) : '?',
            '',
          ]
        : [device, 'no', '-', '-', '-', oneLine(state.reason)],
    );
  }
  const hint =
    library && (await deviceState('cuda')).works === false && !(await areInstalled(library.folder))
      ? '\nsgool devices add cuda installs the files for NVIDIA cards.'
      : '';
  if (json) stdout.write(`${JSON.stringify({ onnxRuntime: library?.version, devices })}\n`);
  else stdout.write(`${formatTable(rows)}\n\n${optionLines()}\n\nONNX Runtime ${library?.version}${hint}\n`);
}

/** The values that each option of a device may have. */
const optionsOf = (device: Device) =>
  Object.fromEntries(Object.entries(DEVICE_OPTIONS[device]).map(([name, { values }]) => [name, values]));

const optionLines = (): string =>
  LISTED.map(
    (device) => `--device-options of ${device}: ${Object.keys(DEVICE_OPTIONS[device]).join(', ')}`,
  ).join('\n');

const formatSpeed = (flops: number) =>
  flops >= 1e12 ? `${(flops / 1e12).toFixed(1)} TFLOP/s` : `${(flops / 1e9).toFixed(0)} GFLOP/s`;
