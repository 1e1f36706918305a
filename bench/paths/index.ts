import type { LoadPath } from '../load-path.js';
import { direct, staged, stagedFile, stringifyStream } from './copies.js';
import { offlineFloor, unloggedFloor } from './floors.js';
import { jsonRecordset, multiRow, rowByRow, unnest } from './inserts.js';
import { binary, pgloader, postgresJs, psqlCopy } from './libraries.js';
import { exclusive, online, onlineProcess, parts, rerun } from './ours.js';
import { published, publishedProcess } from './published.js';

/** Every load path, the reference first. */
export const PATHS: readonly LoadPath[] = [
  published,
  online,
  exclusive,
  parts,
  rerun,
  publishedProcess,
  onlineProcess,
  rowByRow,
  multiRow,
  unnest,
  jsonRecordset,
  direct,
  staged,
  stagedFile,
  stringifyStream,
  binary,
  postgresJs,
  psqlCopy,
  pgloader,
  unloggedFloor,
  offlineFloor,
];

/** What is compared where nothing is named: minutes, not hours. */
export const QUICK = ['published', 'online', 'exclusive', 'rerun', 'staged', 'unnest', 'floor-offline'];
