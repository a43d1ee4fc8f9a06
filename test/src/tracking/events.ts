/** Reads event files for tests: the framing with its lengths, and of each event what scalars need. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';

/** `train/loss 3 0.5`: tag, step and value of every scalar in the folder's event files, in order. */
export function scalarsIn(folder: string): string[] {
  const files = readdirSync(folder).sort();
  return files.flatMap((name) => recordsOf(readFileSync(path.join(folder, name))).flatMap(scalarsOf));
}

function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    records.push(bytes.subarray(at + 12, at + 12 + length));
    at += length + 16;
  }
  return records;
}

function scalarsOf(record: Uint8Array): string[] {
  let step = 0;
  const found: string[] = [];
  fields(record, (number, reader) => {
    if (number === 2) step = Number(reader.int64());
    else if (number === 5) {
      fields(reader.bytes(), (_one, summary) => {
        let [tag, value] = ['', Number.NaN];
        fields(summary.bytes(), (field, values) => {
          if (field === 1) tag = values.string();
          else value = values.float();
          return true;
        });
        found.push(`${tag} ${step} ${value}`);
        return true;
      });
    } else return false;
    return true;
  });
  return found;
}

/** `read` returns false for a field that it leaves. */
function fields(bytes: Uint8Array, read: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (read(number, reader) === false) reader.skip(type);
  }
}
