import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * What a request's `Idempotency-Key` comes to. An answer may hold a secret that is shown once, so it
 * is kept sealed with what only the caller has: its token and its key.
 */
export class SealedAnswers {
  /** Names caller and key; hexadecimal. */
  readonly name: string;
  readonly #secret: Buffer;

  constructor(token: string, idempotencyKey: string) {
    const derived = Buffer.from(hkdfSync("sha256", token, idempotencyKey, "cistern first answer", 64));
    this.name = derived.subarray(0, 32).toString("hex");
    this.#secret = derived.subarray(32);
  }

  /** AES-256-GCM, base64. */
  seal(answer: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#secret, nonce);
    const sealed = Buffer.concat([cipher.update(answer, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
  }

  /** Throws when it is not what `seal` made. */
  open(sealed: string): string {
    const bytes = Buffer.from(sealed, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.#secret, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
  }
}
