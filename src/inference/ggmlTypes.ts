/** ggml's tensor types: by the type's number, how many values a block holds, how many bytes it takes, and its name. */
const TYPES: ReadonlyMap<number, readonly [values: number, bytes: number, name: string]> = new Map([
  [0, [1, 4, 'F32']],
  [1, [1, 2, 'F16']],
  [2, [32, 18, 'Q4_0']],
  [3, [32, 20, 'Q4_1']],
  [6, [32, 22, 'Q5_0']],
  [7, [32, 24, 'Q5_1']],
  [8, [32, 34, 'Q8_0']],
  [10, [256, 84, 'Q2_K']],
  [11, [256, 110, 'Q3_K']],
  [12, [256, 144, 'Q4_K']],
  [13, [256, 176, 'Q5_K']],
  [14, [256, 210, 'Q6_K']],
  [16, [256, 66, 'IQ2_XXS']],
  [17, [256, 74, 'IQ2_XS']],
  [18, [256, 98, 'IQ3_XXS']],
  [19, [256, 50, 'IQ1_S']],
  [20, [32, 18, 'IQ4_NL']],
  [21, [256, 110, 'IQ3_S']],
  [22, [256, 82, 'IQ2_S']],
  [23, [256, 136, 'IQ4_XS']],
  [24, [1, 1, 'I8']],
  [25, [1, 2, 'I16']],
  [26, [1, 4, 'I32']],
  [27, [1, 8, 'I64']],
  [28, [1, 8, 'F64']],
  [29, [256, 56, 'IQ1_M']],
  [30, [1, 2, 'BF16']],
  [34, [256, 54, 'TQ1_0']],
  [35, [256, 66, 'TQ2_0']],
  [39, [32, 17, 'MXFP4']],
  [40, [64, 36, 'NVFP4']],
  [41, [128, 18, 'Q1_0']],
  [42, [64, 18, 'Q2_0']],
]);

export const F32_TYPE = 0;

/** `Q4_K`; `type 99` for one newer than this list. */
export function typeName(type: number): string {
  return TYPES.get(type)?.[2] ?? `type ${type}`;
}

/** False for integers and F64: a file may hold such tensors, but llama.cpp crashes when it multiplies with them. */
export function isWeightType(type: number): boolean {
  return type < 24 || type > 28;
}

/** Bytes of a tensor; null for a type newer than this list, which is left to llama.cpp to accept or refuse. */
export function tensorBytes(type: number, dimensions: readonly number[]): number | null {
  const block = TYPES.get(type);
  if (block === undefined) return null;
  const [values, bytes] = block;
  if (dimensions[0]! % values !== 0) {
    throw new Error(`expected rows of a multiple of ${values} values for tensor type ${type}, got ${dimensions[0]}`);
  }
  return (dimensions.reduce((product, size) => product * size, 1) / values) * bytes;
}
