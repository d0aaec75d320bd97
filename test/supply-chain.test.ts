/** @file What is installed with sgool: licences, install scripts, sizes, and the list of it for tools. */
import { exec } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly integrity?: string;
}
const lock: Readonly<Record<string, Locked>> = JSON.parse(read('package-lock.json')).packages;

/** Everything that comes with the published packages, for every system, by its place in the lock file. */
function installed(): Map<string, Locked> {
  const found = new Map<string, Locked>();
  const visit = (place: string) => {
    const { dependencies, optionalDependencies } = lock[place];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const own = `${place}/node_modules/${name}`;
      const next = own in lock ? own : `node_modules/${name}`;
      if (name.startsWith('@sgool/') || found.has(next)) continue;
      found.set(next, lock[next]);
      visit(next);
    }
  };
  for (const name of ['autodiff', 'toybox-models', 'sgool']) visit(`packages/${name}`);
  return found;
}
const packages = [...installed()].map(([place, locked]) => ({
  name: place.replace(/^.*node_modules\//, ''),
  ...locked,
}));

/** Packages with an install script, and why it is not needed. */
const SCRIPTS: Readonly<Record<string, string>> = {
  'onnxruntime-node':
    'it fetches CUDA libraries; the CPU and WebGPU providers are in the package (docs/install.md)',
  '@photostructure/sqlite':
    'it looks whether the binary fits that is in the package, and builds one where it does not',
};

const LICENCES =
  /^\(?(MIT|ISC|0BSD|BSD-2-Clause|BSD-3-Clause|Unlicense|Apache-2\.0|LGPL-3\.0-or-later|CC0-1\.0)((?: AND | OR )(MIT|BSD-3-Clause|Apache-2\.0|LGPL-3\.0-or-later|CC0-1\.0))*\)?$/;

describe('what npm installs with sgool', () => {
  it('is found', () => {
    expect(packages.length).toBeGreaterThan(30);
    expect(packages.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['sharp', 'onnxruntime-node', 'zod', '@img/sharp-libvips-linux-x64']),
    );
  });

  it.each(packages)(
    '$name needs no install script, has a known licence and a hash, and is named in NOTICE',
    ({ name, license, hasInstallScript, integrity }) => {
      expect(hasInstallScript === true && !(name in SCRIPTS)).toBe(false);
      expect(license).toMatch(LICENCES);
      expect(integrity).toMatch(/^sha512-/);
      const shown = name
        .replace(/^@img\/sharp-libvips-.*/, '@img/sharp-libvips-<platform>')
        .replace(/^@img\/sharp-(?!libvips|wasm32)[\w-]+$/, '@img/sharp-<platform>');
      expect(read('NOTICE').split(/[\s,]+/)).toContain(shown);
    },
  );

  it('has only the exceptions that are named', () => {
    expect(packages.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name)).toEqual(
      Object.keys(SCRIPTS),
    );
    expect(read('.npmrc')).toContain('ignore-scripts=true');
  });
});

it('NOTICE names what is loaded where users have installed it', () => {
  const source = read('packages/sgool/src/platform/optional-package.ts');
  const [, table = ''] = /const INSTALL = \{(.*?)\}/s.exec(source) ?? [];
  const names = [...table.matchAll(/^ *'?([\w@/-]+)'?:/gm)].map(([, name]) => name);
  expect(names).toContain('h264-mp4-encoder');
  const [, last] = read('NOTICE').split('3. Loaded where');
  expect(names.filter((name) => !last.split(/[\s,]+/).includes(name))).toEqual([]);
  for (const name of names) {
    expect(lock[`node_modules/${name}`].license).toMatch(LICENCES);
    expect(lock[`node_modules/${name}`].hasInstallScript ?? false).toBe(false);
  }
});

it('NOTICE comes with the package', () => {
  expect(read('packages/sgool/NOTICE')).toBe(read('NOTICE'));
  expect(JSON.parse(read('packages/sgool/package.json')).files).toContain('NOTICE');
});

it('one command lists it for tools, all of it and nothing else', async () => {
  const { stdout } = await promisify(exec)('npm run --silent sbom', { cwd: root });
  const { bomFormat, components } = JSON.parse(stdout);
  expect(bomFormat).toBe('CycloneDX');
  const names: string[] = components.map(({ group, name }: { group?: string; name: string }) =>
    group ? `${group}/${name}` : name,
  );
  const here = packages.filter(({ name }) => existsSync(join(root, 'node_modules', name)));
  for (const { name } of here)
    expect(
      names.some((one) => one === name || name.endsWith(`/${one}`)),
      name,
    ).toBe(true);
  for (const name of ['vitest', 'typescript', 'tsx', 'esbuild']) expect(names).not.toContain(name);
});

it('the hosted workflow looks for known faults', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml'));
  const commands = jobs['supply-chain'].steps.map(({ run }: { run?: string }) => run);
  expect(commands).toEqual(
    expect.arrayContaining(['npm audit --omit=dev', 'npm run --silent sbom > sbom.json']),
  );
});

describe('the documented size', () => {
  const bytesOf = (path: string): number => {
    const found = statSync(path);
    return found.isDirectory()
      ? readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0)
      : found.size;
  };
  const binaries = join(root, 'node_modules/onnxruntime-node/bin/napi-v6');
  const table = new Map(
    [...read('docs/install.md').matchAll(/^\| (.+?) \| (\d+) MB \| (\d+) MB \|$/gm)].map(
      ([, name, own, all]) => [name, [Number(own), Number(all)]],
    ),
  );

  it.each([
    ['Linux x64', 'linux/x64'],
    ['Linux ARM', 'linux/arm64'],
    ['macOS, Apple silicon', 'darwin/arm64'],
    ['Windows x64', 'win32/x64'],
    ['Windows ARM', 'win32/arm64'],
  ])('of %s is that of its own binaries', (name, folder) => {
    const [own, all] = table.get(name) ?? [];
    const megabytes = bytesOf(join(binaries, folder)) / 1e6;
    expect(own).toBe(Math.round(megabytes));
    // What is the same everywhere: 108.4 MB, 29 MB of them SQLite for nine systems.
    expect(Math.abs(all - megabytes - 108.4)).toBeLessThan(1);
  });
});
