/**
 * The default fleet into each of many schemas: by one command for all of them, and by a command for each, one after the
 * other. Whole processes, in turns, into empty tables.
 */
import { Command } from 'commander';
import pg from 'pg';
import { parseJobs } from '../src/commands/parse.js';
import { estimateMedian } from '../src/judge/median-interval.js';
import { quote } from '../src/postgres/quote.js';
import { alignColumns } from '../src/show/align-columns.js';
import { CLI } from './command-line.js';
import { startEmptyServer } from './empty-server.js';
import { parseCount } from './parse-count.js';
import { runProcess } from './run-process.js';
import { createTables } from './sandboxes.js';

const flags = new Command('npm run bench:fleets --')
  .description('One command for many schemas against a command for each.')
  .option('--schemas <n>', 'how many', parseCount, 16)
  .option('--rounds <n>', 'rounds that count; one more warms up', parseCount, 5)
  .option('--jobs <n>', 'concurrent sessions', parseJobs)
  .parse()
  .opts<{ schemas: number; rounds: number; jobs?: number }>();
const schemas = Array.from({ length: flags.schemas }, (_, n) => `fleet_${n + 1}`);
const server = await startEmptyServer();
const client = new pg.Client({ connectionString: server.url });
try {
  await client.connect();
  for (const schema of schemas) {
    await client.query(`create schema ${quote(schema)}; set search_path = ${quote(schema)}`);
    await createTables(client, schema);
  }
  await runRounds();
} finally {
  await client.end();
  await server.stop();
}

async function runRounds(): Promise<void> {
  const jobs = flags.jobs === undefined ? [] : ['--jobs', String(flags.jobs)];
  const oneCommand = (): Promise<void> => load(...schemas.flatMap((schema) => ['--schema', schema]), ...jobs);
  const manyCommands = async (): Promise<void> => {
    for (const schema of schemas) await load('--schema', schema);
  };
  const rounds: { one: number; many: number }[] = [];
  // One more to warm up. Whichever comes first gains nothing by it, as they take turns at that too.
  for (let n = 0; n <= flags.rounds; n++) {
    const round = { one: 0, many: 0 };
    const turns = [
      async () => (round.one = await timed(oneCommand)),
      async () => (round.many = await timed(manyCommands)),
    ];
    for (const turn of n % 2 === 0 ? turns : turns.reverse()) await turn();
    if (n > 0) rounds.push(round);
  }
  report(rounds);
}

function report(rounds: readonly { one: number; many: number }[]): void {
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  const lines = rounds.map(({ one, many }, n) => [
    String(n + 1),
    seconds(one),
    seconds(many),
    (many / one).toFixed(2),
  ]);
  const head = ['round', 'one command, s', `${schemas.length} commands, s`, 'ratio'];
  const { median, interval, confidence } = estimateMedian(rounds.map(({ one, many }) => many / one));
  const ends = interval.map((end) => end.toFixed(2)).join(' to ');
  process.stdout.write(
    `PostgreSQL ${server.version}, ${schemas.length} schemas of 10,000 + 5,000 rows
${alignColumns([head, ...lines], [0, 1, 2, 3])}
median ratio ${median.toFixed(2)}, ${ends} with ${Math.round(100 * confidence)} % confidence\n`,
  );
}

/** The time that a load into empty tables takes, in milliseconds; fails where a row is missing afterwards. */
async function timed(work: () => Promise<void>): Promise<number> {
  for (const schema of schemas) {
    await client.query(
      `truncate ${quote(schema, 'managed_certificates')}, ${quote(schema, 'agents')} cascade`,
    );
  }
  await client.query('checkpoint');
  const startMs = performance.now();
  await work();
  const ms = performance.now() - startMs;
  for (const schema of schemas) {
    const { rows } = await client.query<{ count: string }>(
      `select (select count(*) from ${quote(schema, 'managed_certificates')}) + (select count(*) from ${quote(schema, 'agents')}) as count`,
    );
    if (rows[0]?.count !== '15000') throw new Error(`${schema} holds ${rows[0]?.count ?? ''} rows`);
  }
  return ms;
}

function load(...args: string[]): Promise<void> {
  const command = [CLI, 'load', '--quiet', '--database-url', server.url, ...args];
  return runProcess(process.execPath, command);
}
