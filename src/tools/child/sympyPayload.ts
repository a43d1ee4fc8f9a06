/** What a child with SymPy is given at its start, as one run of bytes: a line of JSON, then the wheels, then the snapshot. */

/** A wheel (a zip file of Python's packages), by the name of its file. */
export interface Wheel {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The parts of a payload; an empty snapshot where the child is to make it. */
export interface SympyPayload {
  readonly wheels: readonly Wheel[];
  readonly snapshot: Uint8Array;
}

/** The bytes that `unpacked` reads. */
export function packed({ wheels, snapshot }: SympyPayload): Uint8Array {
  const head = JSON.stringify(wheels.map(({ file, bytes }) => ({ file, size: bytes.length })));
  return Buffer.concat([Buffer.from(`${head}\n`), ...wheels.map(({ bytes }) => bytes), snapshot]);
}

/** The parts again; they share the memory of `bytes`. */
export function unpacked(bytes: Uint8Array): SympyPayload {
  const end = bytes.indexOf(10);
  const head = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString('utf8')) as { file: string; size: number }[];
  let at = end + 1;
  const wheels = head.map(({ file, size }) => {
    const from = at;
    at += size;
    return { file, bytes: bytes.subarray(from, at) };
  });
  return { wheels, snapshot: bytes.subarray(at) };
}
