import type { Fence } from "../domain/content.ts";
import type { ContentLedger } from "../domain/content-catalog.ts";
import { CisternError } from "../domain/errors.ts";
import type { Room } from "../domain/space.ts";

export interface UploadSpacePorts {
  readonly ledger: Pick<ContentLedger, "nextFence">;
  readonly room: Room;
  /** Names this process as the holder of reservations. */
  readonly holder: string;
}

/**
 * The room in the store that an upload has reserved (I9): before its first byte, and more while bytes
 * come whose number was not announced. The record of the upload turns it into content.
 */
export class UploadSpace implements AsyncDisposable {
  /** The generation that the object will have. */
  readonly fence: Fence;
  readonly #room: Room;
  readonly #holder: string;
  readonly #project: string;
  #bytes = 0;

  private constructor({ room, holder }: UploadSpacePorts, fence: Fence, project: string) {
    this.#room = room;
    this.#holder = holder;
    this.fence = fence;
    this.#project = project;
  }

  /** `no-space` when there is not so much room; undefined: nobody knows how many bytes will come. */
  static async take(ports: UploadSpacePorts, project: string, length: number | undefined): Promise<UploadSpace> {
    const space = new UploadSpace(ports, await ports.ledger.nextFence(), project);
    try {
      await space.settle(length ?? ports.room.step);
      return space;
    } catch (error) {
      // No answer is no refusal: it may be reserved all the same.
      await ports.room.release(space.fence);
      throw error;
    }
  }

  /** Room for bytes up to `end`; `no-space`. */
  async cover(end: number): Promise<void> {
    if (end > this.#bytes) await this.settle(end + this.#room.step);
  }

  /** Exactly so many bytes; `no-space`. */
  async settle(bytes: number): Promise<void> {
    if (bytes === this.#bytes) return;
    const { fence } = this;
    const claim = { key: `upload/${fence}`, fence, holder: this.#holder, project: this.#project, origin: "" };
    if ((await this.#room.reserve(claim, bytes)) !== "granted") {
      throw new CisternError("no-space", "there is no room for the bytes within the limit of the store");
    }
    this.#bytes = bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#room.release(this.fence);
  }
}
