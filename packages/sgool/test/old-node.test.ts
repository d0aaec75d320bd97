/** @file `bin/sgool.js` on a Node that is too old: one line, before anything else is loaded. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/sgool.js', import.meta.url));

/** Runs it where Node says that it has this version. */
function runAs(version: string) {
  const pretend = `Object.defineProperty(process.versions, 'node', { value: ${JSON.stringify(version)} })`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ['--import', preload, BIN, '--version'], { encoding: 'utf8' });
}

describe('bin/sgool.js', () => {
  it.each(['12.22.12', '18.20.8', '20.18.3'])('says in one line that Node %s is too old', (version) => {
    const { status, stdout, stderr } = runAs(version);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      `sgool: needs Node 20.19 or later, this is ${version}; update it, for instance from https://nodejs.org\n`,
    );
  });

  it('has no syntax that is newer than import()', () => {
    const source = readFileSync(BIN, 'utf8');
    const target = ts.ScriptTarget.ES2015;
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { target, module: ts.ModuleKind.ES2022, removeComments: false },
    });
    const bare = (text: string) => text.replaceAll(/"use strict";|,(?=\s*\))|\s/g, '');
    // What the compiler had nothing to translate in.
    expect(bare(outputText)).toBe(bare(source));
  });
});
