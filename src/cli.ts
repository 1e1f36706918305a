#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { registerCi } from './commands/ci.js';
import { registerClean } from './commands/clean.js';
import { reportFailure } from './commands/conclude.js';
import { registerDb } from './commands/db.js';
import { registerCompletion } from './commands/completion.js';
import { EXIT } from './commands/exit-codes.js';
import { registerGenerate } from './commands/generate.js';
import { withProgramHelp } from './commands/help.js';
import { registerList } from './commands/list.js';
import { registerLoad } from './commands/load.js';
import { registerManifest } from './commands/manifest.js';
import { watchOutput } from './commands/outputs.js';
import { registerReset } from './commands/reset.js';
import { registerVerify } from './commands/verify.js';

// The command line may hold a password: take it out of ps.
process.title = 'scale-seed';

watchOutput();

// Until a command says otherwise it has failed: a promise that never settles must not look like success.
process.exitCode = EXIT.failed;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('scale-seed')
  .description('Fills a certctl database with a load-test fleet, fast and the same every time.')
  .version(version)
  .exitOverride()
  // All messages have one prefix, commander's own too.
  .configureOutput({
    outputError: (text, write) => {
      write(text.replace(/^error: /, 'scale-seed: '));
    },
  })
  .showHelpAfterError('(add --help for more)');

registerLoad(program);
registerVerify(program);
registerReset(program);
registerClean(program);
registerCi(program);
registerList(program);
registerManifest(program);
registerGenerate(program);
registerDb(program);
await registerCompletion(program, process.argv.slice(2));
withProgramHelp(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else process.exitCode = reportFailure(error);
}
