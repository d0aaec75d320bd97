import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { connectQueue } from './queue-server.ts';
import { readQueueUrl } from './queue-url.ts';

/** A message of PostgreSQL's protocol: a letter, the length of the rest, the rest. */
function message(letter: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, letter);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

test('a server that goes away while a connection is held is one line, and no crash', async () => {
  const ready = message('Z', Buffer.from('I'));
  const welcome = Buffer.concat([message('R', Buffer.alloc(4)), ready]);
  const done = Buffer.concat([message('C', Buffer.from('SELECT 0\0')), ready]);
  const farewell = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));
  const answer = (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(welcome);
      // After the first answer, before the next question: nothing is asked that could fail.
      socket.once('data', () => socket.end(Buffer.concat([done, farewell])));
    });
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await expect(connectQueue(readQueueUrl(`postgres://me@127.0.0.1:${port}/db`))).rejects.toThrow(
    /^--queue: postgres:[^\n]*: [^\n]*; [^\n]*$/,
  );
  // An error that nobody listens to comes after the answer.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await new Promise((resolve) => server.close(resolve));
});
