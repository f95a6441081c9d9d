/** What the API says of errors of the file server. */
import { FileError } from "#api/sftp/session.ts";
import { Fault } from "#base/errors.ts";

const KINDS: Readonly<Record<string, "not_found" | "conflict" | "no_space">> = {
  "No such file or directory": "not_found",
  "Not a directory": "not_found",
  "File exists": "conflict",
  "No space left on device": "no_space",
  "Disk quota exceeded": "no_space",
};

/** What the API says of it. */
export function fileFault(error: unknown, action: string, path: string): unknown {
  if (!(error instanceof FileError)) return error;
  const kind = KINDS[error.text] ?? "bad_request";
  if (kind === "not_found") {
    return new Fault(kind, "Not Found", {
      cause: error,
      hint: `cannot ${action} "${path}": ${error.text.toLowerCase()}`,
    });
  }
  return new Fault(kind, `cannot ${action} "${path}": ${error.reason}`, { cause: error });
}
