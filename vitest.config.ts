import { defineConfig } from 'vitest/config';

const UNIT = 'test/**/*.unit.test.ts';
const PACKAGE = 'test/package/*.test.ts';

/** What esbuild's loader `text` does in the bundles. */
const sqlAsText = {
  name: 'sql-as-text',
  transform: (code: string, id: string) =>
    id.endsWith('.sql') ? `export default ${JSON.stringify(code)}` : undefined,
};

/**
 * `*.unit.test.ts` needs no server, and is all that `npm run test:unit` runs. Every other `*.test.ts` may take a clone of
 * the database that the global set-up makes. What is in test/package concerns the built package alone; its `*.test-d.ts`
 * are type-checked and not run.
 */
export default defineConfig({
  plugins: [sqlAsText],
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    env: { LOADTEST_SCALE_SEED: 'true' },
    projects: [
      { extends: true, test: { name: 'unit', include: [UNIT] } },
      {
        extends: true,
        test: {
          name: 'server',
          include: ['test/**/*.test.ts'],
          exclude: [UNIT, PACKAGE],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'package',
          include: [PACKAGE],
          typecheck: {
            enabled: true,
            include: ['test/package/*.test-d.ts'],
            tsconfig: 'test/package/tsconfig.json',
          },
        },
      },
    ],
  },
});
