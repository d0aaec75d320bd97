import { describe, expect, test } from 'vitest';
import { optionalPackage } from '../../platform/optional-package.ts';
import { queueOfDevice, readQueueName } from './cell-job.ts';
import { readQueueUrl } from './queue-url.ts';

describe('addresses', () => {
  test.each([
    ['redis://host', 'redis', 'redis://host'],
    ['redis://user:se%2Fcret@host:1/2', 'redis', 'redis://user:***@host:1/2'],
    ['rediss://:secret@host', 'redis', 'rediss://:***@host'],
    ['valkey://:secret@host:7', 'redis', 'valkey://:***@host:7'],
    ['postgres://me:secret@host/db', 'postgres', 'postgres://me:***@host/db'],
    ['postgresql://host/db?user=me&password=secret', 'postgres', 'postgresql://host/db?user=me&password=***'],
    ['postgres:///db?host=/var/run/postgresql', 'postgres', 'postgres:///db?host=/var/run/postgresql'],
  ])('%s', (text, engine, shown) => {
    const address = readQueueUrl(text);
    expect(address.engine).toBe(engine);
    expect(address.shown).toBe(shown);
  });

  test('the client of Redis gets its own scheme for Valkey', () => {
    expect(readQueueUrl('valkey://:a%2Fb@host:7/1').url).toBe('redis://:a%2Fb@host:7/1');
    expect(readQueueUrl('valkeys://host').url).toBe('rediss://host');
  });

  test('every form of the password is removed from a text', () => {
    const { scrub } = readQueueUrl('redis://:a%2Fb%20c@host');
    expect(scrub('AUTH a/b c, a%2Fb%20c')).toBe('AUTH ***, ***');
  });

  test.each([
    ['host:6379', '--queue: unknown kind of queue, got host://'],
    ['secret', '--queue: not an address, got a text without ://'],
    ['amqp://me:secret@host', '--queue: unknown kind of queue, got amqp://'],
    ['redis://:secret@', '--queue: not an address, got redis://'],
    ['redis:', '--queue: names no host'],
    ['constructor:x', '--queue: unknown kind of queue, got constructor://'],
  ])('%s is refused without its password', (text, start) => {
    let message = '';
    try {
      readQueueUrl(text);
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toBe(
      `${start}; give redis://host:6379, rediss://, valkey:// or postgres://user@host/database`,
    );
  });
});

test.each([
  ['bullmq', 'npm install bullmq'],
  ['ioredis', 'npm install bullmq ioredis'],
  ['pg', 'npm install bullmq pg'],
  ['@aws-sdk/client-s3', 'npm install @aws-sdk/client-s3'],
] as const)('without %s: %s', async (name, command) => {
  const missing = 'sgool-no-such-package';
  await expect(optionalPackage(name, () => import(/* @vite-ignore */ missing))).rejects.toThrow(
    `this needs the package ${name}, which is not installed: ${command}`,
  );
});

test('names of queues', () => {
  expect(queueOfDevice('cpu')).toBe('sgool-cpu');
  expect(queueOfDevice('cuda')).toBe('sgool-gpu');
  expect(readQueueName(' sgool-GPU-24g')).toBe('sgool-gpu-24g');
  for (const name of ['', 'gpu', 'sgool-', 'sgool-a:b']) {
    expect(() => readQueueName(name)).toThrow('--queue-name: not usable');
  }
});
