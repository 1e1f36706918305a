import { defineCommand } from './define-command.js';
import { choiceOption } from './parse.js';
import type { ListFlags } from './list-fixtures.js';
import { fixtureFileOption, SIZE_OPTIONS } from './shared-options.js';

export const registerList = defineCommand<ListFlags>('list', {
  description: 'the fixtures, and those of the options: rows, table, fingerprint, purpose',
  options: [
    ...SIZE_OPTIONS,
    fixtureFileOption(),
    choiceOption('--format <format>', 'of the list', ['text', 'json']).default('text'),
  ],
  examples: [
    ['scale-seed list', 'what there is'],
    ['scale-seed list --certs 100000 --format json', 'with columns and fingerprints'],
  ],
  async run(_, flags) {
    const { listFixtures } = await import('./on-fixtures.js');
    process.stdout.write(await listFixtures(flags));
  },
});
