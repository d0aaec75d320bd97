import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['@sgool/source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['@sgool/source', 'node', 'import', 'default'] } },
  test: {
    include: [
      'packages/*/{src,test}/**/*.test.ts',
      'bench/**/*.test.ts',
      'examples/*.test.ts',
      'test/**/*.test.ts',
    ],
    setupFiles: ['test/software-driver.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
