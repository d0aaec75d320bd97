import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from './read-config.ts';

it('reads the numbers that Python writes into JSON', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-config-'));
  const path = join(dir, 'scheduler_config.json');
  await writeFile(
    path,
    '{"lambda_min_clipped": -Infinity, "most": Infinity, "none": NaN, "text": "-Infinity, \\"NaN", "n": [1, NaN]}',
  );
  expect(await readConfig(path)).toEqual({
    lambda_min_clipped: Number.NEGATIVE_INFINITY,
    most: Number.POSITIVE_INFINITY,
    none: null,
    text: '-Infinity, "NaN',
    n: [1, null],
  });
  await writeFile(path, '{"a": Infinite}');
  await expect(readConfig(path)).rejects.toThrow('not valid JSON');
  await rm(dir, { recursive: true });
});
