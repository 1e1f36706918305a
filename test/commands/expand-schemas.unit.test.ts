import { describe, expect, it } from 'vitest';
import { expandSchemas } from '../../src/commands/expand-schemas.js';

describe('expandSchemas', () => {
  it.each<[string, string[]]>([
    ['fleet', ['fleet']],
    ['a,b, c', ['a', 'b', 'c']],
    ['fleet_{08..11}', ['fleet_08', 'fleet_09', 'fleet_10', 'fleet_11']],
    ['fleet_{1..3}', ['fleet_1', 'fleet_2', 'fleet_3']],
    ['fleet_{red,blue},other', ['fleet_red', 'fleet_blue', 'other']],
    ['{a,b}_{1..2}', ['a_1', 'a_2', 'b_1', 'b_2']],
    ['f_{a,{1..2}}', ['f_a', 'f_1', 'f_2']],
    ['a,b,a', ['a', 'b']],
    ['"a,b",c', ['a,b', 'c']],
    ['"{x}"', ['{x}']],
    ['"say ""hi""", " x "', ['say "hi"', ' x ']],
    ['Größe', ['Größe']],
    [`o'dd "one";`, [`o'dd "one";`]],
    ['back\\slash', ['back\\slash']],
    ['"fleet_{1..3}"', ['fleet_{1..3}']],
  ])('%s', (list, names) => {
    expect(expandSchemas(list)).toEqual(names);
  });

  it.each(['', 'a,,b', 'a,', '{a', 'a}', '{x}', '"a', '"a"b', '""', 'f_{1..99999999}'])(
    'refuses %j',
    (list) => {
      expect(() => expandSchemas(list)).toThrow(
        expect.objectContaining({ code: 'usage', phase: 'configure' }),
      );
    },
  );
});
