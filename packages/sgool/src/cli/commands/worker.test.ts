import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEvaluation } from '../../evaluate/cells/run-folder.ts';
import {
  MISSING,
  PASSWORD,
  startPostgres,
  startRedis,
  type TestServer,
} from '../../evaluate/queue/testing/servers.ts';
import { runCli } from '../cli.ts';
import { engine } from '../engine.ts';
import { fakeHost, runOnFakes } from '../testing.ts';

const start = MISSING.postgres === undefined ? startPostgres : startRedis;
const reason = MISSING.postgres === undefined || MISSING.redis === undefined ? undefined : MISSING.postgres;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sgool-worker-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(reason !== undefined)(
  `with a server${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    const command = [
      'evaluate',
      '--suite',
      'toybox',
      '--methods',
      'sd',
      '--variant',
      'two: sd steps=2',
      '--limit',
      '2',
    ];

    async function sgool(...argv: string[]) {
      const host = fakeHost(folder, { engine, env: { SGOOL_QUEUE: server.url } });
      const code = await runCli(argv, host);
      return { code, ...host.written };
    }

    test('evaluate fills the queue, a worker runs Toybox, and the folder is that of one machine', async () => {
      const detached = await sgool(...command, '--queue', '--detach', '--out', 'many');
      expect(detached.stderr).toContain('4 cells added, 0 were in it or are done');
      expect(detached.code).toBe(0);
      const before = await sgool('evaluate', 'status', 'many', '--queue');
      expect(before.stdout).toMatch(
        /queue sgool-cpu on \w+:\/\/[^ ]*:\*\*\*@[^ ]*: 4 waiting, 0 running, .* 0 failed, 0 workers/,
      );

      const host = fakeHost(folder, { engine, env: { SGOOL_QUEUE: server.url } });
      const working = runCli(['worker'], host);
      const followed = await sgool(...command, '--queue', '--out', 'many');
      host.interrupt('SIGTERM');
      expect(await working, host.written.stderr).toBe(0);
      expect(followed.code, followed.stderr).toBe(0);
      expect(followed.stderr).toContain('4/4 cells ended');
      expect(host.written.stderr.match(/opens toybox/g)).toHaveLength(1);

      const alone = await sgool(...command, '--out', 'one');
      expect(alone.code, alone.stderr).toBe(0);
      const rows = async (name: string) =>
        (await readEvaluation(join(folder, name))).cells.map(({ id, record }) =>
          record?.status === 'done'
            ? [id, record.image, record.noise, record.scores, record.cost.flops]
            : [id, record?.status],
        );
      expect(await rows('many')).toEqual(await rows('one'));

      const again = await sgool(...command, '--queue', '--out', 'many');
      expect(again.stderr).toContain('0 cells added, 4 were in it or are done');
      const retried = await sgool('evaluate', 'retry', 'many', '--queue', '--all');
      expect(retried.stderr).toContain('0 cells wait in the queue again');
      const rebuilt = await sgool('evaluate', 'rebuild', 'many', '--queue');
      expect(rebuilt.stderr).toContain('4 cells, 4 done, 0 failed');

      const texts = [detached, before, followed, again, retried, rebuilt, host.written].flatMap(
        ({ stdout, stderr }) => [stdout, stderr],
      );
      const files = ['evaluation.json', 'queue.json'].map((name) =>
        readFileSync(join(folder, 'many', name), 'utf8'),
      );
      for (const text of [...texts, ...files]) {
        expect(text).not.toContain(PASSWORD);
        expect(text).not.toContain(encodeURIComponent(PASSWORD));
      }
    });

    test('a folder that was not run on a queue, and a server without its queue, are one line', async () => {
      const alone = await sgool(
        ...command,
        '--out',
        'alone',
        '--queue',
        '--detach',
        '--queue-name',
        'sgool-gpu-24g',
      );
      expect(alone.code, alone.stderr).toBe(0);
      const other = await emptyServer();
      const host = fakeHost(folder, { engine, env: { SGOOL_QUEUE: other.url } });
      expect(await runCli(['evaluate', 'status', 'alone', '--queue'], host)).toBe(1);
      expect(host.written.stderr).toMatch(
        /^sgool: --queue: [^\n]*: has no queue sgool-gpu-24g; it has none of sgool\n$/,
      );
      await other.stop();
    });
  },
);

/** Another server, which is empty. */
const emptyServer = () => (MISSING.redis === undefined ? startRedis() : startPostgres());

test.each([
  [
    ['worker'],
    /^sgool: --queue: give the address of a server, for instance redis:.* or set SGOOL_QUEUE\n$/,
    2,
  ],
  [
    ['worker', '--queue', 'redis://127.0.0.1:1'],
    /^sgool: --queue: redis:\/\/127\.0\.0\.1:1: connect ECONNREFUSED [^\n]*\n$/,
    1,
  ],
  [
    ['worker', '--queue', 'http://:secret@host'],
    /^sgool: --queue: unknown kind of queue, got http:\/\/; [^\n]*\n$/,
    2,
  ],
  [
    ['worker', '--queue', 'redis://h', '--concurrency', '0'],
    /^sgool: --concurrency: not usable, got 0; [^\n]*\n$/,
    2,
  ],
  [
    ['worker', '--queue', 'redis://h', '--queue-name', 'x'],
    /^sgool: --queue-name: not usable, got x; [^\n]*\n$/,
    2,
  ],
  [
    ['evaluate', 'status', 'nowhere', '--queue', 'redis://h'],
    /^sgool: \S*nowhere: is no evaluation[^\n]*\n$/,
    1,
  ],
])('%j is one line', async (argv, line, code) => {
  const result = await runOnFakes(folder, argv);
  expect(result.stderr).toMatch(line);
  expect(result.code).toBe(code);
});
