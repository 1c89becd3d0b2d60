import { isIPv4 } from "node:net";

const NAME = /^[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;
const RESERVED_START = /^(?:xn--|sthree-|amzn-s3-demo-)/;
const RESERVED_END = /(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;

/** The name when it is one of a general purpose bucket; undefined otherwise. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
export function parseBucket(text: string): string | undefined {
  if (!NAME.test(text) || isIPv4(text)) return undefined;
  return RESERVED_START.test(text) || RESERVED_END.test(text) ? undefined : text;
}
