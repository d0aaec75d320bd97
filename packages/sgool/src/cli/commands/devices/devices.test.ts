import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { fakeHost } from '../../testing.ts';
import { areInstalled, installLibraries, LIBRARY, ORIGINAL, PROVIDERS, undoLibraries } from './cuda-files.ts';
import { readLibraries } from './read-libraries.ts';

const VERSION = '1.30.0';
const text = (content: string) => Buffer.from(content);
/** What a wheel holds. */
const WHEEL = {
  [`onnxruntime/capi/libonnxruntime.so.${VERSION}`]: text('library'),
  'onnxruntime/capi/libonnxruntime_providers_shared.so': text('shared'),
  'onnxruntime/capi/libonnxruntime_providers_cuda.so': text('cuda'),
  'onnxruntime/capi/libonnxruntime_providers_tensorrt.so': text('not wanted'),
};

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-devices-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function wheel(content: Record<string, Uint8Array> = WHEEL): Promise<string> {
  const path = join(dir, 'some.whl');
  await writeFile(path, zipSync(content));
  return path;
}

const shown = async (path: string) =>
  Object.fromEntries(
    [...(await readLibraries(path, VERSION))].map(([name, data]) => [name, String(Buffer.from(data))]),
  );
const EXPECTED = { [LIBRARY]: 'library', [PROVIDERS[0]]: 'shared', [PROVIDERS[1]]: 'cuda' };

describe('readLibraries', () => {
  it('takes them from a wheel', async () => {
    expect(await shown(await wheel())).toEqual(EXPECTED);
  });

  it.each(['', 'capi', 'onnxruntime/capi'])('takes them from a folder: "%s"', async (place) => {
    await mkdir(join(dir, place), { recursive: true });
    for (const [name, data] of Object.entries(WHEEL)) {
      await writeFile(join(dir, place, name.replace('onnxruntime/capi/', '')), data);
    }
    expect(await shown(dir)).toEqual(EXPECTED);
  });

  it('refuses another version, an incomplete one, and what is no wheel', async () => {
    const { [`onnxruntime/capi/libonnxruntime.so.${VERSION}`]: library, ...rest } = WHEEL;
    const other = await wheel({ ...rest, 'x/libonnxruntime.so.1.29.1': library });
    await expect(readLibraries(other, VERSION)).rejects.toThrow(
      `devices: ${other} holds ONNX Runtime 1.29.1, the package for Node is 1.30.0; give onnxruntime-gpu==1.30.0`,
    );
    await expect(readLibraries(await wheel(rest), VERSION)).rejects.toThrow(
      'holds no libonnxruntime.so.1.30.0',
    );
    const { 'onnxruntime/capi/libonnxruntime_providers_cuda.so': _, ...half } = WHEEL;
    await expect(readLibraries(await wheel(half), VERSION)).rejects.toThrow(
      'holds no libonnxruntime_providers_cuda.so',
    );
    await writeFile(join(dir, 'text'), 'text');
    await expect(readLibraries(join(dir, 'text'), VERSION)).rejects.toThrow(
      /text is no wheel \(.*\); give that of/,
    );
    await expect(readLibraries(join(dir, 'none'), VERSION)).rejects.toThrow('none: it does not exist');
    await mkdir(join(dir, 'empty'));
    await expect(readLibraries(join(dir, 'empty'), VERSION)).rejects.toThrow(
      'holds no libonnxruntime.so.1.30.0',
    );
  });
});

describe('the files in place', () => {
  const content = async (name: string) => String(await readFile(join(dir, name)));

  it('replace the library, which comes back', async () => {
    await writeFile(join(dir, LIBRARY), 'of the package');
    await writeFile(join(dir, 'onnxruntime_binding.node'), 'binding');
    expect(await areInstalled(dir)).toBe(false);
    const libraries = new Map(Object.entries(EXPECTED).map(([name, data]) => [name, text(data)]));
    // Twice: the original must survive the second time.
    for (const _ of [1, 2]) await installLibraries(dir, libraries);
    expect(await areInstalled(dir)).toBe(true);
    expect([await content(LIBRARY), await content(ORIGINAL)]).toEqual(['library', 'of the package']);
    expect([await content(PROVIDERS[0]), await content(PROVIDERS[1])]).toEqual(['shared', 'cuda']);
    expect(await undoLibraries(dir)).toBe(true);
    expect((await readdir(dir)).sort()).toEqual([LIBRARY, 'onnxruntime_binding.node']);
    expect(await content(LIBRARY)).toBe('of the package');
    expect(await undoLibraries(dir)).toBe(false);
  });

  it('a folder that is not there is one line', async () => {
    await expect(installLibraries(join(dir, 'none'), new Map())).rejects.toThrow(/cannot write .*none/);
  });
});

describe('the command', () => {
  it('lists what works, as text and as JSON', async () => {
    const host = fakeHost(dir);
    expect(await runCli(['devices'], host)).toBe(0);
    expect(host.written.stdout).toMatch(/^device +works +speed .*\ncpu +yes +\d+.* [GT]FLOP\/s/);
    expect(host.written.stdout).toMatch(/\nONNX Runtime \d+\.\d+\.\d+/);
    expect(host.written.stdout).toContain('\n--device-options of webgpu: preferredLayout, ');
    const json = fakeHost(dir);
    await runCli(['devices', '--json'], json);
    const { devices, onnxRuntime } = JSON.parse(json.written.stdout);
    expect(devices.map(({ device }: { device: string }) => device)).toEqual(['cpu', 'webgpu', 'cuda']);
    expect(devices[0]).toMatchObject({ works: true, half: true });
    expect(devices[1].options.preferredLayout).toEqual(['NHWC', 'NCHW']);
    expect(devices[2].options.deviceId).toBe('number');
    expect(onnxRuntime).toMatch(/^\d/);
  });

  it('adds files for cuda only', async () => {
    for (const words of ['add', 'remove']) {
      const host = fakeHost(dir);
      expect(await runCli(['devices', words, 'webgpu'], host)).toBe(2);
      expect(host.written.stderr).toMatch(/^sgool: devices: files can be added for cuda only, got "webgpu"/);
    }
  });
});
