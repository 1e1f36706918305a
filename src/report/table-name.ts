/** A table's name with its schema. */
export interface TableName {
  schema: string;
  name: string;
}

/** A table as messages and reports name it. */
export function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}
