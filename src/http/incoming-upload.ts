import type { HttpBindings } from "@hono/node-server";
import type { Upload } from "../artifact/receive-bytes.ts";
import { invalid } from "../domain/errors.ts";

/** The body of a request as an upload, and a signal that is aborted when its client leaves. */
export interface IncomingUpload extends Upload, Disposable {
  readonly signal: AbortSignal;
}

// RFC 9110 §8.3.1, parameters included
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const MEDIA_TYPE = new RegExp(
  `^${TOKEN}/${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"))*$`,
);
const MAX_TYPE = 255;
const BYTES = "application/octet-stream";

/** `invalid-input` when the headers say nothing that can be recorded. */
export function incomingUpload({ incoming, outgoing }: HttpBindings): IncomingUpload {
  const contentType = incoming.headers["content-type"]?.trim() ?? BYTES;
  if (contentType.length > MAX_TYPE || !MEDIA_TYPE.test(contentType)) {
    throw invalid("header.content-type", `must be a media type of at most ${MAX_TYPE} characters`);
  }
  if ((incoming.headers["content-encoding"]?.trim().toLowerCase() ?? "identity") !== "identity") {
    throw invalid("header.content-encoding", "must be left out: bodies are taken as they are");
  }
  if (incoming.headers["content-range"] !== undefined) {
    // RFC 9110 §14.4: a server that does not know partial PUT must not take it for a whole one.
    throw invalid("header.content-range", "must be left out: uploads are whole");
  }
  const announced = incoming.headers["content-length"];
  if (announced === undefined && incoming.headers["transfer-encoding"] === undefined) {
    // Such a request has no body (RFC 9112 §6.3): a blob must not become empty because one was forgotten.
    throw invalid("header.content-length", "is required, or Transfer-Encoding: chunked");
  }
  const gone = new AbortController();
  const onClose = () => gone.abort(new Error("the client has left"));
  outgoing.once("close", onClose);
  return {
    // Left open when the upload fails, so that the client can still be told why.
    bytes: incoming.iterator({ destroyOnReturn: false }),
    length: announced === undefined ? undefined : Number(announced),
    contentType,
    signal: gone.signal,
    [Symbol.dispose]: () => {
      outgoing.off("close", onClose);
    },
  };
}
