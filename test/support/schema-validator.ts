import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';

const formats = { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ };

function compile(name: string): ValidateFunction {
  const text = readFileSync(new URL(`../../dist/${name}`, import.meta.url), 'utf8');
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true, formats });
  return ajv.compile(JSON.parse(text) as object);
}

/** Holds a report against the published JSON Schema. */
export const matchesSchema = compile('report.schema.json');

/** Holds a manifest against the published JSON Schema. */
export const matchesManifestSchema = compile('manifest.schema.json');
