/**
 * @file The packages as they would be published: their contents, whether tools and types find their entries, and whether
 * they work in an empty folder.
 */
import { exec } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const folders = ['autodiff', 'toybox-models', 'sgool'] as const;
const work = mkdtempSync(join(tmpdir(), 'sgool-packages-'));
const shell = promisify(exec);

/** What `npm pack --json` says of a package. */
interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}
const packed = new Map<string, Packed>();
const tarball = (folder: string) => join(work, packed.get(folder)?.filename ?? '');
const pathsOf = (folder: string) => packed.get(folder)?.files.map(({ path }) => path) ?? [];
const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'));

beforeAll(async () => {
  await shell('npx tsc -b packages/autodiff packages/sgool', { cwd: root });
  for (const folder of folders) {
    // prepack would remove dist while other tests run.
    const command = `npm pack --json --ignore-scripts --pack-destination "${work}"`;
    const { stdout } = await shell(command, { cwd: join(root, 'packages', folder) });
    const said: unknown = JSON.parse(stdout);
    packed.set(folder, (Array.isArray(said) ? said[0] : Object.values(said as object)[0]) as Packed);
  }
});
afterAll(() => rmSync(work, { recursive: true, force: true, maxRetries: 3 }));

describe.each(folders)('package %s', (folder) => {
  it('says where it comes from, what it is, and builds before it is packed', () => {
    const {
      name,
      version,
      license,
      description,
      keywords,
      homepage,
      bugs,
      repository,
      publishConfig,
      ...rest
    } = manifestOf(folder);
    expect(repository).toEqual({
      type: 'git',
      url: 'git+https://github.com/sgool/sgool.git',
      directory: `packages/${folder}`,
    });
    expect([name, description, homepage, bugs]).toEqual(Array(4).fill(expect.stringMatching(/./)));
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(license).toBe('Apache-2.0');
    expect(keywords.length).toBeGreaterThan(4);
    expect(publishConfig.access).toBe('public');
    if (folder !== 'toybox-models') expect(rest.scripts.prepack).toMatch(/rmSync\('dist'.*tsc -b$/);
  });

  it('holds what is needed, and no tests, histories, caches or files without a source', () => {
    const paths = pathsOf(folder);
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE']));
    const unwanted =
      /\.test\.|testing|fixtures|measured|training|history|\.tsbuildinfo|\.DS_Store|\.tmp$|\.py$/;
    expect(paths.filter((path) => unwanted.test(path))).toEqual([]);
    const orphans = paths.filter((path) => {
      const [, stem] = /^dist\/(.*?)\.(?:d\.ts|js|js\.map)$/.exec(path) ?? [];
      return stem !== undefined && !existsSync(join(root, 'packages', folder, 'src', `${stem}.ts`));
    });
    expect(orphans, 'left behind by an earlier build: remove dist').toEqual([]);
  });

  it('has entries that tools and TypeScript find', async () => {
    const data = readFileSync(tarball(folder));
    const tarballData = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    const { messages } = await publint({ strict: true, pack: { tarball: tarballData } });
    expect(messages.filter(({ type }) => type !== 'suggestion')).toEqual([]);

    const result = await checkPackage(createPackageFromTarballData(data));
    // ES modules only: require() and resolution as it was before Node 12 are not promised.
    const modern = ['node16-esm', 'bundler'];
    const problems = result.types
      ? result.problems.filter(
          (problem) => !('resolutionKind' in problem) || modern.includes(problem.resolutionKind),
        )
      : [];
    expect(problems).toEqual([]);
    expect(Boolean(result.types)).toBe(folder !== 'toybox-models');
  });
});

describe('packages together', () => {
  it('stay small', () => {
    // Megabytes of the tarballs: 0.20, 22.2 and 2.07 in November 2026; evaluations, reports and studies are half a megabyte.
    expect(packed.get('autodiff')?.size).toBeLessThan(0.3e6);
    expect(packed.get('sgool')?.size).toBeLessThan(2.5e6);
    expect(packed.get('toybox-models')?.size).toBeLessThan(30e6);
  });

  it('install in an empty folder, with types, and make an image', { timeout: 180_000 }, async ({ skip }) => {
    const folder = mkdtempSync(join(work, 'consumer-'));
    const run = (command: string) => shell(command, { cwd: folder });
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    const files = folders.map((name) => `"${tarball(name)}"`).join(' ');
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/@types/node/package.json'), 'utf8'));
    try {
      // The command of docs/install.md for machines that reach the registry and nothing else.
      await run(
        `npm install --ignore-scripts --no-audit --no-fund --prefer-offline ${files} @types/node@${version}`,
      );
    } catch (error) {
      const why = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/.exec(String(error));
      if (why) return skip(`the registry cannot be reached (${why[0]})`);
      throw error;
    }

    const examples = readdirSync(join(root, 'examples')).filter((name) => /^\d.*\.ts$/.test(name));
    for (const name of examples) cpSync(join(root, 'examples', name), join(folder, name));
    const settings = '--noEmit --strict --target es2022 --module nodenext --skipLibCheck false --types node';
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const complaints = await run(`"${process.execPath}" "${tsc}" ${settings} ${examples.join(' ')}`).then(
      () => '',
      (error: { stdout?: string }) => error.stdout || String(error),
    );
    expect(complaints).toBe('');

    await run('npx --no-install sgool generate "a red cat" --method sd --steps 4 --seed 0 --out made');
    expect(readFileSync(join(folder, 'made/image.png')).subarray(1, 4).toString()).toBe('PNG');
  });
});
