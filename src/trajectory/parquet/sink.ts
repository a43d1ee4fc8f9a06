/** Hands on to a file what a row group has written. */
import { ByteWriter } from 'hyparquet-writer';
import type { WholeFile } from '../../wholeFile.js';

export class FileSink extends ByteWriter {
  readonly #file: WholeFile;

  constructor(file: WholeFile) {
    super(1 << 16);
    this.#file = file;
  }

  /** Called after every row group. */
  flush(): void {
    this.#file.write(new Uint8Array(this.buffer, 0, this.index));
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}
