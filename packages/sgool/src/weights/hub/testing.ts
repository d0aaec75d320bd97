/**
 * @file For tests: a small Hub on loopback that speaks the public one's protocol: commit and file lists under `/api`, small
 * files under `/resolve`, large ones by a redirect to a second server, as the Hub sends them to its storage. Not exported
 * from the package.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

export interface FakeModel {
  readonly commit: string;
  /** Other names of the commit; `main` unless given. */
  readonly refs?: readonly string[];
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  /** Asked for in `Authorization`, if given. */
  readonly token?: string;
  readonly gated?: boolean;
}

/** What goes wrong with one request for a file's content. */
export interface Fault {
  /** The connection is cut after so many bytes of this response. */
  readonly cutAfter?: number;
  /** The connection stays open and silent after so many bytes. */
  readonly stallAfter?: number;
  /** Answers with this status and nothing else. */
  readonly status?: number;
  /** Sends the whole file whatever was asked for. */
  readonly ignoreRange?: boolean;
  /** Sends these bytes in place of the file's. */
  readonly content?: Uint8Array;
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly range?: string;
  readonly authorization?: string;
  /** Whether it went to the storage, not to the Hub itself. */
  readonly storage: boolean;
}

export interface FakeHub {
  readonly endpoint: string;
  readonly models: Record<string, FakeModel>;
  readonly requests: SeenRequest[];
  /** Called for each request for content; `attempt` counts the requests for that path, from 0. */
  fault: (path: string, attempt: number) => Fault | undefined;
  /** Called first for each request; answers it itself where it returns true. */
  intercept: (request: IncomingMessage, response: ServerResponse, isStorage: boolean) => boolean;
  /** Address of the storage, which has another origin. */
  readonly storage: string;
  /** Variables that point at this Hub, with an empty cache. */
  readonly env: Readonly<Record<string, string>>;
  readonly cache: string;
  close(): Promise<void>;
}

/** Files listed in one answer: few, so that tests walk through several pages. */
const PAGE = 4;
const LARGE = /\.(safetensors|bin|ckpt|pt|pth)$/;

const bytesOf = (content: Uint8Array | string) => Buffer.from(content as string);
export const sha256 = (content: Uint8Array | string): string =>
  createHash('sha256').update(content).digest('hex');
export const gitHash = (content: Uint8Array | string): string =>
  createHash('sha1')
    .update(`blob ${bytesOf(content).length}\0`)
    .update(content)
    .digest('hex');

export async function startHub(models: Record<string, FakeModel>): Promise<FakeHub> {
  const home = await mkdtemp(path.join(os.tmpdir(), 'sgool-hub-'));
  const attempts = new Map<string, number>();
  const requests: SeenRequest[] = [];
  const note = (request: IncomingMessage, storage: boolean) =>
    requests.push({
      method: request.method ?? '',
      url: decodeURIComponent(request.url ?? ''),
      range: request.headers.range,
      authorization: request.headers.authorization,
      storage,
    });

  function send(request: IncomingMessage, response: ServerResponse, name: string, file: Uint8Array) {
    const attempt = attempts.get(name) ?? 0;
    attempts.set(name, attempt + 1);
    const { status, cutAfter, stallAfter, ignoreRange, content = file } = hub.fault(name, attempt) ?? {};
    if (status !== undefined) return response.writeHead(status).end();
    const [, from] = /^bytes=(\d+)-$/.exec((!ignoreRange && request.headers.range) || '') ?? [];
    const start = Number(from ?? 0);
    if (start >= content.length && start > 0) {
      return response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    }
    const body = content.subarray(start);
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': body.length,
      'accept-ranges': 'bytes',
      ...(from === undefined
        ? {}
        : { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
    });
    if (request.method === 'HEAD') return response.end();
    if (stallAfter !== undefined) return response.write(body.subarray(0, stallAfter));
    if (cutAfter === undefined) return response.end(body);
    return response.write(body.subarray(0, cutAfter), () => response.socket?.destroy());
  }

  const storage = await listen((request, response) => {
    note(request, true);
    if (hub.intercept(request, response, true)) return;
    const name = decodeURIComponent((request.url ?? '').slice(1));
    const [id, file] = name.split('//') as [string, string];
    send(request, response, file, bytesOf(hub.models[id].files[file]));
  });

  const main = await listen((request, response) => {
    note(request, false);
    if (hub.intercept(request, response, false)) return;
    const refuse = (status: number, code: string) =>
      response.writeHead(status, { 'x-error-code': code, 'x-error-message': code }).end();
    const url = new URL(request.url ?? '', hub.endpoint);
    const [, api, id, kind, revision, rest] =
      /^(\/api\/models)?\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.+))?$/.exec(url.pathname) ??
      [];
    const model = hub.models[id ?? ''];
    // As the public Hub does it: whoever has no token is not told which private models there are.
    if (model === undefined) {
      return refuse(request.headers.authorization ? 404 : 401, 'RepoNotFound');
    }
    if (model.token !== undefined && request.headers.authorization !== `Bearer ${model.token}`) {
      return refuse(401, 'RepoNotFound');
    }
    if (model.gated) return refuse(403, 'GatedRepo');
    const { commit, refs = ['main'], files } = model;
    if (![commit, ...refs].includes(decodeURIComponent(revision))) return refuse(404, 'RevisionNotFound');
    if (api !== undefined && kind === 'revision') {
      return json(response, { _id: '1', id, sha: commit, private: false, lastModified: '2026-11-22' });
    }
    if (api !== undefined) {
      const page = Number(url.searchParams.get('cursor') ?? 0);
      const next = new URL(url);
      next.searchParams.set('cursor', String(page + 1));
      const entries = Object.entries(files);
      const more = (page + 1) * PAGE < entries.length;
      const listed = entries
        .slice(page * PAGE, (page + 1) * PAGE)
        .map(([name, content]) => treeEntry(name, content));
      return json(response, listed, more ? { link: `<${next}>; rel="next"` } : {});
    }
    const name = decodeURIComponent(rest ?? '');
    const content = files[name];
    if (content === undefined) return refuse(404, 'EntryNotFound');
    response.setHeader('x-repo-commit', commit);
    if (!LARGE.test(name)) {
      response.setHeader('etag', `"${gitHash(content)}"`);
      return send(request, response, name, bytesOf(content));
    }
    return response
      .writeHead(302, {
        location: `${storage.url}/${encodeURIComponent(`${id}//${name}`)}`,
        'x-linked-size': bytesOf(content).length,
        'x-linked-etag': `"${sha256(content)}"`,
      })
      .end();
  });

  const hub: FakeHub = {
    endpoint: main.url,
    models,
    requests,
    fault: () => undefined,
    intercept: () => false,
    storage: storage.url,
    cache: path.join(home, 'hub'),
    env: { HF_ENDPOINT: main.url, HF_HOME: home },
    async close() {
      await Promise.all([main.close(), storage.close()]);
      await rm(home, { recursive: true, force: true });
    },
  };
  return hub;
}

function treeEntry(name: string, content: Uint8Array | string) {
  const size = bytesOf(content).length;
  const lfs = { oid: sha256(content), size, pointerSize: 130 };
  return { type: 'file', path: name, size, oid: gitHash(content), ...(LARGE.test(name) ? { lfs } : {}) };
}

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}) {
  return response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(value));
}

/** A server on loopback. */
export async function listen(handle: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const server: Server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A pipeline with the files that published ones have: several copies of each weight, and what nobody needs. */
export function fakePipeline(overrides: Partial<FakeModel> = {}): FakeModel {
  const weights = (name: string, length: number) => Buffer.alloc(length, name);
  return {
    commit: 'c'.repeat(40),
    files: {
      '.gitattributes': '*.bin filter=lfs\n',
      'README.md': '# a model\n',
      'model_index.json': JSON.stringify({
        _class_name: 'StableDiffusionPipeline',
        safety_checker: ['stable_diffusion', 'StableDiffusionSafetyChecker'],
        feature_extractor: [null, null],
        scheduler: ['diffusers', 'PNDMScheduler'],
        text_encoder: ['transformers', 'CLIPTextModel'],
        tokenizer: ['transformers', 'CLIPTokenizer'],
        unet: ['diffusers', 'UNet2DConditionModel'],
        vae: ['diffusers', 'AutoencoderKL'],
      }),
      'safety_checker/config.json': '{}',
      'safety_checker/model.safetensors': weights('never', 900),
      'scheduler/scheduler_config.json': '{}',
      'text_encoder/config.json': '{"a":1}',
      'text_encoder/model.fp16.safetensors': weights('text16', 500),
      'text_encoder/model.safetensors': weights('text32', 1000),
      'text_encoder/pytorch_model.bin': weights('text bin', 1000),
      'tokenizer/merges.txt': '#version: 0.2\n',
      'tokenizer/vocab.json': '{"<|endoftext|>":0}',
      'unet/config.json': '{"b":1}',
      'unet/diffusion_pytorch_model.fp16.safetensors': weights('unet16', 100_000),
      'unet/diffusion_pytorch_model.non_ema.safetensors': weights('unet raw', 200_000),
      'unet/diffusion_pytorch_model.safetensors': weights('unet32', 200_000),
      'unet_onnx/model.onnx': weights('onnx', 100),
      'vae/config.json': '{"c":1}',
      'vae/diffusion_pytorch_model.bin': weights('vae bin', 3000),
      'vae/diffusion_pytorch_model.safetensors': weights('vae32', 3000),
    },
    ...overrides,
  };
}
