import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

const schema = JSON.parse(
  readFileSync(new URL('../../src/report/report.schema.json', import.meta.url), 'utf8'),
) as object;

/** Holds a report against the published JSON Schema. */
export const matchesSchema: ValidateFunction = new Ajv2020({
  strict: true,
  allowUnionTypes: true,
  allErrors: true,
}).compile(schema);
