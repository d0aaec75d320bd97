/**
 * @file Models in the cache on the disk, in the layout of `huggingface_hub`, so that downloads of Python tools are found and
 * ours are found by them: `models--org--name/{blobs/<hash>, refs/<branch>, snapshots/<commit>/<path> -> blob}`.
 */
import { disk, places } from '#platform';
import { sum } from '../../numbers.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
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
  return places.join(hubCacheDir(env), `models--${id.replace('/', '--')}`);
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
    const dir = places.join(model, 'snapshots', commit);
    return disk.exists(dir) ? { id, commit, dir } : undefined;
  }
  // A model that was pulled at a single commit has no `main`, but only that commit can be meant.
  const [only, ...others] = revision === undefined ? commitsOf(model) : [];
  if (only === undefined || others.length > 0) return undefined;
  return { id, commit: only, dir: places.join(model, 'snapshots', only) };
}

const WEIGHT_FILE = /\.(safetensors|ckpt|pth?)$/;

/** Path of the model in a snapshot: the folder, or its only file of weights where it is not a folder of networks. */
export function modelPath({ dir }: HubSnapshot): string {
  const names = disk.list(dir);
  const [file, ...others] = names.filter((name) => WEIGHT_FILE.test(name));
  const isFolder = names.includes('model_index.json') || names.includes('config.json');
  return isFolder || file === undefined || others.length > 0 ? dir : places.join(dir, file);
}

function readRef(model: string, name: string): string | undefined {
  const commit = disk.readText(places.join(model, 'refs', name), SIZE_LIMITS.line)?.trim();
  return commit !== undefined && isCommit(commit) ? commit : undefined;
}

const commitsOf = (model: string) => disk.list(places.join(model, 'snapshots')).filter(isCommit);

/** A snapshot with its files. */
export interface CachedModel extends HubSnapshot {
  /** Branches and tags that point to this commit. */
  readonly refs: readonly string[];
  /** Files of this snapshot, by their path on the Hub. */
  readonly files: readonly string[];
  /** Bytes of its files; what two snapshots share counts in both. */
  readonly bytes: number;
}

/** Every snapshot of every model in the cache. */
export function listCachedModels(env?: Environment): CachedModel[] {
  const cache = hubCacheDir(env);
  return disk.list(cache).flatMap((folder) => {
    const [, org, name] = /^models--(.+?)--(.+)$/.exec(folder) ?? [];
    if (org === undefined) return [];
    const model = places.join(cache, folder);
    const refs = filesBelow(places.join(model, 'refs'));
    return commitsOf(model).map((commit) => {
      const dir = places.join(model, 'snapshots', commit);
      const files = filesBelow(dir);
      return {
        id: `${org}/${name}`,
        commit,
        dir,
        refs: refs.filter((ref) => readRef(model, ref) === commit),
        files,
        bytes: sum(files.map((file) => disk.size(places.join(dir, file)))),
      };
    });
  });
}

/** Paths of the files below a folder, with slashes; links to nowhere are left out. */
function filesBelow(dir: string, prefix = ''): string[] {
  return disk.list(dir).flatMap((name) => {
    const path = places.join(dir, name);
    if (disk.isFolder(path)) {
      // A cache links files only; links between folders may lead in a circle, whose ways double with every level.
      return disk.isLink(path) ? [] : filesBelow(path, `${prefix}${name}/`);
    }
    return disk.exists(path) ? [prefix + name] : [];
  });
}
