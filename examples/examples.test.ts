/** @file Every example runs in a process of its own and passes its own check. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const folder = import.meta.dirname;
const root = dirname(folder);
const files = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name));

/** Imports from other places than the public entries of the packages. */
const REACHES_INSIDE = /from '(?!node:|sgool'|sgool\/[a-z]+'|@sgool\/autodiff')/;

describe('examples', () => {
  it('are at least eight, numbered without gaps, and listed in their README', () => {
    expect(files.length).toBeGreaterThanOrEqual(8);
    expect(files.map((name) => Number(name.slice(0, 2)))).toEqual(files.map((_, i) => i + 1));
    const listed = readFileSync(join(folder, 'README.md'), 'utf8');
    for (const name of files) expect(listed).toContain(`[${name}](${name})`);
  });

  it.each(files)('%s says how it is run, is short, and uses public entries only', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    expect(text).toContain(` * npx tsx examples/${name}`);
    expect(text).not.toMatch(REACHES_INSIDE);
    // Without the header.
    expect(
      text
        .replace(/^\/\*\*.*?\*\/\n/s, '')
        .trim()
        .split('\n').length,
    ).toBeLessThanOrEqual(45);
  });

  it.each(files)('%s runs', async (name) => {
    const source = ['--import', 'tsx', '--conditions', '@sgool/source'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...source, join(folder, name)], {
      cwd: root,
    });
    expect(stdout).not.toBe('');
    expect(stderr).toBe('');
  });
});
