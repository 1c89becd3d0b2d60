export { formatDuration, parseDuration } from "../domain/duration.ts";
