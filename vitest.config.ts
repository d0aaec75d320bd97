import { defineConfig } from 'vitest/config';

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
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
