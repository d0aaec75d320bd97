/** Scorers outside: servers on the loopback, and programs. The contract is docs/verifiers.md. */
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { readImage } from '../image/read-image.ts';
import { clipTarget } from './clip-target.ts';
import { httpVerifier, type VerifierLimits } from './http-verifier.ts';
import { programVerifier } from './program-verifier.ts';

const image = createImage(4, 2, [200, 30, 10]);
const target = clipTarget('a "red" cat\nand more');

describe('a server', () => {
  let server: Server;
  let url: string;
  let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      answer(request, response, Buffer.concat(pieces).toString());
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/score`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const ask = (text: string, limits?: VerifierLimits, signal?: AbortSignal) => {
    answer = (_, response) => response.end(text);
    return httpVerifier(url, limits)(image, target, signal);
  };

  it('gets picture and prompt, and gives a score', async () => {
    let asked: { request: IncomingMessage; body: Record<string, unknown> } | undefined;
    answer = (request, response, body) => {
      asked = { request, body: JSON.parse(body) };
      response.end('{"score": -0.25, "sigma": 1}');
    };
    expect(await httpVerifier(url)(image, target)).toBe(-0.25);
    expect(asked?.request).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json' } });
    const { image: picture, ...rest } = asked?.body ?? {};
    expect(rest).toEqual({ version: 1, prompt: 'a "red" cat\nand more', width: 4, height: 2 });
    const file = path.join(await mkdtemp(path.join(tmpdir(), 'sgool-verifier-')), 'picture.png');
    await writeFile(file, Buffer.from(String(picture), 'base64'));
    expect((await readImage(file)).data).toEqual(image.data);
    await rm(path.dirname(file), { recursive: true });
  });

  it.each([
    ['{"score": "1"}', /verifier http.*: it answered \{"score": "1"\}; it must answer \{"score": number\}/],
    ['null', /it answered null/],
    ['', /verifier http/],
    ['not json', /verifier http/],
    ['{"score": 1e999}', /its score is Infinity; it must be a finite number/],
  ])('is refused in one line where it answers %j', async (text, says) => {
    const error = await ask(text).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(says) });
    expect((error as Error).message).not.toContain('\n');
  });

  it('is refused where it answers with another status', async () => {
    answer = (_, response) => {
      response.statusCode = 503;
      response.end('busy');
    };
    await expect(httpVerifier(url)(image, target)).rejects.toThrow(/it answered 503; it must answer 200/);
  });

  it('is not followed elsewhere', async () => {
    let asked = 0;
    answer = (_, response) => {
      asked++;
      response.statusCode = 307;
      response.setHeader('location', `${url}/other`);
      response.end();
    };
    await expect(httpVerifier(url)(image, target)).rejects.toThrow(/it cannot be reached/);
    expect(asked).toBe(1);
  });

  it('may not answer for ever, nor without end', async () => {
    answer = () => undefined;
    await expect(httpVerifier(url, { patience: 100 })(image, target)).rejects.toThrow(
      /no answer within 0\.1 s/,
    );
    await expect(ask(`{"score": 1, "why": "${'x'.repeat(5000)}"}`, { largest: 1000 })).rejects.toThrow(
      /its answer has more than 1000 bytes/,
    );
  });

  it('is left when the run is stopped', async () => {
    const controller = new AbortController();
    answer = () => controller.abort(new Error('stopped'));
    await expect(httpVerifier(url)(image, target, controller.signal)).rejects.toThrow('stopped');
  });

  it('that is not there is named', async () => {
    await expect(httpVerifier('http://127.0.0.1:1/')(image, target)).rejects.toThrow(
      /verifier http:\/\/127\.0\.0\.1:1\/: it cannot be reached: /,
    );
  });
});

describe('a program', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sgool-verifier-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function program(script: string, mode = 0o755) {
    const file = path.join(folder, `score-${Math.random()}.mjs`);
    await writeFile(file, `#!${process.execPath}\nimport fs from 'node:fs';\n${script}`);
    await chmod(file, mode);
    return file;
  }
  const leftovers = async () => (await readdir(tmpdir())).filter((name) => /^sgool-[^-]*$/.test(name));

  it('gets the path of a picture and the prompt, as they are, and prints a score', async () => {
    const before = await leftovers();
    const file = await program(
      `const [, , picture, prompt, ...more] = process.argv;
       if (prompt !== 'a "red" cat\\nand more' || more.length > 0) process.exit(3);
       console.log(fs.readFileSync(picture).subarray(1, 4).toString() === 'PNG' ? ' 0.75 ' : 0);`,
    );
    expect(await programVerifier(file)(image, target)).toBe(0.75);
    expect(await leftovers()).toEqual(before);
  });

  it.each([
    ['console.log("good")', /it printed good; it must print one number/],
    ['', /it printed nothing; it must print one number/],
    ['console.log("1\\n2")', /it printed 1 2; it must print one number/],
    ['console.log(NaN)', /its score is NaN; it must be a finite number/],
    ['console.error("no\\nweights here"); process.exit(4)', /it failed with exit code 4: weights here/],
    ['console.log("1".repeat(70000))', /it printed more than 65536 bytes/],
  ])('is refused in one line: %s', async (script, says) => {
    const error = await programVerifier(await program(script))(image, target).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(says) });
    expect((error as Error).message).not.toContain('\n');
  });

  it('is named where it is not there, or may not be run', async () => {
    await expect(programVerifier('./none.sh')(image, target)).rejects.toThrow(
      /program \.\/none\.sh: there is no such program; give its path/,
    );
    const file = await program('', 0o644);
    await expect(programVerifier(file)(image, target)).rejects.toThrow(
      /it may not be run; make it executable/,
    );
  });

  it('may not run for ever, and ends with the run', async () => {
    const file = await program('setInterval(() => undefined, 1000)');
    await expect(programVerifier(file, 300)(image, target)).rejects.toThrow(/it did not end within 0\.3 s/);
    const stopped = AbortSignal.timeout(200);
    await expect(programVerifier(file)(image, target, stopped)).rejects.toBe(await reasonOf(stopped));
  });
  const reasonOf = (signal: AbortSignal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
    });
});
