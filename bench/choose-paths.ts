import { ScaleSeedError } from '../src/errors.js';
import type { LoadPath, Node, ServerAbilities } from './load-path.js';
import { PATHS, QUICK } from './paths/index.js';
import { WAYS_BACK } from './paths/ways-back.js';
import type { SizeResult } from './result.js';

/**
 * The paths that are named and can run here, ours by each of the other Nodes too, and why the rest can't; slow ones have to
 * be named above their limit.
 *
 * @throws ScaleSeedError `usage` for a name that is unknown.
 */
export function choosePaths(
  names: readonly string[] | undefined,
  rows: number,
  server: ServerAbilities,
  nodes: readonly Node[],
): { paths: LoadPath[]; skipped: SizeResult['skipped'] } {
  const all = names?.[0] === 'all';
  const wanted = all ? PATHS : new Set((names ?? QUICK).flatMap(findPaths));
  const paths: LoadPath[] = [];
  const skipped: SizeResult['skipped'] = [];
  for (const path of wanted) {
    const tooMany = (all || names === undefined) && path.maxRows !== undefined && rows > path.maxRows;
    const reason = tooMany ? `too slow for ${rows} rows: name it to have it run` : path.unavailable?.(server);
    if (reason === undefined) paths.push(path, ...nodes.flatMap((node) => path.onNode?.(node) ?? []));
    else skipped.push({ name: path.name, reason });
  }
  return { paths, skipped };
}

function findPaths(name: string): readonly LoadPath[] {
  if (name === 'ways-back') return WAYS_BACK;
  const path = PATHS.find((candidate) => candidate.name === name);
  if (path !== undefined) return [path];
  throw new ScaleSeedError(`there is no load path ${name}`, {
    code: 'usage',
    phase: 'configure',
    hint: `paths are all, ways-back, ${PATHS.map((known) => known.name).join(', ')}`,
  });
}
