import { maskUrl } from "./location.ts";

/** A text whose URLs have lost their secrets: a driver's message may quote the URL that it was given. */
export function maskUrls(text: string): string {
  return text.replaceAll(/https?:\/\/[^\s"'<>()]+/gi, (url) => (URL.canParse(url) ? maskUrl(url) : "(url)"));
}
