import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Weights and models that whoever runs the tests has added must not change what they see. */
const nowhere = join(tmpdir(), 'sgool-tests-have-nothing-here');

export default defineConfig({
  // Not `import`: Vite adds it where it applies, and Node would be told to use it for `require`, too.
  resolve: { conditions: ['@sgool/source', 'node'] },
  ssr: { resolve: { conditions: ['@sgool/source', 'node'] } },
  test: {
    include: [
      'packages/*/{src,test}/**/*.test.ts',
      'bench/**/*.test.ts',
      'examples/*.test.ts',
      'test/**/*.test.ts',
    ],
    setupFiles: ['test/software-driver.ts'],
    env: { SGOOL_DATA_DIR: nowhere, HF_HOME: nowhere },
    // For hangs alone: a machine that is busy with much else takes a minute for what takes five seconds.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
  },
});
