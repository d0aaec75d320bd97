/** @file `sgool models add <name> <file>`: weights that lie behind links on web pages only. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../errors.ts';
import { ADDED_NAMES, type AddedName, openTensorFile, storeAdded } from '../weights/index.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import { formatBytes } from './format.ts';
import type { Host } from './host.ts';
import { createProgress } from './progress.ts';
import { didYouMean } from './suggest.ts';

const NOTES = `
  transalnet  TranSalNet_Res.pth or TranSalNet_Dense.pth, linked from github.com/LJOVO/TranSalNet: where people look
  hps         hpc.pth, linked from github.com/tgxs002/align_sd: Human Preference Score v1

Names and shapes are checked, and a copy is kept in the folder of sgool's own data (SGOOL_DATA_DIR, else sgool in
XDG_DATA_HOME or ~/.local/share), where every model finds it. The file itself is not needed any more after that.

Examples:
  sgool models add transalnet ~/Downloads/TranSalNet_Res.pth`;

export function configureAdd(parent: Command, host: Host): void {
  parent
    .command('add')
    .description('keep weights that were downloaded by hand')
    .argument('<name>', `what it is: ${ADDED_NAMES.join(', ')}`)
    .argument('<file>', 'safetensors, or what torch saved (.pth, .pt)')
    .option('--json', 'print one JSON object on stdout instead of the path')
    .addHelpText('after', NOTES)
    .action((name: string, file: string, options: { json?: boolean }) => add(name, file, options, host));
}

const isAddedName = (name: string): name is AddedName => (ADDED_NAMES as readonly string[]).includes(name);

async function add(name: string, path: string, { json = false }: { json?: boolean }, host: Host) {
  if (!isAddedName(name)) {
    throw new UserError(
      `models add: unknown, got ${name}; choose one of ${ADDED_NAMES.join(', ')}${didYouMean(name, ADDED_NAMES)}`,
      { exitCode: USAGE_ERROR },
    );
  }
  const progress = createProgress(host.stderr, { quiet: false });
  try {
    const { identifyWeights } = await import('../networks/index.ts');
    const file = await openTensorFile(resolve(host.cwd, path));
    const { title, config, tensors } = identifyWeights(name, file);
    const bytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    progress.status(`copying ${formatBytes(bytes)}`);
    const dir = await storeAdded(name, config, tensors, host.env);
    progress.note(`${title}: ${tensors.size} weights, ${formatBytes(bytes)}`);
    host.stdout.write(json ? `${JSON.stringify({ name, title, bytes, dir })}\n` : `${dir}\n`);
  } finally {
    progress.end();
  }
}
