/** What happens before the first picture: modules that are loaded, programs that are traced and compiled. They are counted, not timed. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { loadPipeline, methods } from 'sgool';
import { expect, it } from 'vitest';
import { DryRunPrograms } from '../src/runtime/dry-run.ts';
import { describeOnToybox } from './toybox-model.ts';

const SRC = join(import.meta.dirname, '../src');

/** What a module loads at once: our modules by their paths, and packages. `import()` is for later, types are for nobody. */
function loadedBy(...entries: string[]): { modules: string[]; packages: string[] } {
  const modules = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (modules.has(path)) return;
    modules.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, names, from] of text.matchAll(
      /^(?:import|export)\s(?!type\s)(?:([^;']*?)\sfrom\s)?'([^']+)';/gm,
    )) {
      const isTypes = /^\{(\s*type\s[^,}]*,?)+\s*\}$/.test(names ?? '');
      if (isTypes || from.startsWith('node:')) continue;
      if (from === '#platform') visit(join(SRC, 'platform/node.ts'));
      else if (from.startsWith('.')) visit(join(dirname(path), from));
      else packages.add(from);
    }
  };
  for (const entry of entries) visit(join(SRC, entry));
  return { modules: [...modules].map((path) => relative(SRC, path)), packages: [...packages] };
}

it('this test sees what is imported', () => {
  const { modules, packages } = loadedBy('cli/commands/generate.ts');
  expect(modules).toContain('methods/index.ts');
  expect(packages).toEqual(expect.arrayContaining(['zod', '@sgool/autodiff']));
  expect(modules.every((path) => existsSync(join(SRC, path)))).toBe(true);
});

it('the main thread of a command that makes images loads no package, and neither commands nor their options', () => {
  const { modules, packages } = loadedBy('cli/main.ts');
  expect(packages).toEqual([]);
  expect(modules.filter((path) => /^cli\/(commands|options)\//.test(path))).toEqual([]);
  expect(modules.length).toBeLessThanOrEqual(32);
});

it('sgool --help and --version load Commander and no other package', () => {
  const { modules, packages } = loadedBy('cli/main.ts', 'cli/cli.ts');
  expect(packages).toEqual(['commander']);
  expect(modules.filter((path) => path.startsWith('cli/commands/'))).toEqual([]);
  expect(modules.length).toBeLessThanOrEqual(40);
});

describeOnToybox('before the first picture', () => {
  it('each program is compiled once, and none of the backward pass through the steps', async () => {
    let made: DryRunPrograms | undefined;
    const pipeline = await loadPipeline('toybox', {
      programs: (options) => (made = new DryRunPrograms(options)),
    });
    for await (const _ of methods.sgool.run(pipeline, { prompt: 'a red cat', seed: 0, iterations: 1 })) break;
    const compiled = [...(made?.counts.compiled ?? [])];
    expect(compiled.filter(([, count]) => count !== 1)).toEqual([]);
    // The networks of the picture, those that score it, and the loss that is reported with it.
    expect(compiled.map(([key]) => key.replace(/,? \d.*$/, '')).sort()).toEqual([
      ...['clip image', 'clip text', 'clip_b image', 'clip_b text', 'decoder'],
      ...['objective clip', 'text encoder', 'transalnet', 'unet'],
    ]);
    await pipeline.dispose();
  });
});
