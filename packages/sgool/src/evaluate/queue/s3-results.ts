/**
 * @file The files of cells in a bucket of S3, or of a server that speaks its protocol. Nothing is overwritten that is whole:
 * objects are put on the condition that there are none (`If-None-Match: *`).
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { UserError } from '../../errors.ts';
import { optionalPackage } from '../../platform/optional-package.ts';
import { cellForJson } from '../cells/cell.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import { EVALUATION_FILES } from '../cells/run-folder.ts';
import { type KeptCell, parseRecord, type Results, whole } from './results.ts';

/** Whether a place is a bucket. */
export const isS3 = (place: string): boolean => /^s3:\/\//i.test(place);

interface S3Place {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
}

/** `s3://bucket/prefix`. @throws UserError where it is no such address */
export function readS3Url(text: string): S3Place {
  const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/i.exec(text) ?? [];
  if (bucket === undefined) {
    throw new UserError(`--results: not usable, got ${text}; give s3://bucket/prefix`, { exitCode: 2 });
  }
  const prefix = path.replaceAll(/\/+/g, '/').replace(/^\/|\/$/g, '');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

/**
 * Opens a bucket. Region, keys and endpoint come from the environment, as all tools of AWS read them (`AWS_REGION`,
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL_S3`).
 *
 * @throws UserError where the client is not installed
 */
export async function s3Results(
  place: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Results> {
  const { bucket, prefix } = readS3Url(place);
  const s3 = await optionalPackage('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'));
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const client: S3Client = new s3.S3Client({
    region: env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1',
    // Other servers than that of AWS have no names of hosts for buckets.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(env.AWS_ACCESS_KEY_ID === undefined || env.AWS_SECRET_ACCESS_KEY === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: env.AWS_ACCESS_KEY_ID,
            secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
            ...(env.AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: env.AWS_SESSION_TOKEN }),
          },
        }),
  });
  const shown = `s3://${bucket}/${prefix}`;
  const manifestKey = `${prefix}${EVALUATION_FILES.manifest}`;
  const keys = (id: string) => {
    const base = `${prefix}${EVALUATION_FILES.cells}/${id.slice(0, 2)}/${id}`;
    return { record: `${base}.json`, image: `${base}.png` };
  };

  /** @returns undefined where there is no such object */
  async function get(key: string): Promise<Uint8Array | undefined> {
    try {
      const { Body } = await client.send(new s3.GetObjectCommand({ Bucket: bucket, Key: key }));
      return await Body?.transformToByteArray();
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey' || statusOf(error) === 404) {
        if (nameOf(error) === 'NoSuchBucket') throw failure(error);
        return undefined;
      }
      throw failure(error);
    }
  }

  /** @returns whether it was put; false where there is one already and `always` is not set */
  async function put(key: string, body: Uint8Array | string, type: string, always = false): Promise<boolean> {
    try {
      await client.send(
        new s3.PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: body,
          ContentType: type,
          ...(always ? {} : { IfNoneMatch: '*' }),
        }),
      );
      return true;
    } catch (error) {
      // 409: another worker is putting it at this moment.
      if (statusOf(error) === 412 || statusOf(error) === 409) return false;
      throw failure(error);
    }
  }

  function failure(error: unknown): UserError {
    const { message } = error as Error;
    const reason = [nameOf(error), message].filter((part) => part !== '' && part !== undefined).join(': ');
    return new UserError(`${shown}: ${reason.replaceAll(/\s*\n\s*/g, ' ')}`, { cause: error });
  }

  const text = (record: CellRecord) =>
    `${JSON.stringify({ ...record, cell: cellForJson(record.cell) }, undefined, 1)}\n`;

  async function read(id: string): Promise<KeptCell | undefined> {
    const { record: recordKey, image } = keys(id);
    const bytes = await get(recordKey);
    if (bytes === undefined) return undefined;
    const record = parseRecord(new TextDecoder().decode(bytes), `${shown}${recordKey.slice(prefix.length)}`);
    return record.status === 'done' ? whole(record, await get(image)) : { record };
  }

  return {
    async check() {
      if ((await get(manifestKey)) === undefined) {
        throw new UserError(
          `${shown}: holds no ${EVALUATION_FILES.manifest}; is this the bucket of the evaluation?`,
        );
      }
    },
    async begin(manifest) {
      await put(manifestKey, manifest, 'application/json');
    },
    read,
    async write({ record, png }) {
      const { record: recordKey, image } = keys(record.id);
      if (!(await put(image, png, 'image/png'))) {
        // Of a worker that was quicker, which then stays, or that has died before it wrote the record.
        if ((await read(record.id))?.record.status === 'done') return;
        await put(image, png, 'image/png', true);
      }
      if (await put(recordKey, text(record), 'application/json')) return;
      if ((await read(record.id))?.record.status !== 'done')
        await put(recordKey, text(record), 'application/json', true);
    },
    async writeFailure(record) {
      const { record: recordKey } = keys(record.id);
      if (await put(recordKey, text(record), 'application/json')) return;
      if ((await read(record.id))?.record.status !== 'done')
        await put(recordKey, text(record), 'application/json', true);
    },
    async remove(id) {
      try {
        await client.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: keys(id).record }));
      } catch (error) {
        throw failure(error);
      }
    },
    close: () => client.destroy(),
  };
}

const nameOf = (error: unknown): string => (error as { name?: string }).name ?? '';
const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
