/** @file `sgool models list` and `sgool models inspect <model>`; the other subcommands have files of their own. */
import type { Command } from 'commander';
import { DEFAULT_MODEL, listModels, resolveModel } from '../../weights/open/locate-model.ts';
import { openModelFolder } from '../../weights/open/model-folder.ts';
import { openModel } from '../../weights/open/open-model.ts';
import type { Host } from '../host.ts';
import { formatBytes, formatCount, formatTable } from '../terminal/format.ts';
import { configureAdd } from './models-add.ts';
import { addedWeights, cachedModels, describeElsewhere } from './models-elsewhere.ts';
import { configurePull } from './models-pull.ts';
import { inspectModel, type ModelReport } from './models-report.ts';
import { configureVerify } from './models-verify.ts';

const NOTES = `
Examples:
  sgool models list
  sgool models inspect toybox
  sgool models inspect ./stable-diffusion-v1-4 --tensors
  sgool models pull CompVis/stable-diffusion-v1-4
  sgool models add transalnet TranSalNet_Res.pth`;

export function configure(command: Command, host: Host): void {
  command.addHelpText('after', NOTES);
  command
    .command('list')
    .description('the models that are at hand: installed, pulled from the Hub, weights added by hand')
    .option('--json', 'print one JSON object on stdout')
    .action(({ json = false }: { json?: boolean }) => list(json, host));
  command
    .command('inspect')
    .description('components, shapes, parameters, sizes of a model')
    .argument(
      '[model]',
      'name of a model, a folder in the diffusers layout, or org/name of a pulled one',
      DEFAULT_MODEL,
    )
    .option('--tensors', 'every tensor with its shape')
    .option('--json', 'print one JSON object on stdout')
    .action((model: string, options: { tensors?: boolean; json?: boolean }) => inspect(model, options, host));
  for (const configureOther of [configurePull, configureVerify, configureAdd]) configureOther(command, host);
}

async function list(json: boolean, { stdout, env }: Host): Promise<void> {
  const reports = await Promise.all(
    listModels().map(async ({ name, dir }) => inspectModel(name, await openModelFolder(dir))),
  );
  if (json) {
    const elsewhere = { hub: cachedModels(env), added: addedWeights(env) };
    stdout.write(`${JSON.stringify({ models: reports.map(withoutTensors), ...elsewhere })}\n`);
    return;
  }
  const rows = reports.map(({ name, resolution, parameters, bytes, dir }) => [
    name,
    resolution === undefined ? '' : `${resolution.width}x${resolution.height}`,
    `${formatCount(parameters)} parameters`,
    formatBytes(bytes),
    dir,
  ]);
  stdout.write(rows.length > 0 ? `${formatTable(rows)}\n` : '');
  stdout.write(describeElsewhere(env));
  stdout.write('any folder in the diffusers layout can be used as well: --model <folder>\n');
}

async function inspect(
  model: string,
  { tensors = false, json = false }: { tensors?: boolean; json?: boolean },
  { stdout, env }: Host,
): Promise<void> {
  const { name, dir } = resolveModel(model, env);
  const report = inspectModel(name, await openModel(dir));
  if (json) {
    stdout.write(`${JSON.stringify(tensors ? report : withoutTensors(report))}\n`);
    return;
  }
  stdout.write(`${describe(report, tensors)}\n`);
}

function withoutTensors({ components, ...rest }: ModelReport) {
  return {
    ...rest,
    components: components.map(({ tensors, ...component }) => ({ ...component, tensors: tensors.length })),
  };
}

function describe(report: ModelReport, withTensors: boolean): string {
  const { name, dir, pipeline, resolution, latent, predictionType, parameters, bytes, components } = report;
  const facts = [
    ['model', name],
    ['folder', dir],
    ['pipeline', pipeline ?? 'not stated'],
    ['image', resolution === undefined ? 'not stated' : `${resolution.width} x ${resolution.height}`],
    ['latent', latent === undefined ? 'not stated' : latent.join(' x ')],
    ['prediction', predictionType],
    ['parameters', `${formatCount(parameters)} in ${formatBytes(bytes)}`],
  ];
  const rows = components.map((component) => [
    component.name,
    component.className ?? '',
    `${component.tensors.length} tensors`,
    `${formatCount(component.parameters)} parameters`,
    formatBytes(component.bytes),
    component.dtypes.join(', '),
    component.shape,
  ]);
  const sections = [formatTable(facts), formatTable(rows)];
  if (withTensors) {
    for (const component of components) {
      const lines = component.tensors.map(({ name: tensor, dtype, shape }) => [
        `  ${tensor}`,
        dtype,
        `[${shape.join(', ')}]`,
      ]);
      sections.push(`${component.name}\n${formatTable(lines)}`);
    }
  }
  return sections.join('\n\n');
}
