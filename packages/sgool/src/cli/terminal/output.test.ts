import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type OutputStream, openOutputs } from './output.ts';

type Failure = { readonly code: string; readonly isThrown?: boolean };

function stream(failure?: Failure, isTTY = false) {
  const written: string[] = [];
  const fake: OutputStream = {
    isTTY,
    columns: 80,
    on: () => {},
    write(chunk, done) {
      written.push(String(chunk));
      const error = failure && Object.assign(new Error(failure.code), failure);
      if (error && failure.isThrown) throw error;
      queueMicrotask(() => done(error));
    },
  };
  return { fake, written };
}

const FULL = 'no space left on the disk';

describe('openOutputs', () => {
  it.each<[string, Failure | undefined, Failure | undefined, number, number]>([
    ['nothing fails', undefined, undefined, 0, 0],
    ['the standard output is full', { code: 'ENOSPC' }, undefined, 0, 1],
    ['it is full, and says so at once', { code: 'ENOSPC', isThrown: true }, undefined, 0, 1],
    ['nobody reads it', { code: 'EPIPE' }, undefined, 0, 141],
    ['nobody reads it, and the command failed', { code: 'EPIPE' }, undefined, 2, 2],
    ['the standard error is full', undefined, { code: 'ENOSPC' }, 0, 0],
    ['nobody reads the standard error', undefined, { code: 'EPIPE' }, 0, 0],
    ['both are full', { code: 'ENOSPC' }, { code: 'ENOSPC' }, 130, 130],
  ])('gives the code that is true where %s', async (_, out, err, code, expected) => {
    const [stdout, stderr] = [stream(out), stream(err)];
    const outputs = openOutputs({ stdout: stdout.fake, stderr: stderr.fake });
    for (const text of ['a', 'b']) {
      outputs.stderr.write(text);
      await new Promise(setImmediate);
      outputs.stdout.write(text);
      await new Promise(setImmediate);
    }
    expect(await outputs.finish(code)).toBe(expected);
    // Nothing is written after a failure, and what failed is said once.
    if (out) expect(stdout.written).toEqual(['a']);
    const complaints = stderr.written.filter((line) => line.includes('cannot write'));
    const isSaid = out?.code === 'ENOSPC' && !err;
    expect(complaints).toEqual(isSaid ? [`sgool: cannot write to the standard output: ${FULL}\n`] : []);
  });

  it.each([true, false])(
    'says on the standard output what stderr cannot, if that is a terminal: %s',
    async (isTTY) => {
      const [stdout, stderr] = [stream(undefined, isTTY), stream({ code: 'ENOSPC' })];
      const outputs = openOutputs({ stdout: stdout.fake, stderr: stderr.fake });
      outputs.stderr.write('progress');
      await outputs.finish(0);
      expect(stdout.written).toEqual(isTTY ? [`sgool: cannot write to the standard error: ${FULL}\n`] : []);
    },
  );

  it('calls back where the reader has gone, once', async () => {
    let calls = 0;
    const outputs = openOutputs(
      { stdout: stream({ code: 'EPIPE' }).fake, stderr: stream().fake },
      () => calls++,
    );
    outputs.stdout.write('a');
    await outputs.finish(0);
    outputs.stdout.write('b');
    await outputs.finish(0);
    expect(calls).toBe(1);
  });

  it('does not wait for a reader that sleeps', async () => {
    const url = JSON.stringify(new URL('output.ts', import.meta.url).href);
    const script = `
      const { openOutputs } = await import(${url});
      const { stdout, stderr } = openOutputs(process);
      for (let i = 0; i < 1000; i++) stdout.write('x'.repeat(1000));
      setTimeout(() => stderr.write('awake'), 100);`;
    const tsx = import.meta.resolve('tsx');
    const words = ['--import', tsx, '--conditions', '@sgool/source', '--input-type=module', '-e', script];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    // Nothing reads from child.stdout.
    const said = await new Promise<string>((resolve) =>
      child.stderr.once('data', (text) => resolve(String(text))),
    );
    child.kill('SIGKILL');
    expect(said).toBe('awake');
  });
});
