import { execFileSync } from 'node:child_process';
import { messageOf, refusal } from '../src/errors.js';
import type { Node } from './load-path.js';

/** The Node that runs the benchmarks. */
export const THIS_NODE: Node = { program: process.execPath, version: process.versions.node };

/** @throws ScaleSeedError `usage` for a program that is no Node. */
export function findNode(program: string): Node {
  try {
    const version = execFileSync(program, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    return { program, version: version.trim() };
  } catch (error) {
    throw refusal(
      `--node ${program} cannot be run: ${messageOf(error)}`,
      'name a program such as /usr/bin/node',
    );
  }
}
