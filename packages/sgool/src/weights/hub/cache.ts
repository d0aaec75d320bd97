/**
 * @file The cache on the disk, in the layout of `huggingface_hub`, so that downloads of Python tools are found and ours are
 * found by them: `models--org--name/{blobs/<hash>, refs/<branch>, snapshots/<commit>/<path> -> blob}`.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { copyFile, link, mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { writeFileAtomic } from '../sources/atomic-file.ts';
import { type Environment, hubCacheDir } from './environment.ts';

/** A model at one commit, as it lies in the cache. */
export interface HubSnapshot {
  /** `org/name`. */
  readonly id: string;
  readonly commit: string;
  /** Folder that holds the files under the names they have on the Hub. */
  readonly dir: string;
}

const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a revision is a commit, and so never moves. */
export const isCommit = (revision: string): boolean => COMMIT.test(revision);

/** Folder of one model in the cache. */
export function modelCacheDir(id: string, env?: Environment): string {
  return join(hubCacheDir(env), `models--${id.replace('/', '--')}`);
}

/**
 * A model in the cache; no network. Without a revision it is what `main` was at the last pull.
 *
 * @returns undefined where it was never pulled
 */
export function findSnapshot(id: string, revision?: string, env?: Environment): HubSnapshot | undefined {
  const model = modelCacheDir(id, env);
  const commit = revision !== undefined && isCommit(revision) ? revision : readRef(model, revision ?? 'main');
  if (commit !== undefined) {
    const dir = join(model, 'snapshots', commit);
    return existsSync(dir) ? { id, commit, dir } : undefined;
  }
  // A model that was pulled at one commit only has no `main`, but there is no doubt which one is meant.
  const [only, ...others] = revision === undefined ? commitsOf(model) : [];
  if (only === undefined || others.length > 0) return undefined;
  return { id, commit: only, dir: join(model, 'snapshots', only) };
}

const WEIGHT_FILE = /\.(safetensors|ckpt|pth?)$/;

/** What of a snapshot is the model: the folder, or its only file of weights where it is no folder of networks. */
export function modelPath({ dir }: HubSnapshot): string {
  const names = namesIn(dir);
  const [file, ...others] = names.filter((name) => WEIGHT_FILE.test(name));
  const isFolder = names.includes('model_index.json') || names.includes('config.json');
  return isFolder || file === undefined || others.length > 0 ? dir : join(dir, file);
}

function readRef(model: string, name: string): string | undefined {
  try {
    const commit = readFileSync(join(model, 'refs', name), 'utf8').trim();
    return isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

const namesIn = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []);
const commitsOf = (model: string) => namesIn(join(model, 'snapshots')).filter(isCommit);

/** Notes which commit a branch or tag stood for. */
export async function writeRef(model: string, name: string, commit: string): Promise<void> {
  const path = join(model, 'refs', name);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, commit);
}

export interface CachedModel extends HubSnapshot {
  /** Branches and tags that stand for this commit. */
  readonly refs: readonly string[];
  /** Files of this snapshot, by their path on the Hub. */
  readonly files: readonly string[];
  /** Bytes of its files; what two snapshots share counts in both. */
  readonly bytes: number;
}

/** Every snapshot of every model in the cache. */
export function listCachedModels(env?: Environment): CachedModel[] {
  const cache = hubCacheDir(env);
  return namesIn(cache).flatMap((folder) => {
    const [, org, name] = /^models--(.+?)--(.+)$/.exec(folder) ?? [];
    if (org === undefined) return [];
    const model = join(cache, folder);
    const refs = filesBelow(join(model, 'refs'));
    return commitsOf(model).map((commit) => {
      const dir = join(model, 'snapshots', commit);
      const files = filesBelow(dir);
      return {
        id: `${org}/${name}`,
        commit,
        dir,
        refs: refs.filter((ref) => readRef(model, ref) === commit),
        files,
        bytes: files.reduce((sum, file) => sum + statSync(join(dir, file)).size, 0),
      };
    });
  });
}

/** Paths of the files below a folder, with slashes; links to nowhere are left out. */
function filesBelow(dir: string, prefix = ''): string[] {
  return namesIn(dir).flatMap((name) => {
    const found = statSync(join(dir, name), { throwIfNoEntry: false });
    if (found === undefined) return [];
    return found.isDirectory() ? filesBelow(join(dir, name), `${prefix}${name}/`) : [prefix + name];
  });
}

/** Puts a blob into a snapshot under its name on the Hub: a relative link, or a copy where links are not allowed. */
export async function linkIntoSnapshot(blob: string, path: string, size: number): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.size === size) return;
  await mkdir(dirname(path), { recursive: true });
  // Made beside it and renamed, so that two pulls at once do not take the name from each other.
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`;
  await symlink(relative(dirname(path), blob), temporary)
    .catch(() => link(blob, temporary))
    .catch(() => copyFile(blob, temporary));
  await rename(temporary, path).catch(async (error) => {
    await rm(temporary, { force: true });
    throw error;
  });
}
