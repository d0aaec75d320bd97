/** @file `sgool devices remove cuda`: puts back the files that `sgool devices add` has replaced. */
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import type { Host } from '../../host.ts';
import { installedRuntime, undoLibraries } from './cuda-files.ts';
import { requireCuda } from './device-argument.ts';

export function configureRemove(parent: Command, host: Host): void {
  parent
    .command('remove')
    .description('put back the files that were there before')
    .argument('<device>', 'cuda')
    .action((device: string) => remove(device, host));
}

async function remove(device: string, { stderr }: Host): Promise<void> {
  requireCuda(device);
  const { folder } = installedRuntime();
  if (!(await undoLibraries(folder))) {
    throw new UserError(
      `devices: sgool devices add has put no files into ${folder}; there is nothing to remove`,
    );
  }
  stderr.write('sgool: the CUDA files were removed; what was there before is back\n');
}
