/** @file Downloading a model from the Hub into the cache. Node only. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { sum } from '../../numbers.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { readConfig } from '../sources/read-config.ts';
import { findSnapshot, isCommit, modelCacheDir } from './cache.ts';
import { createHubClient, type HubClient, type HubFile } from './client.ts';
import { downloadFile, incompletePath, megabytes } from './download.ts';
import { type Environment, hubCacheDir, hubEndpoint, hubToken, isHubOffline } from './environment.ts';
import { checkFileNames } from './file-names.ts';
import { freeBytes } from './free-bytes.ts';
import { HUB_LIMITS, type HubLimits } from './limits.ts';
import { type HeldLock, LostLock, removeDeadLock, withLock } from './lock.ts';
import { requireModelId } from './model-id.ts';
import { type FileChoice, selectFiles } from './select-files.ts';
import { linkIntoSnapshot, writeRef } from './write-cache.ts';

/** Progress of a pull. */
export interface PullProgress {
  /** The file that this event is about. */
  readonly file: string;
  readonly state: 'downloading' | 'waiting' | 'done';
  /** Of this file. */
  readonly fileBytes: number;
  readonly fileSize: number;
  /** Of all files; bytes that were in the cache count as done. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly filesDone: number;
  readonly files: number;
}

/** How a model is pulled. */
export interface PullOptions extends FileChoice {
  /** Branch, tag or commit. Default: the one in the name, else `main`. */
  readonly revision?: string;
  /** Variables that say where the cache is, which Hub, which token; `process.env` unless given. */
  readonly env?: Environment;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Stops the pull; the bytes that arrived are kept. */
  readonly signal?: AbortSignal;
  /** Retries, and limits of time and size, where they are not to be the usual ones. */
  readonly network?: Partial<HubLimits>;
}

/** The result of a pull. */
export interface PulledModel {
  readonly id: string;
  readonly revision: string;
  readonly commit: string;
  /** The snapshot: a folder in the diffusers layout, if the model has one. */
  readonly dir: string;
  /** Paths of the files that the model needs. */
  readonly files: readonly string[];
  readonly bytes: number;
  /** Bytes that came over the network this time. */
  readonly downloaded: number;
  /** Whether the Hub was not contacted, because `HF_HUB_OFFLINE` is set. */
  readonly offline: boolean;
}

/** Number of files that are fetched at the same time: enough to hide the round trips of small ones. */
const CONNECTIONS = 4;

/**
 * Downloads a model into the cache that all Hugging Face tools share: configurations, tokenizer, and one copy of each weight (the
 * wanted variant; safetensors before pickles; never the safety checker). An interrupted pull is resumed. Every file is checked
 * against the size and hash that the Hub announces before it gets its name. Files that are in the cache are not fetched again.
 *
 * @param name `org/name` or `org/name@revision`
 * @throws UserError in one line: unknown or private model, network, full disk, wrong hash, offline
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<PulledModel> {
  const { env = process.env, signal } = options;
  const { id, revision = 'main' } = requireModelId(name, options.revision);
  if (isHubOffline(env)) return pulledBefore(id, revision, options);
  const limits = { ...HUB_LIMITS, ...options.network };
  const client = createHubClient({ endpoint: hubEndpoint(env), token: hubToken(env), limits });
  const commit = await client.commit(id, revision, signal);
  const model = modelCacheDir(id, env);
  const dir = join(model, 'snapshots', commit);
  const pull: Pull = { client, id, commit, model, limits, options };
  try {
    const listed = await client.files(id, commit, signal);
    const wanted = selectFiles(id, listed, options, await modelIndexOf(listed, pull));
    checkFileNames(
      id,
      wanted.map(({ path }) => path),
    );
    const downloaded = await fetchFiles(wanted, pull);
    // Last, so that neither the snapshot nor `main` ever names an incomplete model.
    for (const file of wanted) await linkIntoSnapshot(blobPath(file, pull), join(dir, file.path), file.size);
    if (!isCommit(revision)) await writeRef(model, revision, commit);
    return { id, revision, commit, dir, ...sums(wanted), downloaded, offline: false };
  } catch (error) {
    signal?.throwIfAborted();
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`hub: cannot write to the cache ${hubCacheDir(env)}: ${reason}`, { cause: error });
  }
}

const sums = (files: readonly HubFile[]) => ({
  files: files.map(({ path }) => path),
  bytes: sum(files.map(({ size }) => size)),
});

/** The context of one pull. */
interface Pull {
  readonly client: HubClient;
  readonly id: string;
  readonly commit: string;
  /** Folder of the model in the cache. */
  readonly model: string;
  readonly limits: HubLimits;
  readonly options: PullOptions;
}

/** Offline, the result is that of an earlier pull. */
function pulledBefore(id: string, revision: string, { env }: PullOptions): PulledModel {
  const found = findSnapshot(id, revision, env);
  if (found === undefined) {
    const shown = revision === 'main' ? id : `${id}@${revision}`;
    throw new UserError(
      `hub: ${shown} is not in the cache ${hubCacheDir(env)}, and HF_HUB_OFFLINE forbids fetching it; unset it to pull`,
    );
  }
  return { ...found, revision, files: [], bytes: 0, downloaded: 0, offline: true };
}

/** `model_index.json` of a pipeline, which names the folders of the model. */
async function modelIndexOf(files: readonly HubFile[], pull: Pull) {
  const index = files.find(({ path }) => path === 'model_index.json');
  if (index === undefined) return undefined;
  if (index.size > pull.limits.answerBytes) {
    throw new UserError(
      `hub: ${pull.id}: model_index.json has ${megabytes(index.size)}, which is no list of parts`,
    );
  }
  await fetchFile(index, pull, () => undefined);
  return readConfig(blobPath(index, pull));
}

/** @returns the bytes that came over the network */
async function fetchFiles(files: readonly HubFile[], pull: Pull): Promise<number> {
  const { onProgress, signal } = pull.options;
  const { bytes: totalBytes } = sums(files);
  const here = new Map<HubFile, number>();
  for (const file of files) here.set(file, await bytesHere(file, pull));
  const before = sum(here.values());
  await checkSpace(totalBytes - before, pull);

  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  let filesDone = 0;
  const report = (file: HubFile, state: PullProgress['state'], fileBytes: number) => {
    here.set(file, fileBytes);
    const { path, size: fileSize } = file;
    const bytes = sum(here.values());
    onProgress?.({
      file: path,
      state,
      fileBytes,
      fileSize,
      bytes,
      totalBytes,
      filesDone,
      files: files.length,
    });
  };
  const queue = files.values();
  const worker = async () => {
    for (const file of queue) {
      await fetchFile(file, pull, (state, bytes) => report(file, state, bytes), stop);
      filesDone++;
      report(file, 'done', file.size);
    }
  };
  await Promise.all(
    Array.from({ length: CONNECTIONS }, () =>
      worker().catch((error) => {
        // The first failure stops the other downloads and is the one that is reported.
        if (!failed.signal.aborted) failed.abort(error);
      }),
    ),
  );
  signal?.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  return totalBytes - before;
}

const blobPath = ({ hash }: HubFile, { model }: Pull) => join(model, 'blobs', hash);
const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size;

/** Bytes of a file that are in the cache, from this or an earlier pull. */
async function bytesHere(file: HubFile, pull: Pull): Promise<number> {
  const blob = blobPath(file, pull);
  if ((await sizeOf(blob)) === file.size) return file.size;
  const partial = (await sizeOf(incompletePath(blob))) ?? 0;
  return partial > file.size ? 0 : partial;
}

/** Times that a file is begun again after another process has taken over its lock. */
const TAKEOVERS = 3;

/** Downloads a file to the blobs unless it is there. */
async function fetchFile(
  file: HubFile,
  pull: Pull,
  onState: (state: 'downloading' | 'waiting', bytes: number) => void,
  outer = pull.options.signal,
): Promise<void> {
  const { client, id, commit, model, limits } = pull;
  const target = blobPath(file, pull);
  const path = join(model, '..', '.locks', `models--${id.replace('/', '--')}`, `${file.hash}.sgool`);
  const isHere = async () => (await sizeOf(target)) === file.size;
  // A process that was killed between its last byte and the end of its lock leaves both.
  if (await isHere()) return removeDeadLock(path);
  const onBytes = (bytes: number) => onState('downloading', bytes);
  const download = async (lock: HeldLock) => {
    if (await isHere()) return; // another process was faster
    const signal = outer === undefined ? lock.signal : AbortSignal.any([outer, lock.signal]);
    await downloadFile({ client, id, commit, file, target, limits, lock, signal, onBytes });
  };
  for (let takeovers = 0; ; takeovers++) {
    try {
      await withLock(path, download, { signal: outer, onWait: () => onState('waiting', 0) });
      return;
    } catch (error) {
      if (!(error instanceof LostLock)) throw error;
      if (takeovers < TAKEOVERS) continue;
      throw new UserError(
        `hub: other processes have taken over the download of ${file.path} ${TAKEOVERS + 1} times, because this one stood still; run the same command again`,
        { cause: error },
      );
    }
  }
}

/** @throws UserError when the disk has too little space for the missing bytes */
async function checkSpace(missing: number, { id, model, options }: Pull): Promise<void> {
  if (missing === 0) return;
  const free = await freeBytes(model);
  if (free === undefined || free >= missing) return;
  throw new UserError(
    `hub: ${id} needs ${megabytes(missing)} more, the disk of ${hubCacheDir(options.env)} has ${megabytes(free)} left; make room, or set HF_HUB_CACHE to a folder on another disk`,
  );
}
