import type { Command } from 'commander';
import type { EmbeddedStatus } from '../embedded/index.js';
import { seedParents } from '../run/context.js';
import { ScaleSeedError } from '../errors.js';
import { confirmOnTerminal } from './confirm.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { choiceOption, parsePort } from './parse.js';

/** Loaded when it is asked for: most commands have no use for it. */
const embedded = () => import('../embedded/index.js');

interface DbFlags {
  dataDirectory?: string;
  port?: number;
  migrations?: string;
  format: 'text' | 'json';
  yes?: true;
}

/** `scale-seed db`. */
export function registerDb(program: Command): void {
  const db = program
    .command('db')
    .description('the embedded server, for use with psql or the other commands');
  withDirectory(db.command('start'))
    .description('start it; it runs until `db stop`')
    .option('--port <port>', 'on 127.0.0.1 (default: that of last time)', parsePort)
    .option('--migrations <dir>', "migrate with a certctl checkout's own files")
    .action(start);
  withDirectory(db.command('stop')).description('stop it').action(stop);
  withDirectory(db.command('status'))
    .description('whether it runs, and where')
    .addOption(choiceOption('--format <format>', 'of the answer', ['text', 'json']).default('text'))
    .action(status);
  withDirectory(db.command('url'))
    .description('its URL; the password is in a file that the URL names')
    .action(url);
  withDirectory(db.command('destroy'))
    .description('stop it and remove its data')
    .option('--yes', 'do not ask')
    .action(destroy);
  withHelp(db, [
    ['scale-seed db start', 'prints the URL'],
    ['psql "$(scale-seed db url)"', 'a look at it'],
    ['scale-seed db stop', 'its data stays'],
    ['scale-seed db destroy --yes', 'its data goes'],
  ]);
}

function withDirectory(command: Command): Command {
  return command.option(
    '--data-directory <dir>',
    "the server's directory (default: SCALE_SEED_DATA_DIR, or the platform's)",
  );
}

async function start({ dataDirectory, port, migrations }: DbFlags): Promise<void> {
  const { startEmbedded } = await embedded();
  const server = await startEmbedded({
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
    ...(port === undefined ? {} : { port }),
    ...(migrations === undefined ? {} : { migrations }),
    keepRunning: true,
    seed: seedParents,
    onNotice: say,
  });
  say(`PostgreSQL ${server.version} ${server.startedHere ? 'started' : 'was running already'}`);
  process.stdout.write(`${server.url}\n`);
  process.exitCode = EXIT.done;
}

async function stop(flags: DbFlags): Promise<void> {
  const { stopEmbedded } = await embedded();
  say((await stopEmbedded(directoryOf(flags))) ? 'stopped' : 'it was not running');
  process.exitCode = EXIT.done;
}

async function status(flags: DbFlags): Promise<void> {
  const { embeddedStatus } = await embedded();
  const found = await embeddedStatus(directoryOf(flags));
  process.stdout.write(flags.format === 'json' ? `${JSON.stringify(found, null, 2)}\n` : describe(found));
  process.exitCode = EXIT.done;
}

async function url(flags: DbFlags): Promise<void> {
  const { embeddedStatus } = await embedded();
  const found = await embeddedStatus(directoryOf(flags));
  if (found.url === undefined) {
    throw new ScaleSeedError('the embedded server is not running', {
      code: 'embedded',
      phase: 'embedded',
      hint: '`scale-seed db start` starts it',
    });
  }
  process.stdout.write(`${found.url}\n`);
  process.exitCode = EXIT.done;
}

async function destroy(flags: DbFlags): Promise<void> {
  const { embeddedStatus, destroyEmbedded } = await embedded();
  const { dataDirectory } = await embeddedStatus(directoryOf(flags));
  const agreed =
    flags.yes === true || (await confirmOnTerminal(`Remove ${dataDirectory} and all that is in it?`));
  const removed = agreed && (await destroyEmbedded(directoryOf(flags)));
  say(removed ? `removed ${dataDirectory}` : 'nothing was removed');
  process.exitCode = EXIT.done;
}

function describe({
  initialised,
  running,
  dataDirectory,
  version,
  port,
  pid,
  url: address,
}: EmbeddedStatus): string {
  if (!initialised) return `not initialised; its directory would be ${dataDirectory}\n`;
  if (!running) return `stopped; its directory is ${dataDirectory}\n`;
  return `running: PostgreSQL ${version ?? ''}, port ${port ?? ''}, pid ${pid ?? ''}, ${dataDirectory}\n${address ?? ''}\n`;
}

function directoryOf({ dataDirectory }: DbFlags): { dataDirectory?: string } {
  return dataDirectory === undefined ? {} : { dataDirectory };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
