import { defineCommand } from './define-command.js';
import { databaseOf, TARGET, type TargetFlags } from './shared-options.js';

export const registerManifest = defineCommand<TargetFlags & { standing: boolean; output?: string }>(
  'manifest',
  {
    description:
      'what load-test scripts need to know of a fleet: sizes, ids, fingerprints, and what is loaded',
    ...TARGET,
    options: [
      ['--no-standing', 'do not look at a database'],
      ['--output <file>', 'write to a file, not to standard output'],
    ],
    examples: [
      ['scale-seed manifest --output fleet.json', "for k6's open()"],
      ['scale-seed manifest --no-standing --set fleet-50k', 'of what would be loaded'],
    ],
    async run(names, { standing, output, ...flags }) {
      const { fixturesOf, manifest, refuseUnwritable, STDOUT, underControl, writeResult } =
        await import('./on-database.js');
      const file = output ?? STDOUT;
      await refuseUnwritable({ ...flags, output: file }, { stdout: false });
      const { fixtures } = await fixturesOf(names, flags);
      const found = await underControl(flags, (control) =>
        manifest({ ...databaseOf(flags), ...control, fixtures, standing }),
      );
      await writeResult('--output', file, `${JSON.stringify(found, null, 2)}\n`);
      return found;
    },
  },
);
