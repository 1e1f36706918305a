import { resolve } from 'node:path';

/** The built command line; npm runs scripts in the folder of the package. */
export const CLI = resolve('dist/cli.js');
