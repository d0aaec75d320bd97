/** @file The package as a bundler for browsers sees it: no module of Node, and no shim of one. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const PACKAGE = new URL('../', import.meta.url);

const bundle = (platform: 'browser' | 'node') =>
  build({
    entryPoints: [fileURLToPath(new URL('src/index.ts', PACKAGE))],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform,
    conditions: ['@sgool/source'],
    external: ['onnxruntime-web', 'onnxruntime-node'],
    logLevel: 'silent',
  });

const externals = async (platform: 'browser' | 'node') => {
  const { metafile } = await bundle(platform);
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  return [...new Set(imports.filter(({ external }) => external).map(({ path }) => path))].sort();
};

it('bundles for a browser with ONNX Runtime for browsers as the only import', async () => {
  expect(await externals('browser')).toEqual(['onnxruntime-web/wasm', 'onnxruntime-web/webgpu']);
});

it('bundles for Node with ONNX Runtime for Node and modules of Node', async () => {
  const found = await externals('node');
  expect(found).toContain('onnxruntime-node');
  expect(found.filter((name) => !name.startsWith('node:'))).toEqual(['onnxruntime-node']);
});

it('chooses the same runtimes when built as it does from its sources', async () => {
  const { imports } = JSON.parse(await readFile(new URL('package.json', PACKAGE), 'utf8'));
  const { '@sgool/source': source, ...built } = imports['#runtime'];
  const compiled = (file: string) => file.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
  expect(built).toEqual(
    Object.fromEntries(Object.entries<string>(source).map(([key, file]) => [key, compiled(file)])),
  );
});
