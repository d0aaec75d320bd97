import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { deflateSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import { resolveModel } from '../weights/open/locate-model.ts';
import { openModelFolder } from '../weights/open/model-folder.ts';
import { PIPELINE } from '../weights/testing.ts';
import { SIZE_LIMITS } from './size-limits.ts';
import { compression, files, host, places } from './web.ts';

// Everything above the platform reads from URLs in this file.
vi.mock('#platform', () => import('./web.ts'));

let server: Server;
let url: string;
/** Whether the server honours Range requests. */
let ranges = true;
const requests: string[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ''}`.trim());
    const file = await readFile(join(PIPELINE, request.url ?? '')).catch(() => undefined);
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
    if (start === undefined || !ranges) {
      response.writeHead(200).end(file);
      return;
    }
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${file.length}` });
    response.end(file.subarray(Number(start), Number(end) + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

describe('places', () => {
  it('joins, splits and resolves URLs', () => {
    expect(places.join('https://host/models/', 'unet/', 'config.json')).toBe(
      'https://host/models/unet/config.json',
    );
    expect(places.dirname('https://host/models/a.ckpt')).toBe('https://host/models');
    expect(places.basename('https://host/my%20models/toybox/')).toBe('toybox');
    expect(places.basename('https://host/my%20model?download=true')).toBe('my model');
    expect(places.resolve('./models/')).toBe('http://localhost/models');
    expect(host.locate('org/name')).toBeUndefined();
    expect(host.locate('/models/toybox/')).toBe('http://localhost/models/toybox');
  });

  it('finds models by their URL and says so', () => {
    expect(resolveModel('https://host/models/toybox/').dir).toBe('https://host/models/toybox');
    expect(() => resolveModel('org/name')).toThrow('give the URL of a folder in the diffusers layout');
  });
});

describe('files', () => {
  it('says what is missing in one line', async () => {
    await expect(files.readText(`${url}/none.json`, SIZE_LIMITS.config)).rejects.toThrow(
      `cannot read ${url}/none.json: the file does not exist`,
    );
    expect(await files.exists(`${url}/none.json`)).toBe(false);
    expect(await files.exists(`${url}/model_index.json`)).toBe(true);
    expect([await files.isFile(`${url}/model_index.json`), await files.isFile(url)]).toEqual([true, false]);
  });

  it.each([true, false])('reads ranges of bytes, whether the server honours them: %s', async (honoured) => {
    ranges = honoured;
    const whole = await readFile(join(PIPELINE, 'unet/config.json'));
    await files.withFile(`${url}/unet/config.json`, async (file) => {
      expect(file.size).toBe(whole.length);
      expect([...(await file.read(3, 7))]).toEqual([...whole.subarray(3, 10)]);
      expect(await file.read(5, 0)).toHaveLength(0);
      await expect(file.read(whole.length - 1, 2)).rejects.toThrow('it is truncated');
    });
    ranges = true;
  });

  it('opens a model folder and its tokenizer, of the weights only the headers', async () => {
    requests.length = 0;
    const { components, tokenizers, name } = await openModelFolder(`${url}/sub/..`);
    expect([...components.keys()].slice(0, 3)).toEqual(['unet', 'vae', 'text_encoder']);
    expect(name).toBe('');
    const weights = requests.filter((line) => line.startsWith('GET') && line.includes('.safetensors'));
    expect(weights.length).toBeGreaterThan(0);
    expect(weights.every((line) => line.includes('bytes='))).toBe(true);
    expect((await loadTokenizer(tokenizers.get('tokenizer')?.dir ?? '')).vocabSize).toBeGreaterThan(0);
  });
});

describe('compression', () => {
  it('agrees with zlib, and refuses what unpacks to more than the limit', () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251);
    const same = (other: Uint8Array) => Buffer.compare(bytes, other) === 0;
    expect(same(inflateSync(compression.deflate(bytes)))).toBe(true);
    // RFC 1950: the default level.
    expect([...compression.deflate(bytes).subarray(0, 2)]).toEqual([0x78, 0x9c]);
    expect(same(compression.inflate(deflateSync(bytes), 300_000))).toBe(true);
    expect(same(compression.gunzip(gzipSync(bytes), 300_000))).toBe(true);
    expect(() => compression.inflate(deflateSync(bytes), 299_999)).toThrow('more than 299999 bytes');
    expect(() => compression.gunzip(Uint8Array.of(1, 2, 3), 10)).toThrow('truncated');
    expect(() => compression.inflate(deflateSync(bytes).subarray(0, 50), 300_000)).toThrow('unexpected EOF');
  });
});
