/** What only commands on a database need, loaded when they run, in one piece: to open a file takes longer than to read it. */
export { ci } from '../operations/ci.js';
export { clean } from '../operations/clean.js';
export { load } from '../operations/load.js';
export { manifest } from '../operations/manifest.js';
export { reset } from '../operations/reset.js';
export { verify } from '../operations/verify.js';
export { fixturesOf } from './chosen-fixtures.js';
export { publishCi, publishCiFailure } from './ci-outputs.js';
export { execute, underControl } from './execute.js';
export { refuseUnwritable, STDOUT, writeResult } from './outputs.js';
export { readBaseline } from './read-baseline.js';
