/**
 * @file Which folder may import which. Imports go down only: a folder may import itself and what stands before it here.
 *
 * `npm run lint:floors` checks it with dependency-cruiser, type imports included; test/floors.test.ts shows it failing.
 */

/**
 * Folders of each package's `src`, lowest floor first. An array is one floor whose members do not import each other.
 *
 * @type {Readonly<Record<string, readonly (string | string[])[]>>}
 */
export const FLOORS = {
  autodiff: ['graph', 'ops', 'gradient', 'passes', 'onnx', 'runtime', 'index.ts'],
  sgool: [
    ['errors.ts', 'fourier.ts', 'numbers.ts', 'state.ts'],
    'platform',
    'random',
    ['image', 'text', 'diffusion'],
    'weights/sources',
    'weights/formats',
    'weights/names',
    'weights/hub',
    'weights/open',
    ['networks', 'runtime'],
    'models',
    'request',
    'preference',
    'saliency',
    ['objectives', 'optimisers'],
    'pipeline',
    'methods',
    ['finetune', 'evaluate'],
    ['exports', 'index.ts'],
    'cli',
  ],
  toybox: ['paths.ts', 'world', 'judge', 'train', 'evaluate', 'stages', 'main.ts'],
};

/** @param {string} name */
const escaped = (name) => name.replaceAll('.', '\\.');
/**
 * @param {string} name
 * @param {string} folder
 */
const pathOf = (name, folder) =>
  `^packages/${name}/src/${escaped(folder)}${folder.endsWith('.ts') ? '$' : '/'}`;
/** Tests stand outside of the floors of their package. */
export const NOT_TESTS = '(\\.test\\.ts|/testing\\.ts|/testing/.*)$';

/**
 * One rule for each folder: what it must not import.
 *
 * @param {[string, readonly (string | string[])[]]} floors of a package, by its name
 * @returns {import('dependency-cruiser').IRegularForbiddenRuleType[]}
 */
function floorRules([name, floors]) {
  const storeys = floors.map((floor) => [floor].flat());
  return storeys.flatMap((storey, level) =>
    storey.flatMap((folder) => {
      const above = [...storeys.slice(level + 1).flat(), ...storey.filter((other) => other !== folder)];
      if (above.length === 0) return [];
      return {
        name: `${name}/${folder} imports down only`,
        severity: /** @type {const} */ ('error'),
        from: { path: pathOf(name, folder), pathNot: NOT_TESTS },
        to: { path: above.map((other) => pathOf(name, other)) },
      };
    }),
  );
}

/** @type {import('dependency-cruiser').IConfiguration & { forbidden: import('dependency-cruiser').IRegularForbiddenRuleType[] }} */
export default {
  forbidden: [
    ...Object.entries(FLOORS).flatMap(floorRules),
    { name: 'no circles', severity: 'error', from: { pathNot: NOT_TESTS }, to: { circular: true } },
    {
      name: 'other packages are imported by their names',
      comment: 'What a package does not export is its own business.',
      severity: 'error',
      from: { path: '^(packages/[^/]+|bench|examples|test)/' },
      to: {
        path: '^packages/',
        pathNot: '^$1/',
        dependencyTypes: ['local'],
        dependencyTypesNot: ['aliased', 'aliased-workspace'],
      },
    },
    {
      name: 'nothing unresolved',
      severity: 'error',
      from: {},
      // An optional peer: only a browser's bundle has it.
      to: { couldNotResolve: true, pathNot: '^onnxruntime-web/' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    exclude: { path: ['/dist/', '^packages/[^/]+/node_modules'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.test.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@sgool/source', 'node', 'import', 'default'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
