/**
 * @file A small server with the part of the S3 protocol that results need: get, put with `If-None-Match: *`, delete. It checks
 * every signature, and knows its bucket by the path or by the name of the host.
 */
import { createServer, type Server } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { refusalOf, type SigningKeys } from './sigv4.ts';

export interface FakeS3 {
  readonly url: string;
  /** Objects by `bucket/key`. */
  readonly objects: Map<string, Buffer>;
  /** Requests as `PUT key status`. */
  readonly log: string[];
  stop(): Promise<void>;
}

const errorBody = (code: string, message = code) =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;

/** The name that the server gives itself; buckets stand before it. */
export const FAKE_S3_HOST = 's3.test';

/** The body of an upload: signed chunks of the AWS client have their lengths between them. */
function withoutChunks(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || !encoding.includes('aws-chunked')) return body;
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.subarray(at, end).toString().split(';')[0], 16);
    if (!(length > 0)) break;
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return Buffer.concat(parts);
}

export async function startFakeS3(bucket: string, keys: SigningKeys): Promise<FakeS3> {
  const objects = new Map<string, Buffer>();
  const log: string[] = [];
  const server: Server = createServer(async (request, response) => {
    const { method = '', headers, url = '' } = request;
    const [host = ''] = (headers.host ?? '').split(':');
    const inHost = host.endsWith(`.${FAKE_S3_HOST}`) ? `${host.slice(0, -FAKE_S3_HOST.length - 1)}/` : '';
    const path = inHost + decodeURIComponent(url.split('?')[0]).slice(1);
    const sent = await buffer(request);
    const body = withoutChunks(sent, headers['content-encoding']);
    const answer = (status: number, content: Buffer | string = '') => {
      log.push(`${method} ${path} ${status}`);
      response.writeHead(status, { 'content-type': 'application/xml', 'x-amz-request-id': '1' }).end(content);
    };
    const refusal = refusalOf({ method, url, headers, body: sent }, keys, new Date());
    if (refusal !== undefined)
      return answer(refusal[0].endsWith('Malformed') ? 400 : 403, errorBody(...refusal));
    if (path.split('/')[0] !== bucket) return answer(404, errorBody('NoSuchBucket'));
    const found = objects.get(path);
    if (method === 'GET')
      return found === undefined ? answer(404, errorBody('NoSuchKey')) : answer(200, found);
    if (method === 'DELETE') {
      objects.delete(path);
      return answer(204);
    }
    if (method !== 'PUT') return answer(501, errorBody('NotImplemented'));
    if (headers['if-none-match'] === '*' && found !== undefined)
      return answer(412, errorBody('PreconditionFailed'));
    objects.set(path, body);
    return answer(200);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    objects,
    log,
    stop: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
