#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { registerCi } from './commands/ci.js';
import { registerClean } from './commands/clean.js';
import { registerDb } from './commands/db.js';
import { registerCompletion } from './commands/completion.js';
import { EXIT } from './commands/exit-codes.js';
import { reportFailure } from './commands/failure.js';
import { registerGenerate } from './commands/generate.js';
import { withProgramHelp } from './commands/help.js';
import { registerList } from './commands/list.js';
import { registerLoad } from './commands/load.js';
import { registerManifest } from './commands/manifest.js';
import { registerReset } from './commands/reset.js';
import { registerVerify } from './commands/verify.js';
import { watchOutput } from './commands/watch-output.js';

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
  .showHelpAfterError('(add --help for more)');

for (const register of [
  registerLoad,
  registerVerify,
  registerReset,
  registerClean,
  registerCi,
  registerList,
  registerManifest,
  registerGenerate,
  registerDb,
]) {
  register(program);
}
await registerCompletion(program, process.argv.slice(2));
withProgramHelp(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else process.exitCode = reportFailure(error, process.exitCode);
}
