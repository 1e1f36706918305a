import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';

function compile(name: string): ValidateFunction {
  const text = readFileSync(new URL(`../../dist/${name}`, import.meta.url), 'utf8');
  return new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(
    JSON.parse(text) as object,
  );
}

/** Holds a report against the published JSON Schema. */
export const matchesSchema = compile('report.schema.json');

/** Holds a manifest against the published JSON Schema. */
export const matchesManifestSchema = compile('manifest.schema.json');
