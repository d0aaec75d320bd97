/**
 * @file Checks the signature of a request as S3 does, written from the description alone: the client's own signer is not used.
 *
 * Reference: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)"
 */
import { createHash, createHmac } from 'node:crypto';

export interface SignedRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/** Who may sign, and for where. */
export interface SigningKeys {
  readonly region: string;
  /** Secrets by key id; a temporary key has a token, too. */
  readonly keys: Readonly<Record<string, { readonly secret: string; readonly token?: string }>>;
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();
/** As RFC 3986: all but letters, digits and `-_.~`. */
const encoded = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const SKEW_MS = 15 * 60_000;

/** An answer of S3: its code and its text. */
export type Refusal = readonly [code: string, message: string];

/** @returns what S3 answers instead; undefined where the signature is right */
export function refusalOf(
  request: SignedRequest,
  { region, keys }: SigningKeys,
  now: Date,
): Refusal | undefined {
  const { method, url, headers, body } = request;
  const header = (name: string) => [headers[name] ?? ''].flat().join(',').trim().replaceAll(/ +/g, ' ');
  const match = HEADER.exec(header('authorization'));
  if (match === null) return ['AccessDenied', 'Access Denied'];
  const [, id, day, itsRegion, signed, signature] = match;
  const key = Object.hasOwn(keys, id) ? keys[id] : undefined;
  if (key === undefined)
    return ['InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.'];
  if (itsRegion !== region) {
    return [
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${itsRegion}' is wrong; expecting '${region}'`,
    ];
  }
  if (header('x-amz-security-token') !== (key.token ?? '')) {
    return ['InvalidToken', 'The provided token is malformed or otherwise invalid.'];
  }
  const time = header('x-amz-date');
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(at - now.getTime()) <= SKEW_MS)) {
    return [
      'RequestTimeTooSkewed',
      "The difference between the request time and the server's time is too large.",
    ];
  }
  const names = signed.split(';');
  const unsigned = Object.keys(headers).filter(
    (name) => /^(?:host|x-amz-.*)$/.test(name) && !names.includes(name),
  );
  if (unsigned.length > 0)
    return ['AccessDenied', `There were headers present which were not signed: ${unsigned.join(', ')}`];
  const hash = header('x-amz-content-sha256');
  if (/^[0-9a-f]{64}$/.test(hash) && hash !== sha256(body)) {
    return [
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ];
  }
  const [path, query = ''] = url.split('?');
  const canonical = [
    method,
    path
      .split('/')
      .map((part) => encoded(decodeURIComponent(part)))
      .join('/'),
    [...new URLSearchParams(query)]
      .map(([k, v]) => `${encoded(k)}=${encoded(v)}`)
      .toSorted()
      .join('&'),
    ...names.map((name) => `${name}:${header(name)}`),
    '',
    signed,
    hash,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const signingKey = scope
    .split('/')
    .reduce<string | Uint8Array>((so, part) => hmac(so, part), `AWS4${key.secret}`);
  const right = hmac(signingKey, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString(
    'hex',
  );
  if (right === signature) return undefined;
  return [
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ];
}
