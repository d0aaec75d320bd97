/** @file ONNX Runtime in a Node process of its own: telemetry, and a library that cannot be loaded. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

let home: string;
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'autodiff-home-'));
});
afterEach(() => rm(home, { recursive: true }));

/** Runs a script in a fresh home folder, with nothing in its environment that switches telemetry off. */
async function run(script: string) {
  const folders = ['HOME', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA'];
  const xdg = ['CONFIG', 'CACHE', 'DATA', 'STATE'].map((kind) => `XDG_${kind}_HOME`);
  const kept = ['PATH', 'SystemRoot', 'TMPDIR', 'TEMP', 'TMP'].filter((name) => name in process.env);
  const env: Record<string, string | undefined> = {
    ...Object.fromEntries(kept.map((name) => [name, process.env[name]])),
    ...Object.fromEntries([...folders, ...xdg].map((name) => [name, home])),
  };
  const flags = ['--conditions=@sgool/source', '--import=tsx', '--input-type=module'];
  return promisify(execFile)(process.execPath, [...flags, '-e', script], { cwd: PACKAGE, env });
}

const COMPUTE = `
import { compile, square, trace } from '@sgool/autodiff';
const program = await compile(trace({ x: { shape: [2] } }, ({ x }) => ({ y: square(x) })));
const { y } = await program.run({ x: Float32Array.of(3, 4) });
await program.dispose();
console.log(JSON.stringify([...y]));
`;
const PROBE = `
import { deviceState } from '@sgool/autodiff';
console.log(JSON.stringify((await deviceState('cpu')).works));
`;

it.each([
  ['a program that is run', COMPUTE, [9, 16]],
  ['a device that is probed', PROBE, true],
])('%s leaves no file of telemetry in the home folder', async (_, script, expected) => {
  const { stdout, stderr } = await run(script);
  expect(JSON.parse(stdout)).toEqual(expected);
  expect(stderr).toBe('');
  expect(await readdir(home, { recursive: true })).toEqual([]);
});

it('says what to do where the library cannot be loaded', async () => {
  const broken = `process.dlopen = () => { throw new Error('version GLIBC_2.99 not found\\nmore'); };`;
  await expect(run(`${broken}${COMPUTE}`)).rejects.toThrow(
    /Error: onnxruntime-node: its library for \w+\/\w+ could not be loaded \(version GLIBC_2\.99 not found\); remove node_modules\/onnxruntime-node and run "npm install --ignore-scripts" on this machine \(it exists for .*\)$/m,
  );
});
