/** @file The library without its command line bundles for a browser: no module of Node, and no shim of one. */
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { describe, expect, it } from 'vitest';

const ENTRIES = ['sgool', 'sgool/diffusion', 'sgool/networks', 'sgool/evaluate'];

/** What a browser cannot have. */
const FORBIDDEN = /^node:|^(sharp|onnxruntime-node|@huggingface\/hub|commander)$/;

async function bundle(entry: string) {
  return build({
    stdin: {
      contents: `export * from '${entry}';`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser', '@sgool/source'],
    external: ['onnxruntime-web'],
    logLevel: 'silent',
  });
}

function importsOf({ inputs }: Metafile): string[] {
  return Object.values(inputs).flatMap(({ imports }) => imports.map(({ path }) => path));
}

describe.each(ENTRIES)('%s in a browser', (entry) => {
  it('bundles without a module of Node', async () => {
    const { metafile, outputFiles } = await bundle(entry);
    expect(importsOf(metafile).filter((path) => FORBIDDEN.test(path))).toEqual([]);
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.filter((path) => path.endsWith('platform/node.ts') || path.includes('/src/cli/'))).toEqual(
      [],
    );
    // protobuf reads process.env where there is one, and checks that first.
    const globals = /(?<![.\w$])(?:Buffer\.\w+|process\.(?!env\b)\w+|require\(\s*["'`])/g;
    expect(outputFiles[0].text.match(globals) ?? []).toEqual([]);
  });
});

it('refuses what needs Node', async () => {
  await expect(bundle('sgool/node')).rejects.toThrow(/Could not resolve \\?"node:/);
});
