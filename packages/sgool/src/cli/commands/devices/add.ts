/** @file `sgool devices add cuda`: puts ONNX Runtime's files for NVIDIA cards where its package for Node finds them. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { deviceState } from '@sgool/autodiff';
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import type { Host } from '../../host.ts';
import { oneLine } from '../../terminal/format.ts';
import { installedRuntime, installLibraries, undoLibraries } from './cuda-files.ts';
import { requireCuda } from './device-argument.ts';
import { readLibraries } from './read-libraries.ts';

const NOTES = `
ONNX Runtime's package for Node brings no CUDA files. The Python wheel
onnxruntime-gpu of the same version has them; for 1.30 they are for CUDA 13 and
cuDNN 9, which come from NVIDIA; they know no WebGPU. --from takes that wheel, or a folder with its
files (onnxruntime/capi of an installed one). Without --from, pip downloads the
wheel.

The files replace those of the package. If the CPU does not compute with them,
everything is put back. sgool devices remove cuda puts it back too.`;

export function configureAdd(parent: Command, host: Host): void {
  parent
    .command('add')
    .description('install the files that a device needs')
    .argument('<device>', 'cuda')
    .option('--from <path>', 'wheel of onnxruntime-gpu, or a folder with its files (default: pip download)')
    .addHelpText('after', NOTES)
    .action((device: string, { from }: { from?: string }) => add(device, from, host));
}

async function add(device: string, from: string | undefined, host: Host): Promise<void> {
  requireCuda(device);
  const { folder, version } = installedRuntime();
  const place = from === undefined ? await download(version, host) : undefined;
  try {
    const libraries = await readLibraries(resolve(host.cwd, place?.wheel ?? from ?? ''), version);
    await installLibraries(folder, libraries);
  } finally {
    await place?.remove();
  }
  const cpu = await deviceState('cpu');
  if (!cpu.works) {
    await undoLibraries(folder);
    throw new UserError(
      `devices: with these files not even the CPU computes (${oneLine(cpu.reason)}); the files before were put back`,
    );
  }
  const cuda = await deviceState('cuda');
  host.stderr.write(
    cuda.works
      ? 'sgool: cuda works; use it with --device cuda\n'
      : `sgool: the files are in place, but cuda does not work yet: ${oneLine(cuda.reason)}\n`,
  );
  host.stdout.data(`${folder}\n`);
}

/** The wheel from the index that pip is set up for. */
async function download(version: string, { stderr }: Host) {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-cuda-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  const wanted = `onnxruntime-gpu==${version}`;
  const command = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--dest', dir, wanted];
  stderr.write(`sgool: python3 ${command.join(' ')}\n`);
  try {
    await promisify(execFile)('python3', command);
    const wheel = (await readdir(dir)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new UserError('devices: pip downloaded no wheel; give one with --from');
    return { wheel: join(dir, wheel), remove };
  } catch (error) {
    await remove();
    if (error instanceof UserError) throw error;
    const { code, stderr: text = '' } = error as { code?: unknown; stderr?: string };
    const reason =
      code === 'ENOENT' ? 'there is no python3 here' : (text.trim().split('\n').at(-1) ?? '').slice(0, 200);
    throw new UserError(
      `devices: pip could not download ${wanted} (${oneLine(reason)}); download the wheel yourself and give it with --from`,
      { cause: error },
    );
  }
}
