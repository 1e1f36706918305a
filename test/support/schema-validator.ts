import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

function compile(name: string): ValidateFunction {
  const text = readFileSync(new URL(`../../src/report/${name}`, import.meta.url), 'utf8');
  return new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).compile(
    JSON.parse(text) as object,
  );
}

/** Holds a report against the published JSON Schema. */
export const matchesSchema = compile('report.schema.json');

/** Holds a manifest against the published JSON Schema. */
export const matchesManifestSchema = compile('manifest.schema.json');
