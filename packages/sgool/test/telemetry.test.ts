/** @file No command leaves a trace outside its own folders: ONNX Runtime's telemetry is off in the thread that loads it, too. */
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runSgool } from './run-sgool.ts';
import { describeOnToybox, temporaryFolder } from './toybox-model.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

describeOnToybox('a command', () => {
  it('leaves no file in a fresh home folder', async () => {
    const home = path.join(folder.dir, 'home');
    await mkdir(home);
    const places = ['HOME', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA'];
    const xdg = ['CONFIG', 'CACHE', 'DATA', 'STATE'].map((kind) => `XDG_${kind}_HOME`);
    const env = Object.fromEntries([...places, ...xdg].map((name) => [name, home]));
    const words = ['generate', 'a red cat', '--method', 'sd', '--steps', '1', '--seed', '0', '--out', 'out'];
    const { code, lines } = await runSgool(folder.dir, words, {
      env,
      without: ['CI', 'ORT_DISABLE_TELEMETRY'],
    });
    expect(code, lines.join('\n')).toBe(0);
    expect(await readdir(home, { recursive: true })).toEqual([]);
  }, 120_000);
});
