/** What commands need that work on fixtures and on no database; loaded when one of them runs, in one piece. */
export { listFixtures } from './list-fixtures.js';
export { writeRows } from './write-rows.js';
