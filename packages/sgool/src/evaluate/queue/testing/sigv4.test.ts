import { expect, test } from 'vitest';
import { refusalOf, type SignedRequest } from './sigv4.ts';

/** The examples of the description. */
const KEYS = {
  region: 'us-east-1',
  keys: { AKIAIOSFODNN7EXAMPLE: { secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' } },
};
const NOW = new Date('2013-05-24T00:05:00Z');
const credential = (signed: string, signature: string) =>
  `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${signature}`;
const GET: SignedRequest = {
  method: 'GET',
  url: '/test.txt',
  headers: {
    host: 'examplebucket.s3.amazonaws.com',
    range: 'bytes=0-9',
    'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'x-amz-date': '20130524T000000Z',
    authorization: credential(
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
  },
  body: new Uint8Array(),
};
const PUT: SignedRequest = {
  method: 'PUT',
  url: '/test%24file.text',
  headers: {
    host: 'examplebucket.s3.amazonaws.com',
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    authorization: credential(
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ),
  },
  body: Buffer.from('Welcome to Amazon S3.'),
};
const LIST: SignedRequest = {
  ...GET,
  url: '/?max-keys=2&prefix=J',
  headers: {
    host: GET.headers.host,
    'x-amz-content-sha256': GET.headers['x-amz-content-sha256'],
    'x-amz-date': '20130524T000000Z',
    authorization: credential(
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ),
  },
};

test.each([GET, PUT, LIST])('the signature of an example is right', (request) => {
  expect(refusalOf(request, KEYS, NOW)).toBeUndefined();
});

test.each<[string, Partial<SignedRequest>, string]>([
  ['another path', { url: '/other.text' }, 'SignatureDoesNotMatch'],
  ['another method', { method: 'GET' }, 'SignatureDoesNotMatch'],
  ['another body', { body: Buffer.from('x') }, 'XAmzContentSHA256Mismatch'],
  ['no signature', { headers: {} }, 'AccessDenied'],
  ['a header that is not signed', { headers: { ...PUT.headers, 'x-amz-acl': 'public' } }, 'AccessDenied'],
  ['another time', { headers: { ...PUT.headers, 'x-amz-date': '20130523T000000Z' } }, 'RequestTimeTooSkewed'],
  ['a token that is not its', { headers: { ...PUT.headers, 'x-amz-security-token': 'x' } }, 'InvalidToken'],
])('%s: %s', (_, change, code) => {
  expect(refusalOf({ ...PUT, ...change }, KEYS, NOW)?.[0]).toBe(code);
});

test('a key that is not known, another region', () => {
  expect(refusalOf(GET, { ...KEYS, keys: {} }, NOW)?.[0]).toBe('InvalidAccessKeyId');
  expect(refusalOf(GET, { ...KEYS, region: 'eu-west-1' }, NOW)?.[0]).toBe('AuthorizationHeaderMalformed');
});
