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
import { firstError } from './first-error.ts';
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

/** Where the name of the bucket stands: in the path, or in the name of the host. */
export const ADDRESSING_VARIABLE = 'SGOOL_S3_ADDRESSING';
const ADDRESSINGS = ['path', 'virtual'] as const;

/** @throws UserError where the variable holds something else */
function readAddressing(text: string | undefined, isAws: boolean): (typeof ADDRESSINGS)[number] {
  // Few other servers than that of AWS have names of hosts for buckets.
  if (text === undefined || text === '') return isAws ? 'virtual' : 'path';
  const found = ADDRESSINGS.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UserError(`${ADDRESSING_VARIABLE}: not usable, got ${text}; give ${ADDRESSINGS.join(' or ')}`, {
    exitCode: 2,
  });
}

/** What helps against an answer of S3, by its code. */
const HINTS: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'check AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'check AWS_SECRET_ACCESS_KEY',
  InvalidToken: 'AWS_SESSION_TOKEN must be that of the key, and unset for a key that lasts',
  ExpiredToken: 'take a new temporary key',
  AuthorizationHeaderMalformed: 'set AWS_REGION to the region of the bucket',
  PermanentRedirect: 'set AWS_REGION to the region of the bucket',
  RequestTimeTooSkewed: 'set the clock of this machine',
  AccessDenied:
    'the key needs s3:GetObject, s3:PutObject, s3:DeleteObject, and s3:ListBucket to see that an object is missing',
  NoSuchBucket: 'check the name of the bucket',
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE',
};

/**
 * Opens a bucket. Region, keys and endpoint come from the environment, as all tools of AWS read them (`AWS_REGION`,
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL_S3`); `SGOOL_S3_ADDRESSING` says where the
 * name of the bucket stands.
 *
 * @throws UserError where the client is not installed, or half of a key is given
 */
export async function s3Results(
  place: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Results> {
  const { bucket, prefix } = readS3Url(place);
  const s3 = await optionalPackage('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'));
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const addressing = readAddressing(env[ADDRESSING_VARIABLE], endpoint === undefined);
  const { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret } = env;
  if (!key !== !secret) {
    throw new UserError(
      `--results: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, got ${key ? 'the first' : 'the second'} alone; set both or none`,
      { exitCode: 2 },
    );
  }
  const client: S3Client = new s3.S3Client({
    region: env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1',
    forcePathStyle: addressing === 'path',
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(key && secret
      ? {
          credentials: {
            accessKeyId: key,
            secretAccessKey: secret,
            ...(env.AWS_SESSION_TOKEN ? { sessionToken: env.AWS_SESSION_TOKEN } : {}),
          },
        }
      : {}),
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
    const first = firstError(error);
    const reason = [nameOf(first), first.message]
      .filter((part) => part !== '' && part !== undefined)
      .join(': ');
    const hint = Object.hasOwn(HINTS, nameOf(first)) ? `; ${HINTS[nameOf(first)]}` : '';
    return new UserError(`${shown}: ${reason.replaceAll(/\s*\n\s*/g, ' ').replace(/\.$/, '')}${hint}`, {
      cause: error,
    });
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
