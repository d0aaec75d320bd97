import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import rules, { FLOORS, NOT_TESTS } from '../floors.config.mjs';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sgool-floors-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

/** Names of the rules that a tree of files breaks. */
async function broken(files: Readonly<Record<string, string>>): Promise<string[]> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), text);
  }
  const { output } = await cruise(['.'], {
    ...rules.options,
    baseDir: dir,
    validate: true,
    ruleSet: { forbidden: rules.forbidden },
  });
  return (output as ICruiseResult).summary.violations.map(({ rule }) => rule.name);
}

describe('the rule for imports', () => {
  it('lets a folder import what is below it', async () => {
    const files = {
      'packages/sgool/src/cli/run.ts':
        "import { image } from '../image/image.ts';\nexport const run = image;\n",
      'packages/sgool/src/image/image.ts': 'export const image = 1;\n',
    };
    expect(await broken(files)).toEqual([]);
  });

  it.each([
    ['a value', "import { run } from '../cli/run.ts';\nexport const image = run;\n"],
    ['a type', "import type { Run } from '../cli/run.ts';\nexport type Image = Run;\n"],
  ])('refuses %s from above', async (_, text) => {
    const files = {
      'packages/sgool/src/image/image.ts': text,
      'packages/sgool/src/cli/run.ts': 'export const run = 1;\nexport type Run = number;\n',
    };
    expect(await broken(files)).toEqual(['sgool/image imports down only']);
  });

  it('refuses an import between two rooms of one floor', async () => {
    const files = {
      'packages/sgool/src/image/image.ts':
        "import { words } from '../text/words.ts';\nexport const image = words;\n",
      'packages/sgool/src/text/words.ts': 'export const words = 1;\n',
    };
    expect(await broken(files)).toEqual(['sgool/image imports down only']);
  });

  it('refuses a circle, of types too', async () => {
    const files = {
      'packages/autodiff/src/ops/a.ts': "import type { B } from './b.ts';\nexport type A = B[];\n",
      'packages/autodiff/src/ops/b.ts': "import type { A } from './a.ts';\nexport type B = A | number;\n",
    };
    expect(new Set(await broken(files))).toEqual(new Set(['no circles']));
  });

  it.each(['packages/toybox/src/world/scene.ts', 'packages/sgool/src/cli/deep.test.ts', 'bench/run.ts'])(
    'refuses that %s reaches past the exports of a package',
    async (file) => {
      const to = path.relative(path.dirname(file), 'packages/autodiff/src/ops/add.ts');
      const files = {
        [file]: `import { add } from '${to}';\nexport const sum = add;\n`,
        'packages/autodiff/src/ops/add.ts': 'export const add = 1;\n',
      };
      expect(await broken(files)).toEqual(['other packages are imported by their names']);
    },
  );

  it('refuses a file that is not there', async () => {
    const files = {
      'packages/sgool/src/cli/run.ts': "import { gone } from './gone.ts';\nexport const run = gone;\n",
    };
    expect(await broken(files)).toEqual(['nothing unresolved']);
  });
});

it('knows every folder of every package, so that no file is outside of the rule', async () => {
  const { output } = await cruise(['packages'], { ...rules.options, validate: false });
  const outside = (output as ICruiseResult).modules.flatMap(({ source }) => {
    const [, name, file] = /^packages\/([^/]+)\/src\/(.*\.ts)$/.exec(source) ?? [];
    if (name === undefined || file === undefined || new RegExp(NOT_TESTS).test(source)) return [];
    const known = FLOORS[name]?.flat() ?? [];
    return known.some((folder) => file === folder || file.startsWith(`${folder}/`)) ? [] : [source];
  });
  expect(outside).toEqual([]);
});
