import type { Command } from 'commander';
import type * as embedded from '../embedded/index.js';
import type { EmbeddedOptions } from '../embedded/options.js';
import { refusal } from '../errors.js';
import { confirmOnTerminal } from './confirm.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { onInterrupt } from './interrupt.js';
import { choiceOption, parsePort } from './parse.js';

type Which = EmbeddedOptions & { signal: AbortSignal };
type Flags = EmbeddedOptions & { format: 'text' | 'json'; yes?: true };
type Action = (server: typeof embedded, which: Which, flags: Flags) => Promise<void>;

export function registerDb(program: Command): void {
  const db = program.command('db').description('the embedded server, for psql and the other commands');
  withHelp(db, [['psql "$(scale-seed db url)"', 'a look at what `db start` has started']]);
  const add = (name: string, description: string, action: Action): Command => {
    const command = db.command(name).description(description);
    command.option('--data-directory <dir>', "its directory (default: SCALE_SEED_DATA_DIR, or the system's)");
    withHelp(command, [[`scale-seed db ${name}`, description]]);
    return command.action(async (flags: Flags) => {
      const { dataDirectory, port } = flags;
      const { signal, off } = onInterrupt();
      // Loaded only here: most commands have no use for it.
      await action(await import('../embedded/index.js'), { dataDirectory, port, signal }, flags).finally(off);
      process.exitCode = EXIT.done;
    });
  };
  add('start', 'start it; it runs until `db stop`', async ({ startEmbedded }, which) => {
    const server = await startEmbedded({ ...which, keepRunning: true });
    say(`PostgreSQL ${server.version} ${server.startedHere ? 'started' : 'was running already'}`);
    print(server.url);
  }).option('--port <port>', 'on 127.0.0.1 (default: that of last time)', parsePort);
  add('stop', 'stop it', async ({ stopEmbedded }, which) => {
    say((await stopEmbedded(which)) ? 'stopped' : 'it was not running');
  });
  add('status', 'whether it runs, and where', async ({ embeddedStatus }, which, { format }) => {
    const found = await embeddedStatus(which);
    const text = found.url
      ? `running at ${found.url}`
      : `not running; its directory is ${found.dataDirectory}`;
    print(format === 'json' ? JSON.stringify(found, null, 2) : text);
  }).addOption(choiceOption('--format <format>', 'of the answer', ['text', 'json']).default('text'));
  add('url', 'its URL, which names the file of its password', async ({ embeddedStatus }, which) => {
    const { url } = await embeddedStatus(which);
    if (!url) throw refusal('no embedded server runs', '`db start` starts it', { code: 'embedded' });
    print(url);
  });
  add('destroy', 'stop it and remove its data', async (server, which, { yes }) => {
    const directory = server.directoryOf(which.dataDirectory);
    const agreed = yes ?? (await confirmOnTerminal(`Remove ${directory} and all in it?`, which.signal));
    say(agreed && (await server.destroyEmbedded(which)) ? `removed ${directory}` : 'nothing was removed');
  }).option('--yes', 'do not ask');
}

const say = (line: string): void => void process.stderr.write(`scale-seed: ${line}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);
