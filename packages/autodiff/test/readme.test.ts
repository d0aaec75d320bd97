/** @file The first example of README.md prints what its comment says. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const PACKAGE = new URL('../', import.meta.url);

it('the example of the README prints what it says', async () => {
  const readme = await readFile(new URL('README.md', PACKAGE), 'utf8');
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const promised = /console\.log\(.*\); \/\/ (.*)/.exec(example)?.[1];
  const flags = ['--conditions=@sgool/source', '--import=tsx', '--input-type=module'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '-e', example], {
    cwd: fileURLToPath(PACKAGE),
  });
  expect(stdout.trim()).toBe(promised);
  expect(promised).toBe('2.5 Float32Array(3) [ 1, 2, 0 ]');
});
