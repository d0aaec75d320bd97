/** @file `sgool models verify <model>`: checks the hashes of files, and the names and shapes of weights. */
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { printable, UserError } from '../../../errors.ts';
import { renameVaeAttention, weightSource } from '../../../weights/formats/weight-source.ts';
import type { FileCheck } from '../../../weights/hub/verify.ts';
import { DEFAULT_MODEL, resolveModel } from '../../../weights/open/locate-model.ts';
import type { ModelComponent } from '../../../weights/open/model-folder.ts';
import { openModel } from '../../../weights/open/open-model.ts';
import type { Host } from '../../host.ts';
import { formatBytes, formatTable } from '../../terminal/format.ts';
import { watchInterrupts } from '../../terminal/interrupt.ts';
import { createProgress, type Progress } from '../../terminal/progress.ts';
import { modelNotes } from './report.ts';

const NOTES = `
Files from the Hub are compared with the hash that the Hub gave; for other files
the hash is printed. Then the weights of every network are compared with the
names and shapes that its configuration requires.

Examples:
  sgool models verify CompVis/stable-diffusion-v1-4
  sgool models verify ./my-model --json`;

interface NetworkReport {
  readonly name: string;
  /** What is wrong, in words; undefined if nothing is, or if the kind of network is not known. */
  readonly problem?: string;
  /** Why it was not checked. */
  readonly note?: string;
  readonly weights?: number;
}

export function configureVerify(parent: Command, host: Host): void {
  parent
    .command('verify')
    .description('check the files of a model: hashes, and names and shapes of the weights')
    .argument('[model]', 'model: a name, a folder, a file, or org/name of a pulled model', DEFAULT_MODEL)
    .option('--quiet', 'show no progress')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((model: string, options: { quiet?: boolean; json?: boolean }) => verify(model, options, host));
}

async function verify(
  model: string,
  { quiet = false, json = false }: { quiet?: boolean; json?: boolean },
  host: Host,
): Promise<void> {
  const { name, dir } = resolveModel(model, host.env);
  const progress = createProgress(host.stderr, { quiet });
  const files = await hashFiles(dir, progress, host);
  const bad = files.filter(({ state }) => state === 'wrong' || state === 'missing');
  // Broken files say nothing about their weights.
  const { networks, notes } = bad.length === 0 ? await checkNetworks(dir) : { networks: [], notes: [] };
  const broken = networks.filter(({ problem }) => problem !== undefined);
  const ok = bad.length === 0 && broken.length === 0;
  host.stdout.write(
    json ? `${JSON.stringify({ name, dir, ok, files, networks, notes })}\n` : report(files, networks, notes),
  );
  if (ok) return;
  if (bad.length > 0) {
    const remedy = bad.map(({ file }) => file).join(' ');
    throw new UserError(
      `${name}: ${bad.length} of ${files.length} files are broken; remove them and pull again: rm ${remedy}`,
    );
  }
  const [network] = broken;
  throw new UserError(`${name}: ${network.name}: ${network.problem}`);
}

async function hashFiles(dir: string, progress: Progress, host: Host): Promise<FileCheck[]> {
  const { verifyFiles } = await import('../../../weights/hub/verify.ts');
  const interrupt = watchInterrupts(host, { onFirst: () => undefined, onForced: () => undefined });
  let drawnAt = 0;
  try {
    return await verifyFiles(dir, {
      signal: interrupt.signal,
      onProgress(done, total) {
        const now = performance.now();
        if (now - drawnAt < 80) return;
        drawnAt = now;
        progress.status(`reading ${formatBytes(done)} of ${formatBytes(total)}`);
      },
    });
  } catch (error) {
    if (error !== interrupt.signal.reason) throw error;
    throw new UserError('stopped', { exitCode: interrupt.exitCode });
  } finally {
    progress.end();
    interrupt.dispose();
  }
}

interface NetworkReports {
  readonly networks: readonly NetworkReport[];
  /** What of the model's files is assumed, or not used. */
  readonly notes: readonly string[];
}

async function checkNetworks(path: string): Promise<NetworkReports> {
  const isFile = statSync(path).isFile();
  if (!isFile && !existsSync(join(path, 'model_index.json'))) return { networks: [], notes: [] };
  const { checkNetwork, describeProblems } = await import('../../../networks/inspect/check-weights.ts');
  const checkOne = ({ name, dir: own, config, weights }: ModelComponent): NetworkReport => {
    const source = weightSource(weights, name === 'vae' ? renameVaeAttention : undefined);
    const result = checkNetwork(name, config, source, join(own, 'config.json'));
    if (result === undefined) return { name };
    const { asked, problems } = result;
    return {
      name,
      weights: asked.size,
      ...(problems.length > 0 ? { problem: describeProblems(problems) } : {}),
    };
  };
  try {
    const folder = await openModel(path);
    return { networks: [...folder.components.values()].map(checkOne), notes: modelNotes(folder) };
  } catch (error) {
    // A single file may hold another network, such as a CLIP or a LoRA: it is no model, but no fault either.
    if (!isFile || !(error instanceof UserError)) throw error;
    return { networks: [{ name: basename(path), note: `not checked: ${error.message}` }], notes: [] };
  }
}

const STATES: Readonly<Record<FileCheck['state'], string>> = {
  ok: 'ok',
  wrong: 'WRONG HASH',
  missing: 'MISSING',
  unknown: 'no hash known',
};

function report(
  files: readonly FileCheck[],
  networks: readonly NetworkReport[],
  notes: readonly string[],
): string {
  const rows = files.map(({ path, size, state, hash }) => [
    path,
    formatBytes(size),
    STATES[state],
    state === 'ok' ? '' : (hash ?? ''),
  ]);
  const checked = networks.map(({ name, weights, problem, note }) => [
    name,
    weights === undefined ? '' : `${weights} weights`,
    problem ?? note ?? (weights === undefined ? 'unknown kind, not checked' : 'ok'),
  ]);
  const tables = [rows, checked].flatMap((table) => (table.length > 0 ? [formatTable(table)] : []));
  const lines = notes.map((note) => `note: ${printable(note)}`).join('\n');
  return `${[...tables, ...(lines === '' ? [] : [lines])].join('\n\n')}\n`;
}
