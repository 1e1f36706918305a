import { Option, type Command } from 'commander';
import { ScaleSeedError } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { loadFixtureFile } from '../fixtures/load-fixture-file.js';
import { chooseFixtures, SETS, type SetName } from '../fixtures/registry.js';
import type { FixtureOptions } from '../run/options.js';
import { choiceOption, parseDuration, parseJobs, parseRows } from './parse.js';

/** Options that say which fixtures, as commander parses them. */
export interface FixtureFlags {
  set?: SetName;
  certs?: number;
  agents?: number;
  fixture: string[];
}

/** Options that say which database, as commander parses them. */
export interface DatabaseFlags {
  databaseUrl?: string;
  embedded?: true;
  dataDirectory?: string;
  migrations?: string;
  schema: string[];
  jobs?: number;
  wait?: number;
  timeout?: number;
}

/** Options that say what is printed, as commander parses them. */
export interface OutputFlags extends ProgressFlags {
  format: 'text' | 'json' | 'markdown';
  output?: string;
}

/** Options that say what is told on standard error, as commander parses them. */
export interface ProgressFlags {
  quiet?: true;
  verbose?: true;
  progress: boolean;
}

/** `--fixture FILE`, which may be repeated. */
export function fixtureFileOption(): Option {
  return new Option('--fixture <file>', 'a fixture of your own: an ES module; may be repeated')
    .argParser((file: string, files: string[]) => [...files, file])
    .default([], 'none');
}

/** Adds the arguments and options that choose fixtures. */
export function withFixtureFlags(command: Command): Command {
  return command
    .argument('[fixture...]', 'fixtures by name; see `scale-seed list` (default: 01 and 02)')
    .optionsGroup('Which fixtures:')
    .addOption(choiceOption('--set <set>', 'a set of fixtures', Object.keys(SETS)))
    .option('--certs <n>', 'a fleet of n certificates', parseRows)
    .option('--agents <m>', 'a fleet of m agents', parseRows)
    .addOption(fixtureFileOption());
}

/** Adds the options that name a database. */
export function withDatabaseFlags(command: Command): Command {
  return command
    .optionsGroup('Which database:')
    .option('--database-url <url>', 'postgresql://user@host/database (default: DATABASE_URL, or PG*)')
    .option('--embedded', 'a PostgreSQL of our own, started for the command where it does not run')
    .option('--data-directory <dir>', "the embedded server's directory")
    .option('--migrations <dir>', "migrate the embedded database with a certctl checkout's own files")
    .addOption(
      new Option(
        '--schema <pattern>',
        "schema of the tables, or a pattern as pg_dump's -n takes it, fleet_*: each holds a fleet of its own; may be repeated",
      )
        .argParser((pattern: string, patterns: string[]) => [...new Set([...patterns, pattern])])
        .default([], 'looked up on the search_path'),
    )
    .option('--jobs <n>', 'sessions at work at once (default: one for each processor, at least 2)', parseJobs)
    .option(
      '--wait <duration>',
      'wait for the server, the tables and the parent rows (default: no wait)',
      parseDuration,
    )
    .option(
      '--timeout <duration>',
      'cancel and roll back after this time (default: no limit)',
      parseDuration,
    );
}

/** Adds the options that say what is printed. */
export function withOutputFlags(command: Command): Command {
  command
    .optionsGroup('Output:')
    .addOption(
      choiceOption('--format <format>', 'of the report on standard output', [
        'text',
        'json',
        'markdown',
      ]).default('text'),
    )
    .option('--output <file>', 'write the JSON report to a file as well');
  return withProgressFlags(command);
}

/** Adds the options that say what is told on standard error. */
export function withProgressFlags(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option('--quiet', 'no progress and no notices on standard error')
    .option('--no-progress', 'no progress on standard error')
    .addOption(new Option('--verbose', 'each step with its time on standard error').conflicts(['quiet']));
}

/** The fixtures that the flags choose, and those of the user's own that are known by it, chosen or not. */
export async function fixturesOf(
  names: readonly string[],
  { fixture: files, set, certs, agents }: FixtureFlags,
): Promise<{ fixtures: Fixture[]; known: Fixture[] }> {
  const own = await Promise.all(files.map(loadFixtureFile));
  return { fixtures: chooseFixtures({ names, own, set, certs, agents }), known: own };
}

/** The library's options for what the flags say of the database. */
export function databaseOf(flags: DatabaseFlags): FixtureOptions {
  const { databaseUrl, dataDirectory, migrations, schema, jobs, wait: waitMs, timeout: timeoutMs } = flags;
  const own = {
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
    ...(migrations === undefined ? {} : { migrations }),
  };
  const embedded = flags.embedded === true ? own : undefined;
  if (embedded === undefined && Object.keys(own).length > 0)
    throw refused("--data-directory and --migrations are the embedded server's", 'add --embedded');
  if (embedded !== undefined && databaseUrl !== undefined)
    throw refused('--database-url and --embedded name two databases', 'leave one of them out');
  const schemas = schema.length === 0 ? undefined : schema;
  return { databaseUrl, embedded, schemas, jobs, waitMs, timeoutMs };
}

function refused(what: string, hint: string): ScaleSeedError {
  return new ScaleSeedError(what, { code: 'usage', phase: 'configure', hint });
}
