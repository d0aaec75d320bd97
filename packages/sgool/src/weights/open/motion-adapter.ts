/** @file Motion adapters (AnimateDiff): motion modules that make clips of a model for pictures. */
import { files, host, places } from '#platform';
import { UserError } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { sourceOf, type TensorFile, type WeightSource, weightSource } from '../formats/weight-source.ts';
import type { Environment } from '../hub/environment.ts';
import { refuseAs } from '../names/known-files.ts';
import { isMotionName, motionName, ORIGINAL_TABLE } from '../names/motion.ts';
import { type Config, readConfig } from '../sources/read-config.ts';
import { resolveMotionAdapter } from './locate-model.ts';
import { type ModelComponent, openComponent, schedulerConfigOf } from './model-folder.ts';

/** Name of the adapter among the networks of a model, as in diffusers' AnimateDiffPipeline. */
export const MOTION_ADAPTER = 'motion_adapter';

/** An opened adapter. */
export interface MotionAdapter extends ModelComponent {
  /** `scheduler/scheduler_config.json` of its folder: how it was trained. Absent in published adapters. */
  readonly schedulerConfig?: Config;
}

/**
 * Opens a motion adapter. No weight is read.
 *
 * @param nameOrPath a folder of diffusers' MotionAdapter, the folder of a model that has one, a file with the names of diffusers or AnimateDiff,
 *   the name of one that comes with sgool (`toybox-motion`), or of a pulled adapter of the Hub
 * @throws UserError where there is none, or it is broken or of another kind
 */
export async function openMotionAdapter(nameOrPath: string, env?: Environment): Promise<MotionAdapter> {
  const path = host.locate(nameOrPath) === undefined ? resolveMotionAdapter(nameOrPath, env).dir : nameOrPath;
  if (await files.isFile(path)) return openFile(path);
  const inside = places.join(path, MOTION_ADAPTER);
  const isModel = await files.exists(places.join(inside, 'config.json'));
  if (!isModel && !(await files.exists(places.join(path, 'config.json')))) {
    throw new UserError(
      `${nameOrPath}: no motion adapter is in it, nor in a folder ${MOTION_ADAPTER}; give the folder of one, with config.json, or its file`,
    );
  }
  const found = await openComponent(isModel ? inside : path, { role: MOTION_ADAPTER });
  const { _class_name: kind = 'MotionAdapter' } = found.config;
  if (kind === 'MotionAdapter') return withScheduler(found, path);
  throw new UserError(`${found.dir}: its config.json is of a ${String(kind)}; a MotionAdapter is expected`);
}

async function withScheduler(found: ModelComponent, dir: string): Promise<MotionAdapter> {
  const schedulerConfig = await schedulerConfigOf(dir);
  return { ...found, name: MOTION_ADAPTER, ...(schedulerConfig && { schedulerConfig }) };
}

async function openFile(path: string): Promise<MotionAdapter> {
  const file = await openTensorFile(path);
  refuseAs('motion', file);
  const dir = places.dirname(path);
  const beside = places.join(dir, 'config.json');
  const stated = (await files.exists(beside)) ? await readConfig(beside) : {};
  const isOwn = stated._class_name === 'MotionAdapter';
  const others = [...file.tensors.keys()].filter((name) => !isMotionName(name));
  const weights = motionSource(file);
  const notes = [
    ...(others.length === 0
      ? []
      : [
          `${path}: what is not of motion modules is left out: ${others[0]}${others.length > 1 ? ` and ${others.length - 1} more` : ''}`,
        ]),
    ...(isOwn
      ? []
      : [
          `${path}: has no config.json: its motion modules are read with 8 heads and 32 groups, as AnimateDiff's`,
        ]),
  ];
  const found: ModelComponent = {
    name: MOTION_ADAPTER,
    dir,
    config: isOwn ? stated : inferMotionConfig(weights, tableLength(file)),
    weights,
    ...(notes.length === 0 ? {} : { notes }),
  };
  return isOwn ? withScheduler(found, dir) : found;
}

function motionSource(file: TensorFile): WeightSource {
  return weightSource(file, (name) => (isMotionName(name) ? motionName(name) : undefined));
}

/** The number of positions that the tables of a file have, in either naming. */
function tableLength({ tensors }: TensorFile): number | undefined {
  const name = [...tensors.keys()].find(
    (each) => ORIGINAL_TABLE.test(each) || each.endsWith('.pos_embed.pe'),
  );
  return name === undefined ? undefined : tensors.get(name)?.shape[1];
}

/** What the shapes of an adapter say of its configuration. @throws UserError where it has no module where each has one */
function inferMotionConfig({ path, tensors, names }: WeightSource, length: number | undefined): Config {
  const widthOf = (module: string) => tensors.get(`${module}.norm.weight`)?.shape[0];
  const count = (exists: (i: number) => boolean) => {
    let i = 0;
    while (exists(i)) i++;
    return i;
  };
  const blocks = count((i) => widthOf(`down_blocks.${i}.motion_modules.0`) !== undefined);
  if (blocks === 0) {
    throw new UserError(
      `${path}: not a motion adapter: it has no down_blocks.0.motion_modules.0.norm.weight`,
    );
  }
  const down = Array.from({ length: blocks }, (_, i) => `down_blocks.${i}.motion_modules`);
  const layersOf = (module: string) =>
    count((i) => tensors.has(`${module}.transformer_blocks.${i}.norm1.weight`));
  const middle = 'mid_block.motion_modules.0';
  const usesMiddle = names().some((name) => name.startsWith('mid_block.'));
  return {
    _class_name: 'MotionAdapter',
    block_out_channels: down.map((block) => widthOf(`${block}.0`)),
    motion_layers_per_block: down.map((block) => count((i) => widthOf(`${block}.${i}`) !== undefined)),
    motion_transformer_layers_per_block: down.map((block) => layersOf(`${block}.0`)),
    use_motion_mid_block: usesMiddle,
    ...(usesMiddle && { motion_transformer_layers_per_mid_block: layersOf(middle) }),
    ...(length !== undefined && { motion_max_seq_length: length }),
  };
}

/**
 * A UNet with the motion modules of an adapter among its weights, in the place of its own.
 *
 * @param unet of diffusers' UNet2DConditionModel or UNetMotionModel
 */
export function withMotionModules(unet: ModelComponent, { weights }: MotionAdapter): ModelComponent {
  const own = [...unet.weights.tensors].filter(([name]) => !isMotionName(name));
  return { ...unet, weights: sourceOf(unet.weights.path, new Map([...own, ...weights.tensors])) };
}
