import { load } from '../../src/index.js';
import type { Fixture } from '../../src/fixtures/fixture.js';
import { CLI } from '../command-line.js';
import type { LoadPath, Node } from '../load-path.js';
import { THIS_NODE } from '../nodes.js';
import { runProcess } from '../run-process.js';

/** `scale-seed load` from start to exit; settling is left out, as for all other paths. */
function processPath(
  path: Pick<LoadPath, 'name' | 'about' | 'prepare' | 'sendsNothing'>,
  options: readonly string[],
  { program }: Node = THIS_NODE,
): LoadPath {
  return {
    ...path,
    kind: 'ours',
    reference: 'published-process',
    onNode: (node) => processPath({ ...path, name: `${path.name}, Node ${node.version}` }, options, node),
    load: async ({ url, fixtures }) => {
      const args = [CLI, 'load', ...choiceOf(fixtures), ...options, '--no-settle', '--quiet'];
      await runProcess(program, args, { DATABASE_URL: url });
      return undefined;
    },
  };
}

/** Fixtures as the command line takes them: those of a size by the size, all others by their names. */
function choiceOf(fixtures: readonly Fixture[]): string[] {
  const flags: Readonly<Record<string, string>> = { scale_certs: '--certs', scale_agents: '--agents' };
  return fixtures.flatMap(({ name, count }) =>
    flags[name] === undefined ? [name] : [flags[name], String(count)],
  );
}

export const onlineProcess = processPath(
  { name: 'online-process', about: 'scale-seed load --no-settle as a whole process, from start to exit' },
  [],
);

export const exclusiveProcess = processPath(
  { name: 'exclusive-process', about: 'the same with --mode exclusive' },
  ['--mode', 'exclusive'],
);

export const rerunProcess = processPath(
  {
    name: 'rerun-process',
    about: 'the same on a database where every row stands already',
    sendsNothing: true,
    prepare: async ({ url, fixtures }) => {
      await load({ databaseUrl: url, fixtures });
    },
  },
  [],
);
