/** @file Selecting the files of a repository that a model needs: one copy of each weight, and the small files. */
import { UserError } from '../../errors.ts';
import { EXTRA_NETWORKS } from '../names/extra-networks.ts';
import type { HubFile } from './client.ts';

/** Which of several weights to take. */
export interface FileChoice {
  /** Weights to take, for instance `fp16`. Default: the plain ones, else any. */
  readonly variant?: string;
  /** Exactly these paths, plus the small files. For repositories with several single-file models. */
  readonly files?: readonly string[];
}

/** Parts of a pipeline that sgool never runs. */
const NEVER = new Set(['safety_checker', 'image_encoder']);

/** Configurations and tokenizers, but not code, images and the like. */
const SMALL = /(^|\/)([\w.-]+\.json|merges\.txt|vocab\.txt|spiece\.model)$/;
const SINGLE = /^[^/]+\.(safetensors|ckpt|pth?)$/;

const WEIGHTS =
  /^(?:diffusion_pytorch_model|model|pytorch_model)(?:\.(?<variant>\w+))?(?:-\d{5}-of-\d{5})?(?:\.(?<older>\w+))?\.(?<format>safetensors|bin)$/;
const INDEX =
  /^(?:diffusion_pytorch_model|model|pytorch_model)(?:\.(?<variant>\w+))?\.(?<format>safetensors|bin)\.index(?:\.(?<older>\w+))?\.json$/;

interface WeightName {
  /** Empty for the plain weights. */
  readonly variant: string;
  readonly format: string;
}

function weightName(name: string): WeightName | undefined {
  const groups = (WEIGHTS.exec(name) ?? INDEX.exec(name))?.groups;
  return groups && { variant: groups.variant ?? groups.older ?? '', format: groups.format };
}

/**
 * Chooses the files of a model.
 *
 * @param id for messages
 * @param files all files of the repository
 * @param modelIndex content of `model_index.json`, where there is one
 * @throws UserError when the variant or a named file does not exist, or the choice is ambiguous
 */
export function selectFiles(
  id: string,
  files: readonly HubFile[],
  { variant, files: named }: FileChoice = {},
  modelIndex?: Readonly<Record<string, unknown>>,
): HubFile[] {
  if (named !== undefined) return [...new Set([...namedFiles(id, files, named), ...smallFiles(files, '')])];
  if (modelIndex !== undefined) return pipelineFiles(id, files, modelIndex, variant);
  const rootWeights = weightFiles(id, files, [''], variant);
  if (rootWeights.length > 0) return [...smallFiles(files, ''), ...rootWeights];
  return [...smallFiles(files, ''), ...singleFile(id, files)];
}

function pipelineFiles(
  id: string,
  files: readonly HubFile[],
  modelIndex: Readonly<Record<string, unknown>>,
  variant: string | undefined,
): HubFile[] {
  const parts = Object.entries(modelIndex).flatMap(([name, value]) =>
    Array.isArray(value) && value.some((entry) => entry !== null) && !NEVER.has(name) ? [name] : [],
  );
  const folders = [...new Set([...parts, ...EXTRA_NETWORKS])].map((name) => `${name}/`);
  const small = ['', ...folders, ...folders.map((folder) => `${folder}tokenizer/`)];
  return [
    ...small.flatMap((folder) => smallFiles(files, folder)),
    ...weightFiles(id, files, folders, variant),
  ];
}

const directlyIn = (files: readonly HubFile[], folder: string) =>
  files.filter(({ path }) => path.startsWith(folder) && !path.slice(folder.length).includes('/'));

/** Small files of one folder; the index of a sharded weight counts as a weight. */
const smallFiles = (files: readonly HubFile[], folder: string) =>
  directlyIn(files, folder).filter(
    ({ path }) => SMALL.test(path) && weightName(path.slice(folder.length)) === undefined,
  );

function weightFiles(
  id: string,
  files: readonly HubFile[],
  folders: readonly string[],
  variant: string | undefined,
): HubFile[] {
  const groups = folders.map((folder) => groupWeights(files, folder)).filter((group) => group.size > 0);
  const variants = new Set(groups.flatMap((group) => [...group.keys()].map((key) => key.split('/')[0])));
  if (variant !== undefined && groups.length > 0 && !variants.has(variant)) {
    const there = [...variants].map((name) => name || 'the plain one').join(', ');
    throw new UserError(`hub: ${id} has no variant ${variant}; it has ${there}`);
  }
  return groups.flatMap((group) => bestWeights(group, variant));
}

/** The weights of one folder, by `variant/format`. */
function groupWeights(files: readonly HubFile[], folder: string): Map<string, HubFile[]> {
  const groups = new Map<string, HubFile[]>();
  for (const file of directlyIn(files, folder)) {
    const name = weightName(file.path.slice(folder.length));
    if (name === undefined) continue;
    const key = `${name.variant}/${name.format}`;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return groups;
}

/** In order of preference: the variant, the plain ones, fp16, others; of each, safetensors before pickles. */
function bestWeights(group: ReadonlyMap<string, HubFile[]>, variant = ''): HubFile[] {
  const variants = [variant, '', 'fp16', ...Array.from(group.keys(), (key) => key.split('/')[0])];
  const order = variants.flatMap((name) => [`${name}/safetensors`, `${name}/bin`]);
  const best = order.find((key) => group.has(key));
  return (best === undefined ? undefined : group.get(best)) ?? [];
}

function namedFiles(id: string, files: readonly HubFile[], named: readonly string[]): HubFile[] {
  return named.map((path) => {
    const found = files.find((file) => file.path === path);
    if (found !== undefined) return found;
    const likely = files.filter((file) => /\.(safetensors|ckpt|pth?|bin)$/.test(file.path));
    const hint = likely.length > 0 ? `; it has ${likely.map((file) => file.path).join(', ')}` : '';
    throw new UserError(`hub: ${id} has no file ${path}${hint}`);
  });
}

/** The weights of a repository that is neither a pipeline nor a network in the usual layout. */
function singleFile(id: string, files: readonly HubFile[]): HubFile[] {
  const found = files.filter(({ path }) => SINGLE.test(path));
  if (found.length === 1) return found;
  if (found.length === 0) throw new UserError(`hub: ${id} has no weights that sgool can read`);
  // Where the same weights exist in a safe format and as a pickle, the safe format is meant.
  const safe = found.filter(({ path }) => path.endsWith('.safetensors'));
  if (safe.length === 1) return safe;
  const names = found.map(({ path }) => path).join(', ');
  throw new UserError(`hub: ${id} holds several models; name one with --file: ${names}`);
}
